package h2

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzConn: whatever a peer sends after its preface, calls are used as they want to be, nothing
// hangs once the peer is gone, and what was taken was given back.
func FuzzConn(f *testing.F) {
	for _, seed := range conversations() {
		f.Add(byte(0), seed)
		f.Add(byte(0xff), seed)
	}
	f.Fuzz(func(t *testing.T, how byte, sent []byte) {
		s := &service{end: waits}
		if how&1 != 0 {
			s.came = func(all []byte) *Status { return whenLarge(len(all)) }
		}
		if how&2 != 0 {
			s.room = whenLarge
		}
		options := testOptions(s)
		options.MaxStreams, options.Apart, options.Tick = 3, how&4 != 0, time.Millisecond
		if how&8 != 0 {
			options.Slow = func(bytes int64, _ time.Duration) *Status { return whenLarge(int(bytes)) }
		}
		server := New(options, nil)
		converse(t, server, sent)
		s.check(t)
	})
}

func whenLarge(n int) *Status {
	if n < 100 {
		return nil
	}
	return &Status{Code: 3, Message: "large"}
}

func waits(ctx context.Context, body []byte) *Status {
	if bytes.HasPrefix(body, []byte("wait")) {
		<-ctx.Done()
	}
	return whenLarge(len(body))
}

// converse has a peer say something and go.
func converse(t *testing.T, server *Server, sent []byte) {
	ours, theirs := net.Pipe()
	c := newConn(server, theirs)
	server.working.Go(server.ticks)
	server.working.Go(func() { server.take(c) })
	go func() { _, _ = io.Copy(io.Discard, ours) }()
	_, err := ours.Write(append([]byte(http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), sent...))
	_ = ours.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Shutdown(t.Context())
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		t.Fatalf("it hangs:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active != 0 || c.writing != 0 || len(c.streams) != 0 {
		t.Errorf("%d streams are active, %d answers being written, %d streams known", c.active, c.writing, len(c.streams))
	}
	if all := c.credit + c.owed; err == nil && c.credit >= 0 && all != 128<<10 {
		t.Errorf("credit for %d bytes, want all of the window", all)
	}
}

// conversations are some that peers have.
func conversations() (all [][]byte) {
	for _, talk := range []func(p *talker){
		func(p *talker) { p.begin(1, exportPath, false); p.data(1, true, "hello") },
		func(p *talker) {
			p.begin(1, exportPath, true)
			p.begin(3, exportPath, true)
			p.begin(5, otherPath, true)
		},
		func(p *talker) { p.begin(1, otherPath, false); p.data(1, false, "hello"); p.data(1, true, " world") },
		func(p *talker) { p.begin(1, exportPath, false); p.data(1, true, "wait"); p.reset(1) },
		func(p *talker) { p.begin(1, exportPath, false); p.data(1, true, "wait"); p.ping(); p.settings(0) },
		func(p *talker) {
			p.begin(1, exportPath, false)
			p.data(1, false, strings.Repeat("x", 200))
			p.data(1, true, "more")
		},
		func(p *talker) { p.settings(0); p.begin(1, otherPath, false); p.data(1, true, "hello"); p.window(1, 2) },
		func(p *talker) {
			p.begin(1, "/test/Stuck", false)
			p.data(1, true, "x")
			p.begin(3, exportPath, false)
			p.reset(3)
		},
		func(p *talker) { p.begin(1, "/test/Endless", true); p.window(0, 1<<20); p.window(1, 1<<20); p.reset(1) },
	} {
		p := newTalker()
		talk(p)
		all = append(all, p.out.Bytes())
	}
	return all
}

// talker writes frames to memory.
type talker struct {
	out, block bytes.Buffer
	frames     *http2.Framer
	hpack      *hpack.Encoder
}

func newTalker() *talker {
	p := &talker{}
	p.frames, p.hpack = http2.NewFramer(&p.out, nil), hpack.NewEncoder(&p.block)
	return p
}

func (p *talker) begin(id uint32, path string, end bool) {
	p.block.Reset()
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path},
		{Name: "content-type", Value: "application/grpc"}, {Name: "grpc-timeout", Value: "1S"},
	} {
		_ = p.hpack.WriteField(field)
	}
	_ = p.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block.Bytes(), EndStream: end, EndHeaders: true})
}

func (p *talker) data(id uint32, end bool, data string) {
	_ = p.frames.WriteDataPadded(id, end, []byte(data), make([]byte, 3))
}

func (p *talker) reset(id uint32)     { _ = p.frames.WriteRSTStream(id, http2.ErrCodeCancel) }
func (p *talker) window(id, n uint32) { _ = p.frames.WriteWindowUpdate(id, n) }
func (p *talker) ping()               { _ = p.frames.WritePing(false, [8]byte{}) }
func (p *talker) settings(window uint32) {
	_ = p.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
}
