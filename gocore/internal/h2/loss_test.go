package h2

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestLostWhileFilling: a connection that breaks within a frame; rig.end sees that all was closed.
func TestLostWhileFilling(t *testing.T) {
	for _, path := range []string{exportPath, otherPath} {
		s := &service{}
		r := start(t, s, nil)
		p := r.dial()
		p.call(1, path, false)
		p.must(p.Write([]byte("\x00\x03\xe8\x00\x00\x00\x00\x00\x01half")))
		if path == exportPath {
			eventually(t, "a call", func() bool { _, opened, _ := s.count(); return opened == 1 })
		}
		p.ok(p.Close())
		eventually(t, "no connection", func() bool { return len(r.server.all()) == 0 })
		if open, _, _ := s.count(); open != 0 {
			t.Errorf("%s: %d calls are open", path, open)
		}
	}
}

// TestStopWhileFilling is the same, ended by the server.
func TestStopWhileFilling(t *testing.T) {
	s := &service{}
	p := start(t, s, nil).dial()
	p.call(1, exportPath, false)
	p.must(p.Write([]byte("\x00\x03\xe8\x00\x00\x00\x00\x00\x01half")))
	eventually(t, "a call", func() bool { _, opened, _ := s.count(); return opened == 1 })
}

// TestNoGRPCIsNoCall: the handler behind refuses it in HTTP's terms; a Call that nobody wants would
// never be closed.
func TestNoGRPCIsNoCall(t *testing.T) {
	s := &service{}
	p := start(t, s, nil).dial()
	p.call(1, exportPath, false, "content-type: text/plain")
	p.data(1, true, "back")
	if r := p.answer(1); string(r.data) != "back" {
		t.Errorf("answer: %+v", r)
	}
	if _, opened, _ := s.count(); opened != 0 {
		t.Error("a call was opened")
	}
}

// TestSlowBeforeOneWhoDoesNotRead: the tick answers slow calls, and waits for no peer.
func TestSlowBeforeOneWhoDoesNotRead(t *testing.T) {
	s := &service{}
	slow := func(bytes int64, _ time.Duration) *Status {
		if bytes != 1 {
			return nil
		}
		return &Status{Code: 4, Message: "slow"}
	}
	r := start(t, s, func(o *Options) { o.Slow, o.PingTimeout, o.MaxStreams = slow, time.Second, 1000 })
	deaf := r.dial()
	fillUp(t, r, deaf)
	p := r.dial()
	p.call(1, exportPath, false)
	p.data(1, false, "x")
	p.status(1, "4")
	eventually(t, "the deaf one is let go", func() bool { return len(r.server.all()) == 1 })
}

// fillUp has the server write to a peer until it blocks, with a slow call begun.
func fillUp(t *testing.T, r *rig, deaf *peer) {
	t.Helper()
	deaf.ok(deaf.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: windowMost}))
	deaf.ok(deaf.frames.WriteWindowUpdate(0, windowMost-windowStart))
	deaf.call(1, exportPath, false)
	deaf.call(3, "/test/Endless", true)
	eventually(t, "a write that blocks", func() bool {
		for _, c := range r.server.all() {
			if c.writer.stuck(time.Now(), 20*time.Millisecond) {
				return true
			}
		}
		return false
	})
	deaf.data(1, false, "x")
}

// TestTinyWindowHoldsNoMemory: a call's memory is free when its work is done, though its answer
// cannot be sent.
func TestTinyWindowHoldsNoMemory(t *testing.T) {
	s := &service{}
	p := start(t, s, nil).dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	p.export(1, "hello")
	p.ping("")
	eventually(t, "no call open", func() bool { open, opened, _ := s.count(); return open == 0 && opened == 1 })
	p.ok(p.frames.WriteWindowUpdate(1, 4))
	p.ping("still none")
	if p.reply(1).done {
		t.Error("an answer in a window that is too small")
	}
	p.ok(p.frames.WriteWindowUpdate(1, 1))
	p.status(1, "0")
	p.export(3, "hello")
	p.ok(p.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 5}))
	p.status(3, "0")
	p.export(5, "hello")
	p.status(5, "0")
	p.ok(p.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	p.export(7, "hello")
	p.ok(p.frames.WriteRSTStream(7, http2.ErrCodeCancel))
	p.export(9, "hello") // until the end
	p.ping("")
}

// TestStreamCountsUntilAnswered: and not longer, a client may begin another at once.
func TestStreamCountsUntilAnswered(t *testing.T) {
	p := start(t, &service{}, func(o *Options) { o.MaxStreams, o.Apart = 1, true }).dial()
	for id := uint32(1); id < 2000; id += 2 {
		p.export(id, "x")
		p.until("an answer", func() bool { _, reset := p.resets[id]; return reset || p.reply(id).done })
		if len(p.resets) > 0 {
			t.Fatal("the call after an answer was refused")
		}
	}
}

// TestStopWhileReading: a call whose frames were there already does not begin any more; its context
// would never end.
func TestStopWhileReading(t *testing.T) {
	s := &service{end: func(ctx context.Context, _ []byte) *Status { <-ctx.Done(); return nil }}
	r := start(t, s, func(o *Options) { o.Tick = time.Hour })
	s.refuse = func(head *Head) *Status {
		if head.Get("stop") != "" {
			r.server.stop()
		}
		return nil
	}
	p := r.dial()
	var all bytes.Buffer
	p.frames = http2.NewFramer(&all, p.Conn)
	p.call(1, exportPath, false, "stop: now")
	p.export(3, "x")
	p.must(p.Write(all.Bytes()))
	eventually(t, "no connection", func() bool { return len(r.server.all()) == 0 })
}

// endless writes until it cannot.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write([]byte(strings.Repeat("x", 16<<10))); err != nil {
			return
		}
	}
}
