package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestProbe: a silent peer is asked, and given up when it does not answer.
func TestProbe(t *testing.T) {
	r := start(t, &service{}, func(o *Options) { o.PingAfter, o.PingTimeout = 20*time.Millisecond, 50*time.Millisecond })
	p := r.dial()
	pings := 0
	for pings == 0 {
		frame, err := p.frames.ReadFrame()
		p.ok(err)
		if _, ok := frame.(*http2.PingFrame); ok {
			pings++
		}
	}
	for {
		if _, err := p.frames.ReadFrame(); err != nil {
			break
		}
	}
	eventually(t, "no connection", func() bool { return len(r.server.all()) == 0 })
}

// TestProbeAnswered: who answers stays, however often it is asked.
func TestProbeAnswered(t *testing.T) {
	r := start(t, &service{}, func(o *Options) { o.PingAfter, o.PingTimeout = 20*time.Millisecond, patience })
	p := r.dial()
	for pings := 0; pings < 5; {
		frame, err := p.frames.ReadFrame()
		p.ok(err)
		if f, ok := frame.(*http2.PingFrame); ok && !f.IsAck() {
			p.ok(p.frames.WritePing(true, f.Data))
			pings++
		}
	}
	p.export(1, "x")
	p.status(1, "0")
}

// TestSlow: a call that does not come, and one that stops within a frame.
func TestSlow(t *testing.T) {
	s := &service{}
	p := start(t, s, func(o *Options) {
		o.Slow = func(bytes int64, after time.Duration) *Status {
			if after < 50*time.Millisecond {
				return nil
			}
			return &Status{Code: 4, Message: "slow"}
		}
	}).dial()
	p.call(1, otherPath, false) // is not asked about
	p.call(3, exportPath, false)
	p.call(5, exportPath, false)
	p.must(p.Write([]byte("\x00\x00\x0a\x00\x00\x00\x00\x00\x05half")))
	p.status(3, "4")
	p.reset(3, http2.ErrCodeNo)
	p.status(5, "4")
	p.must(p.Write([]byte("rest..")))
	p.data(5, true, "more")
	p.data(1, true, "x")
	p.status(1, "0")
	if open, opened, _ := s.count(); open != 0 || opened != 2 {
		t.Errorf("%d of %d calls are open", open, opened)
	}
}
