package h2

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	readBuffer  = 64 << 10
	windowStart = 65535 // what both sides may send at first
	windowMost  = 1<<31 - 1
)

// working is the bit of a turn that says that its goroutine works on a call. The other bits
// count the goroutines that had the reading.
const working = 1

// How far a connection's farewell is.
const (
	staying = iota
	warned  // no call may begin after those that are on their way
	left    // none at all
)

// conn is one client's connection.
type conn struct {
	server *Server
	raw    net.Conn // with TLS, or
	below  net.Conn // without
	tls    *tls.ConnectionState
	writer writer

	// For the goroutine that reads.
	reader *bufio.Reader
	frames *http2.Framer

	turn  atomic.Uint64 // who reads
	heard atomic.Bool   // something came since the last tick

	mu        sync.Mutex // guards the fields below, and the streams'
	changed   sync.Cond  // windows, or the end
	streams   map[uint32]*stream
	active    int    // streams that take memory or somebody's time
	writing   int    // answers that are being written
	newest    uint32 // stream
	early     ring
	credit    int64 // what the peer may send
	owed      int64 // what it has sent, and was not given credit for again
	send      int64 // what we may send
	firstSend int64 // likewise on a new stream
	leaving   int
	closed    bool
	strikes   int  // pings that came too soon
	forgiven  bool // the next one: clients measure with pings what we send
	pinged    time.Time

	// For the tick alone.
	silent  time.Duration
	waited  time.Duration // for an answer to our farewell
	watched uint64        // the turn of the last tick,
	stalled int           // and for how many ticks it was on one call: a short one is done in between, mostly
}

func newConn(s *Server, raw net.Conn) *conn {
	c := &conn{server: s, raw: raw, below: raw, streams: map[uint32]*stream{}, credit: windowStart, send: windowStart, firstSend: windowStart}
	c.changed.L = &c.mu
	return c
}

// errPeer is a client that speaks something else.
var errPeer = errors.New("no HTTP/2")

// greet is TLS's handshake, if it has one, and HTTP/2's.
func (c *conn) greet() error {
	if err := c.raw.SetDeadline(time.Now().Add(c.server.Handshake)); err != nil {
		return err
	}
	if c.server.TLS != nil {
		secured := tls.Server(c.raw, c.server.TLS)
		if err := secured.Handshake(); err != nil {
			return err
		}
		state := secured.ConnectionState()
		if state.NegotiatedProtocol != http2.NextProtoTLS {
			return errPeer
		}
		c.raw, c.tls = secured, &state
	}
	c.reader = bufio.NewReaderSize(source{c}, readBuffer)
	c.writer.init(c.raw)
	var preface [len(http2.ClientPreface)]byte
	if err := c.settings(); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.reader, preface[:]); err != nil {
		return err
	}
	if string(preface[:]) != http2.ClientPreface {
		return errPeer
	}
	c.frames = http2.NewFramer(nil, c.reader)
	c.frames.SetReuseFrames()
	c.frames.SetMaxReadFrameSize(frameBytes)
	c.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.frames.MaxHeaderListSize = c.server.MaxHeaders
	if err := c.firstFrame(); err != nil {
		return err
	}
	return c.raw.SetDeadline(time.Time{})
}

// firstFrame is the client's settings; nothing else may come before.
func (c *conn) firstFrame() error {
	frame, err := c.frames.ReadFrame()
	if err != nil {
		return err
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return c.adopt(settings)
}

// settings tells the client our limits.
func (c *conn) settings() error {
	all := []http2.Setting{
		{ID: http2.SettingInitialWindowSize, Val: c.server.StreamWindow},
		{ID: http2.SettingMaxHeaderListSize, Val: c.server.MaxHeaders},
	}
	if c.server.MaxStreams > 0 {
		all = append(all, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: c.server.MaxStreams})
	}
	c.credit = int64(c.server.ConnWindow)
	c.writer.mu.Lock()
	_ = c.writer.frames.WriteSettings(all...)
	_ = c.writer.frames.WriteWindowUpdate(0, c.server.ConnWindow-windowStart)
	c.writer.flush()
	return c.writer.failed
}

// serve reads until the connection ends, or another goroutine has taken the reading over.
func (c *conn) serve() {
	for {
		err := c.next()
		if err == errTaken { //nolint:errorlint // never wrapped
			return
		}
		if err == nil {
			continue
		}
		if broken, ok := errors.AsType[http2.StreamError](err); ok {
			c.reset(broken.StreamID, broken.Code)
			continue
		}
		c.end(err)
		return
	}
}

// errTaken says that another goroutine reads now.
var errTaken = errors.New("another goroutine reads")

// reset ends a stream because of what the peer did.
func (c *conn) reset(id uint32, code http2.ErrCode) {
	c.mu.Lock()
	s := c.streams[id]
	c.newest = max(c.newest, id)
	c.early.add(id)
	c.mu.Unlock()
	c.writer.resetLater(id, code)
	if s != nil {
		c.drop(s, context.Canceled)
	}
}

// end closes the connection, with a word to the peer where it broke the rules.
func (c *conn) end(err error) {
	code, guilty := http2.ErrCodeNo, false
	if broken, ok := errors.AsType[http2.ConnectionError](err); ok {
		code, guilty = http2.ErrCode(broken), true
	}
	if errors.Is(err, http2.ErrFrameTooLarge) {
		code, guilty = http2.ErrCodeFrameSize, true
	}
	c.mu.Lock()
	newest := c.newest
	c.mu.Unlock()
	if guilty {
		c.writer.goAway(newest, code, "")
		c.linger()
	}
	c.close(err)
}

// linger lets the peer read our last words: closing with unread data resets the connection, and
// what was sent may be lost with it.
func (c *conn) linger() {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.raw.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.raw, lingerBytes) // until it is gone, or long enough
}

const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// cut ends a connection whose peer may not read: TLS would wait for it to take a last word.
func (c *conn) cut() { _ = c.below.Close() } // nobody to tell

// close ends everything on the connection.
func (c *conn) close(err error) {
	_ = c.raw.Close() // nobody to tell
	c.mu.Lock()
	c.closed = true
	rest := make([]*stream, 0, len(c.streams))
	for _, s := range c.streams {
		rest = append(rest, s)
	}
	c.mu.Unlock()
	for _, s := range rest {
		c.drop(s, context.Canceled)
	}
	c.server.forget(c, err)
}
