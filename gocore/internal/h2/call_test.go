package h2

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

func TestCallAnswered(t *testing.T) {
	s := &service{}
	p := start(t, s, nil).dial()
	p.export(1, "hello")
	r := p.status(1, "0")
	if r.headers[":status"] != "200" || r.headers["content-type"] != "application/grpc" || string(r.data) != "\x00\x00\x00\x00\x00" {
		t.Errorf("answer: %+v", r)
	}
	p.call(3, exportPath, false)
	p.data(3, false, "in ")
	p.data(3, false, "")
	p.data(3, false, "pieces")
	p.headers(3, true, "a-trailer: of no use")
	p.status(3, "0")
	p.call(5, exportPath, true)
	p.status(5, "0")
	if got := strings.Join(s.bodies, "|"); got != "hello|in pieces|" {
		t.Errorf("messages: %q", got)
	}
}

func TestCallStatus(t *testing.T) {
	s := &service{end: func(context.Context, []byte) *Status {
		return &Status{Code: 3, Message: "50% of é\n", Details: []byte{0xff, 0xfe}}
	}}
	p := start(t, s, nil).dial()
	p.export(1, "x")
	r := p.status(1, "3")
	if r.trailers["grpc-message"] != "50%25 of %C3%A9%0A" || r.trailers["grpc-status-details-bin"] != "//4" || r.trailers[":status"] != "200" {
		t.Errorf("trailers: %v", r.trailers)
	}
}

// TestCallLongStatus: headers that are more than one frame.
func TestCallLongStatus(t *testing.T) {
	long := strings.Repeat("ab%", 20_000)
	p := start(t, &service{end: func(context.Context, []byte) *Status { return &Status{Code: 3, Message: long} }}, nil).dial()
	p.export(1, "x")
	if got := p.status(1, "3").trailers["grpc-message"]; got != strings.ReplaceAll(long, "%", "%25") {
		t.Errorf("a message of %d bytes", len(got))
	}
}

// TestCallEarly: what is answered before it has come whole costs the connection nothing.
func TestCallEarly(t *testing.T) {
	for name, s := range map[string]*service{
		"open": {refuse: func(*Head) *Status { return &Status{Code: 16} }},
		"room": {room: func(int) *Status { return &Status{Code: 16} }},
		"came": {came: func([]byte) *Status { return &Status{Code: 16} }},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, s, nil)
			p := r.dial()
			p.call(1, exportPath, false)
			p.data(1, false, strings.Repeat("x", 1000))
			p.status(1, "16")
			p.reset(1, http2.ErrCodeNo)
			for range 30 { // more than the windows
				p.data(1, false, strings.Repeat("x", 16<<10))
				if name := p.windows[0]; name == 0 {
					p.ping("")
				}
			}
			p.headers(1, true, "trailer: too late")
			p.ping("alive")
			if open, _, _ := s.count(); open != 0 {
				t.Errorf("%d calls are open", open)
			}
		})
	}
}

// TestCallLarge is more than all windows; what was taken is given again, to the byte.
func TestCallLarge(t *testing.T) {
	s := &service{}
	p := start(t, s, func(o *Options) { o.PingMinTime = 0 }).dial()
	p.call(1, exportPath, false)
	const size = 1 << 20
	sent := send(p, 1, size)
	p.status(1, "0")
	if got := len(s.bodies[0]); got != size {
		t.Errorf("%d bytes came, want %d", got, size)
	}
	if owed := int64(sent) - (p.windows[0] - (128<<10 - windowStart)); owed < 0 || owed > 64<<10 {
		t.Errorf("%d bytes are owed", owed)
	}
}

// send sends so much, padded, as fast as windows allow, and ends the stream. It gives what the
// windows paid.
func send(p *peer, id uint32, size int) int {
	p.Helper()
	p.until("windows", func() bool { return p.windows[0] > 0 })
	whole, stream, paid := p.windows[0]+windowStart, p.windows[id]+64<<10, 0
	gave, gaveStream := p.windows[0], p.windows[id]
	for size > 0 {
		n := min(size, 10_000)
		const padding = 101
		p.until("windows", func() bool {
			whole, gave = whole+p.windows[0]-gave, p.windows[0]
			stream, gaveStream = stream+p.windows[id]-gaveStream, p.windows[id]
			return whole >= int64(n+padding) && stream >= int64(n+padding)
		})
		size -= n
		p.ok(p.frames.WriteDataPadded(id, size == 0, []byte(strings.Repeat("x", n)), make([]byte, padding-1)))
		whole -= int64(n + padding)
		stream -= int64(n + padding)
		paid += n + padding
	}
	return paid
}

