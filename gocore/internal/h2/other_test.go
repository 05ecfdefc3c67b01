package h2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

func TestOtherEchoes(t *testing.T) {
	p := start(t, &service{}, nil).dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	p.call(1, otherPath+"?a=b", false, "x-one: 1", "x-one: 2")
	p.data(1, false, "hello")
	p.until("an echo", func() bool { return string(p.reply(1).data) == "hello" })
	p.data(1, true, " world")
	p.until("as much as allowed", func() bool { return len(p.reply(1).data) == 10 })
	p.ping("no more")
	if got := string(p.reply(1).data); got != "hello worl" {
		t.Errorf("data: %q", got)
	}
	p.ok(p.frames.WriteWindowUpdate(1, 1))
	r := p.status(1, "0")
	if string(r.data) != "hello world" || r.trailers["late"] != "yes" || r.headers[":status"] != "200" {
		t.Errorf("answer: %+v", r)
	}
	if _, ok := r.headers["grpc-status"]; ok {
		t.Error("trailers among the headers")
	}
}

// TestOtherLarge: more than all windows, both ways.
func TestOtherLarge(t *testing.T) {
	p := start(t, &service{}, nil).dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4 << 20})
	p.ok(p.frames.WriteWindowUpdate(0, 4<<20))
	p.call(1, otherPath, false)
	sent := send(p, 1, 1<<20)
	if got := len(p.status(1, "0").data); got != 1<<20 {
		t.Errorf("%d bytes came back", got)
	}
	if owed := int64(sent) - (p.windows[0] - (128<<10 - windowStart)); owed < 0 || owed > 64<<10 {
		t.Errorf("%d bytes are owed", owed)
	}
}

// with serves one handler.
func with(t *testing.T, handler http.HandlerFunc) *peer {
	t.Helper()
	return start(t, &service{}, func(o *Options) { o.Other = handler }).dial()
}

func TestOtherRequest(t *testing.T) {
	p := with(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints) // is not sent
		_, timed := r.Context().Deadline()
		if r.Method != http.MethodGet || r.URL.Path != "/a/b" || r.URL.RawQuery != "q" || r.Host != "test" || r.ProtoMajor != 2 ||
			len(r.Header["X-One"]) != 2 || r.RemoteAddr == "" || r.ContentLength != -1 || !timed || r.TLS != nil {
			w.WriteHeader(http.StatusTeapot)
		}
		w.(http.Flusher).Flush()
		w.WriteHeader(http.StatusConflict) // too late
	})
	p.headers(1, true, ":method: GET", ":scheme: http", ":path: /a/b?q", ":authority: test", "x-one: 1", "x-one: 2", "grpc-timeout: 1H")
	if r := p.answer(1); r.headers[":status"] != "200" {
		t.Errorf("answer: %+v", r)
	}
}

// TestOtherEndsEarly: a handler that does not read costs the connection nothing.
func TestOtherEndsEarly(t *testing.T) {
	gate := make(chan struct{})
	p := with(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-gate
		}
	})
	total := 0
	p.call(1, otherPath, false)
	for range 4 {
		p.data(1, false, strings.Repeat("x", frameBytes))
		total += frameBytes
	}
	p.ping("")
	if gave := p.windows[0] - (128<<10 - windowStart); gave != 0 {
		t.Errorf("credit of %d for what nobody has read", gave)
	}
	close(gate)
	p.answer(1)
	p.reset(1, http2.ErrCodeNo)
	p.until("credit", func() bool { return p.windows[0]-(128<<10-windowStart) == int64(total) })
	for range 20 {
		p.data(1, false, strings.Repeat("x", frameBytes/4))
	}
	p.ping("alive")
}

// TestOtherReset: the handler learns that its client is gone, reading and writing.
func TestOtherReset(t *testing.T) {
	faults := make(chan error, 3)
	p := with(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			<-r.Context().Done()
			faults <- r.Context().Err()
			return
		}
		_, err := io.ReadAll(r.Body)
		faults <- err
		_, err = w.Write([]byte("x"))
		faults <- err
	})
	p.headers(1, false, ":method: GET", ":scheme: http", ":path: /")
	p.call(3, otherPath, false)
	p.ping("")
	p.ok(p.frames.WriteRSTStream(1, http2.ErrCodeCancel))
	p.ok(p.frames.WriteRSTStream(3, http2.ErrCodeCancel))
	for range 3 {
		if err := <-faults; !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
	}
	p.ping("alive")
	if p.reply(1).done || p.reply(3).done {
		t.Error("an answer after a reset")
	}
}

// TestOtherResetInWrite: one that waits for a window.
func TestOtherResetInWrite(t *testing.T) {
	r := start(t, &service{}, func(o *Options) { o.MaxStreams = 1 })
	p := r.dial()
	p.call(1, "/test/Endless", true)
	p.until("a full window", func() bool { return len(p.reply(1).data) == windowStart })
	p.ok(p.frames.WriteRSTStream(1, http2.ErrCodeCancel))
	p.ok(p.frames.WriteWindowUpdate(0, 1000))
	eventually(t, "no stream", func() bool {
		c := r.server.all()[0]
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.active == 0
	})
	p.call(3, otherPath, true)
	p.status(3, "0")
}

// TestOtherCreditToTheByte: many handlers end while their data comes; what is owed and what is
// given is exactly what was sent.
func TestOtherCreditToTheByte(t *testing.T) {
	r := start(t, &service{}, func(o *Options) {
		o.MaxStreams = 1000
		o.Other = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = r.Body.Read(make([]byte, 10)) })
	})
	p := r.dial()
	sent, room := int64(0), int64(windowStart)
	p.until("windows", func() bool { return p.windows[0] > 0 })
	for id := uint32(1); id < 2000; id += 2 {
		p.call(id, otherPath, false)
		for range 4 {
			p.until("credit", func() bool { return room+p.windows[0]-sent >= 1000 })
			p.data(id, false, strings.Repeat("x", 1000))
			sent += 1000
		}
		p.ok(p.frames.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	p.ping("")
	c := r.server.all()[0]
	eventually(t, "all was given back", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.active == 0 && c.credit+c.owed == 128<<10
	})
}

// TestAdmitIsAskedOfEverything: also of what is no gRPC in our eyes, for Other may see it otherwise.
func TestAdmitIsAskedOfEverything(t *testing.T) {
	p := start(t, &service{}, func(o *Options) {
		o.Admit = func(head *Head) *Status {
			if head.Get("x-key") == "" {
				return &Status{Code: 16, Message: "no key"}
			}
			return nil
		}
		o.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Key") == "" {
				t.Errorf("%s came without a key", r.URL)
			}
		})
	}).dial()
	p.call(1, otherPath, false, "content-type: application/grpc", "content-type: text/plain")
	p.call(3, exportPath, false, "content-type: application/GRPC")
	p.headers(5, true, ":method: GET", ":scheme: http", ":path: /", ":authority: test")
	p.call(7, exportPath, false)
	for id := uint32(1); id <= 7; id += 2 {
		p.status(id, "16")
	}
	p.call(9, otherPath, true, "content-type: text/plain", "x-key: 1")
	p.answer(9)
}

// TestOtherPanics: a handler's panic costs its stream, and nothing else.
func TestOtherPanics(t *testing.T) {
	p := with(t, func(http.ResponseWriter, *http.Request) { panic("a fault") })
	p.call(1, otherPath, true)
	p.reset(1, http2.ErrCodeInternal)
	p.export(3, "abc")
	p.status(3, "0")
}
