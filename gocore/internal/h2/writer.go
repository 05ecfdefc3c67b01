package h2

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frameBytes is the largest frame that every peer takes.
const frameBytes = 16 << 10

// writer writes frames, for whoever has some. What begins with its lock ends with flush.
type writer struct {
	conn net.Conn
	// since is when the write began that is under way, in nanoseconds, or 0.
	since atomic.Int64

	mu     sync.Mutex // guards the fields below, and what is written
	out    bytes.Buffer
	frames *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	failed error
}

func (w *writer) init(conn net.Conn) {
	w.conn = conn
	w.frames = http2.NewFramer(&w.out, nil)
	w.hpack = hpack.NewEncoder(&w.block)
}

// flush writes what was put together, and lets the next one in. After an error nothing is
// written any more: the reader finds the connection closed.
func (w *writer) flush() {
	defer w.mu.Unlock()
	if w.failed == nil && w.out.Len() > 0 {
		w.since.Store(time.Now().UnixNano())
		if _, w.failed = w.conn.Write(w.out.Bytes()); w.failed != nil {
			_ = w.conn.Close() // nobody to tell
		}
		w.since.Store(0)
	}
	w.out.Reset()
}

// stuck says that the peer has not read for so long.
func (w *writer) stuck(now time.Time, limit time.Duration) bool {
	since := w.since.Load()
	return since != 0 && now.UnixNano()-since > int64(limit)
}

// headersLocked puts headers into as many frames as they need.
func (w *writer) headersLocked(id uint32, end bool, fields ...hpack.HeaderField) {
	w.block.Reset()
	for _, field := range fields {
		_ = w.hpack.WriteField(field) // to memory
	}
	rest := w.block.Bytes()
	part := rest[:min(len(rest), frameBytes)]
	rest = rest[len(part):]
	_ = w.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: part, EndStream: end, EndHeaders: len(rest) == 0})
	for len(rest) > 0 {
		part = rest[:min(len(rest), frameBytes)]
		rest = rest[len(part):]
		_ = w.frames.WriteContinuation(id, len(rest) == 0, part)
	}
}

// resetLater is reset for the goroutine that reads, which writes before it waits.
func (w *writer) resetLater(id uint32, code http2.ErrCode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.frames.WriteRSTStream(id, code)
}

func (w *writer) reset(id uint32, code http2.ErrCode) {
	w.mu.Lock()
	_ = w.frames.WriteRSTStream(id, code)
	w.flush()
}

func (w *writer) ping(ack bool, data [8]byte) {
	w.mu.Lock()
	_ = w.frames.WritePing(ack, data)
	w.flush()
}

func (w *writer) goAway(last uint32, code http2.ErrCode, why string) {
	w.mu.Lock()
	_ = w.frames.WriteGoAway(last, code, []byte(why))
	w.flush()
}

// credit lets the peer send as many bytes more; 0 for none.
func (w *writer) credit(id, stream, whole uint32) {
	w.creditLater(id, stream, whole)
	w.push()
}

// creditLater is credit for the goroutine that reads, which writes before it waits.
func (w *writer) creditLater(id, stream, whole uint32) {
	if stream == 0 && whole == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if whole > 0 {
		_ = w.frames.WriteWindowUpdate(0, whole)
	}
	if stream > 0 {
		_ = w.frames.WriteWindowUpdate(id, stream)
	}
}

// push writes what was put together.
func (w *writer) push() {
	w.mu.Lock()
	w.flush()
}

// source is a connection as its reader sees it: before it waits for the peer, the peer gets what
// there is for it. So what several frames have caused is written at once.
type source struct{ *conn }

func (s source) Read(p []byte) (int, error) {
	s.writer.push()
	return s.raw.Read(p)
}