// TestCallRefused: more streams than allowed.
func TestCallRefused(t *testing.T) {
	end, release := blocking()
	defer release()
	s := &service{end: end}
	p := start(t, s, func(o *Options) { o.MaxStreams, o.Apart = 2, true }).dial()
	for _, id := range []uint32{1, 3, 5} {
		p.export(id, "block")
	}
	p.reset(5, http2.ErrCodeRefusedStream)
	release()
	p.status(1, "0")
	p.status(3, "0")
	p.export(7, "x")
	p.status(7, "0")
}

// TestCallRapidReset: streams that were reset count until their work is done.
func TestCallRapidReset(t *testing.T) {
	gate := make(chan struct{})
	s := &service{end: func(context.Context, []byte) *Status { <-gate; return nil }}
	r := start(t, s, func(o *Options) { o.MaxStreams, o.Apart = 4, true })
	p := r.dial()
	for id := uint32(1); id < 401; id += 2 {
		p.export(id, "x")
		p.ok(p.frames.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	p.ping("")
	eventually(t, "four calls at work", func() bool { _, _, ending := s.count(); return ending == 4 })
	if s.mu.Lock(); s.most != 4 || s.opened != 4 {
		t.Errorf("%d calls at work at once, %d opened, want 4", s.most, s.opened)
	}
	s.mu.Unlock()
	close(gate)
	eventually(t, "no call open", func() bool { open, _, _ := s.count(); return open == 0 })
	p.export(1001, "x")
	p.status(1001, "0")
}

// TestCallTakeover: a call that takes long holds nothing up.
func TestCallTakeover(t *testing.T) {
	end, release := blocking()
	defer release()
	p := start(t, &service{end: end}, nil).dial()
	p.export(1, "block")
	p.ping("one")
	p.export(3, "block")
	p.ping("two")
	p.export(5, "quick")
	p.status(5, "0")
	release()
	p.status(1, "0")
	p.status(3, "0")
	p.export(7, "quick")
	p.status(7, "0")
}

// TestCallCancelled: a reset ends a call's context.
func TestCallCancelled(t *testing.T) {
	ended := make(chan error, 1)
	s := &service{end: func(ctx context.Context, _ []byte) *Status {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil
	}}
	p := start(t, s, nil).dial()
	p.export(1, "x")
	p.ok(p.frames.WriteRSTStream(1, http2.ErrCodeCancel))
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("context: %v", err)
	}
	p.ping("alive")
}

func TestCallDeadline(t *testing.T) {
	s := &service{end: func(ctx context.Context, _ []byte) *Status {
		if _, ok := ctx.Deadline(); !ok {
			return &Status{Code: 2, Message: "no deadline"}
		}
		<-ctx.Done()
		return &Status{Code: 4, Message: ctx.Err().Error()}
	}}
	p := start(t, s, nil).dial()
	p.call(1, exportPath, true, "grpc-timeout: 1m")
	p.status(1, "4")
	p.call(3, exportPath, true, "grpc-timeout: 1n")
	p.status(3, "4")
	for i, bad := range []string{"1", "m", "123456789m", "1x", "-1m", "1.5S"} {
		id := uint32(5 + 2*i)
		p.call(id, exportPath, i%2 == 0, "grpc-timeout: "+bad)
		p.status(id, "13")
	}
	p.call(101, exportPath, true, "grpc-timeout: 50000m")
	p.ok(p.frames.WriteRSTStream(101, http2.ErrCodeCancel))
	p.ping("")
}

// TestCallAnsweredWithContent: a success may have a message; one that the peer's window has no room for
// waits.
func TestCallAnsweredWithContent(t *testing.T) {
	p := start(t, &service{end: func(context.Context, []byte) *Status { return &Status{Answer: []byte("some")} }}, nil).dial()
	p.export(1, "x")
	if r := p.status(1, "0"); string(r.data) != "\x00\x00\x00\x00\x04some" || r.headers[":status"] != "200" {
		t.Errorf("answer: %+v", r)
	}
	if err := p.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 6}); err != nil {
		t.Fatal(err)
	}
	p.export(3, "x")
	p.ping("it waits")
	if r := p.reply(3); len(r.data) != 0 || r.done {
		t.Errorf("sent beyond the window: %+v", r)
	}
	if err := p.frames.WriteWindowUpdate(3, 3); err != nil {
		t.Fatal(err)
	}
	if r := p.status(3, "0"); string(r.data) != "\x00\x00\x00\x00\x04some" {
		t.Errorf("answer: %+v", r)
	}
}
