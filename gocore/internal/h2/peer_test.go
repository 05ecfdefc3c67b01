package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is a client that does what a test tells it, right or wrong.
type peer struct {
	*testing.T
	net.Conn
	frames *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder

	// What came while something else was waited for.
	replies map[uint32]*reply
	windows map[uint32]int64 // credit that was given
	pongs   [][8]byte
	goAways []http2.GoAwayFrame
	resets  map[uint32]http2.ErrCode
}

// reply is what came on a stream.
type reply struct {
	headers, trailers map[string]string
	data              []byte
	done              bool
}

// dial connects, and says how the connection begins.
func (r *rig) dial(settings ...http2.Setting) *peer {
	r.Helper()
	p := r.dialRaw()
	p.greet(settings...)
	return p
}

func (r *rig) dialRaw() *peer {
	r.Helper()
	conn, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	return newPeer(r.T, conn)
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	p := &peer{
		T: t, Conn: conn, frames: http2.NewFramer(conn, conn), windows: map[uint32]int64{},
		replies: map[uint32]*reply{}, resets: map[uint32]http2.ErrCode{},
	}
	p.frames.AllowIllegalWrites = true
	p.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.hpack = hpack.NewEncoder(&p.block)
	return p
}

func (p *peer) greet(settings ...http2.Setting) {
	p.Helper()
	p.must(io.WriteString(p.Conn, http2.ClientPreface))
	p.ok(p.frames.WriteSettings(settings...))
}

func (p *peer) must(_ int, err error) {
	p.Helper()
	p.ok(err)
}

func (p *peer) ok(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// fields makes headers of "name: value".
func (p *peer) encode(lines ...string) []byte {
	p.block.Reset()
	for _, line := range lines {
		name, value, _ := strings.Cut(line[1:], ": ")
		p.ok(p.hpack.WriteField(hpack.HeaderField{Name: line[:1] + name, Value: value}))
	}
	return bytes.Clone(p.block.Bytes())
}

// call begins one.
func (p *peer) call(id uint32, path string, end bool, more ...string) {
	p.Helper()
	lines := []string{":method: POST", ":scheme: http", ":path: " + path, ":authority: test"}
	if !strings.Contains(strings.Join(more, "\n"), "content-type") {
		lines = append(lines, "content-type: application/grpc")
	}
	p.headers(id, end, append(append(lines, "te: trailers"), more...)...)
}

func (p *peer) headers(id uint32, end bool, lines ...string) {
	p.Helper()
	p.ok(p.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.encode(lines...), EndStream: end, EndHeaders: true}))
}

func (p *peer) data(id uint32, end bool, data string) {
	p.Helper()
	p.ok(p.frames.WriteData(id, end, []byte(data)))
}

// export is a whole call.
func (p *peer) export(id uint32, body string) {
	p.Helper()
	p.call(id, exportPath, false)
	p.data(id, true, body)
}

func (p *peer) reply(id uint32) *reply {
	if p.replies[id] == nil {
		p.replies[id] = &reply{}
	}
	return p.replies[id]
}

// read takes a frame.
func (p *peer) read() error {
	frame, err := p.frames.ReadFrame()
	if err != nil {
		return err
	}
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		p.readHeaders(f)
	case *http2.DataFrame:
		r := p.reply(f.StreamID)
		r.data = append(r.data, f.Data()...)
		r.done = f.StreamEnded()
	case *http2.WindowUpdateFrame:
		p.windows[f.StreamID] += int64(f.Increment)
	case *http2.PingFrame:
		if f.IsAck() {
			p.pongs = append(p.pongs, f.Data)
		} else {
			return p.frames.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		p.goAways = append(p.goAways, *f)
	case *http2.RSTStreamFrame:
		p.resets[f.StreamID] = f.ErrCode
	}
	return nil
}

func (p *peer) readHeaders(f *http2.MetaHeadersFrame) {
	r, all := p.reply(f.StreamID), map[string]string{}
	for _, field := range f.Fields {
		all[field.Name] = field.Value
	}
	if r.headers == nil {
		r.headers = all
	} else {
		r.trailers = all
	}
	if f.StreamEnded() {
		r.done = true
		if r.trailers == nil {
			r.trailers = all
		}
	}
}

// until reads until something is so.
func (p *peer) until(what string, so func() bool) {
	p.Helper()
	for !so() {
		if err := p.read(); err != nil {
			p.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

// answer waits for the end of a stream.
func (p *peer) answer(id uint32) *reply {
	p.Helper()
	p.until("an answer", func() bool { return p.reply(id).done })
	return p.reply(id)
}

// status waits for an answer, and wants it to have this status.
func (p *peer) status(id uint32, want string) *reply {
	p.Helper()
	r := p.answer(id)
	if got := r.trailers["grpc-status"]; got != want {
		p.Errorf("stream %d: status %q (%q), want %q", id, got, r.trailers["grpc-message"], want)
	}
	return r
}

// reset waits for a stream's.
func (p *peer) reset(id uint32, want http2.ErrCode) {
	p.Helper()
	p.until("a reset", func() bool { _, ok := p.resets[id]; return ok })
	if got := p.resets[id]; got != want {
		p.Errorf("stream %d was reset with %v, want %v", id, got, want)
	}
}

// goAway waits for a farewell.
func (p *peer) goAway(want http2.ErrCode) {
	p.Helper()
	p.until("GOAWAY", func() bool { return len(p.goAways) > 0 })
	if got := p.goAways[0].ErrCode; got != want {
		p.Errorf("GOAWAY with %v, want %v", got, want)
	}
}

// ping has the server say that it has read what came before.
func (p *peer) ping(text string) {
	p.Helper()
	var data [8]byte
	copy(data[:], text)
	had := len(p.pongs)
	p.ok(p.frames.WritePing(false, data))
	p.until("a pong", func() bool { return len(p.pongs) > had })
	if got := p.pongs[had]; got != data {
		p.Errorf("pong %q, want %q", got, data)
	}
}

// gone waits for the end of the connection.
func (p *peer) gone() {
	p.Helper()
	for {
		err := p.read()
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			p.Fatal("the connection stays")
		}
		if err != nil {
			return
		}
	}
}
