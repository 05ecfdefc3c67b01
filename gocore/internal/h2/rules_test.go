package h2

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// TestRulesOfConnections: what ends a connection, and with which word.
func TestRulesOfConnections(t *testing.T) {
	raw := func(kind http2.FrameType, flags http2.Flags, id uint32, payload string) func(*peer) {
		return func(p *peer) { p.ok(p.frames.WriteRawFrame(kind, flags, id, []byte(payload))) }
	}
	for name, c := range map[string]struct {
		do   func(p *peer)
		want http2.ErrCode
	}{
		"data on stream 0":           {raw(http2.FrameData, 0, 0, "x"), http2.ErrCodeProtocol},
		"data on an idle stream":     {raw(http2.FrameData, 0, 1, "x"), http2.ErrCodeProtocol},
		"padding without a length":   {raw(http2.FrameData, http2.FlagDataPadded, 1, ""), http2.ErrCodeFrameSize},
		"padding beyond the frame":   {raw(http2.FrameData, http2.FlagDataPadded, 1, "\x02x"), http2.ErrCodeProtocol},
		"a frame too large":          {raw(http2.FrameData, 0, 1, strings.Repeat("x", frameBytes+1)), http2.ErrCodeFrameSize},
		"headers on stream 0":        {raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 0, ""), http2.ErrCodeProtocol},
		"headers on an even stream":  {func(p *peer) { p.call(2, exportPath, false) }, http2.ErrCodeProtocol},
		"a stream that was skipped":  {func(p *peer) { p.export(5, ""); p.status(5, "0"); p.call(3, exportPath, false) }, http2.ErrCodeStreamClosed},
		"a stream that was answered": {func(p *peer) { p.export(1, ""); p.status(1, "0"); p.call(1, exportPath, false) }, http2.ErrCodeStreamClosed},
		"half a header block":        {func(p *peer) { half(p); p.ok(p.frames.WritePing(false, [8]byte{})) }, http2.ErrCodeProtocol},
		"a continuation of nothing":  {raw(http2.FrameContinuation, 0, 1, ""), http2.ErrCodeProtocol},
		"headers that are no HPACK":  {raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"), http2.ErrCodeCompression},
		"a push":                     {func(p *peer) { push(p) }, http2.ErrCodeProtocol},
		"reset of an idle stream":    {func(p *peer) { p.ok(p.frames.WriteRSTStream(1, 0)) }, http2.ErrCodeProtocol},
		"reset of stream 0":          {raw(http2.FrameRSTStream, 0, 0, "\x00\x00\x00\x00"), http2.ErrCodeProtocol},
		"a short reset":              {raw(http2.FrameRSTStream, 0, 1, "\x00"), http2.ErrCodeFrameSize},
		"window of an idle stream":   {func(p *peer) { p.ok(p.frames.WriteWindowUpdate(1, 1)) }, http2.ErrCodeProtocol},
		"no more window":             {func(p *peer) { p.ok(p.frames.WriteWindowUpdate(0, 0)) }, http2.ErrCodeProtocol},
		"too much window":            {func(p *peer) { p.ok(p.frames.WriteWindowUpdate(0, windowMost)) }, http2.ErrCodeFlowControl},
		"windows of streams too big": {tooWide, http2.ErrCodeFlowControl},
		"settings of a stream":       {raw(http2.FrameSettings, 0, 1, ""), http2.ErrCodeProtocol},
		"settings of odd length":     {raw(http2.FrameSettings, 0, 0, "x"), http2.ErrCodeFrameSize},
		"an ack with settings":       {raw(http2.FrameSettings, http2.FlagSettingsAck, 0, "xxxxxx"), http2.ErrCodeFrameSize},
		"a window beyond bounds":     {raw(http2.FrameSettings, 0, 0, "\x00\x04\xff\xff\xff\xff"), http2.ErrCodeFlowControl},
		"a push of two":              {raw(http2.FrameSettings, 0, 0, "\x00\x02\x00\x00\x00\x02"), http2.ErrCodeProtocol},
		"too many settings":          {raw(http2.FrameSettings, 0, 0, strings.Repeat("\x00\x04\x00\x00\x00\x01", 101)), http2.ErrCodeEnhanceYourCalm},
		"a ping of a stream":         {raw(http2.FramePing, 0, 1, "12345678"), http2.ErrCodeProtocol},
		"a short ping":               {raw(http2.FramePing, 0, 0, "1"), http2.ErrCodeFrameSize},
		"farewell on a stream":       {raw(http2.FrameGoAway, 0, 1, "12345678"), http2.ErrCodeProtocol},
		"more data than the window":  {beyondConnection, http2.ErrCodeFlowControl},
		"headers without an end":     {flood, http2.ErrCodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, &service{}, nil).dial()
			c.do(p)
			p.goAway(c.want)
			p.gone()
		})
	}
}

func half(p *peer) {
	p.ok(p.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.encode(":method: POST")}))
}

func push(p *peer) {
	p.ok(p.frames.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 3, EndHeaders: true}))
}

func tooWide(p *peer) {
	p.call(1, exportPath, false)
	p.ok(p.frames.WriteWindowUpdate(1, windowMost-windowStart))
	p.ok(p.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: windowStart + 1}))
}

// beyondConnection fills a connection's window with what a handler does not read.
func beyondConnection(p *peer) {
	for id := uint32(1); id < 7; id += 2 {
		p.call(id, "/test/Stuck", false)
		for range 3 {
			p.data(id, false, strings.Repeat("x", frameBytes))
		}
	}
}

// flood is headers that go on and on; the server stops reading at some point.
func flood(p *peer) {
	half(p)
	for range 20 {
		if p.frames.WriteContinuation(1, false, []byte(strings.Repeat("\x00", frameBytes))) != nil {
			return
		}
	}
}

// TestRulesOfStreams: what ends a stream, and leaves the connection alone.
func TestRulesOfStreams(t *testing.T) {
	lines := func(more ...string) func(*peer) {
		return func(p *peer) {
			p.headers(1, true, append([]string{":method: POST", ":scheme: http", ":path: " + exportPath}, more...)...)
		}
	}
	for name, c := range map[string]struct {
		do   func(p *peer)
		want http2.ErrCode
	}{
		"no path":              {func(p *peer) { p.headers(1, true, ":method: POST", ":scheme: http") }, http2.ErrCodeProtocol},
		"no method":            {func(p *peer) { p.headers(1, true, ":path: /", ":scheme: http") }, http2.ErrCodeProtocol},
		"no scheme":            {func(p *peer) { p.headers(1, true, ":path: /", ":method: POST") }, http2.ErrCodeProtocol},
		"a path twice":         {lines(":path: /x"), http2.ErrCodeProtocol},
		"an answer's field":    {lines(":status: 200"), http2.ErrCodeProtocol},
		"a field too late":     {lines("x: y", ":authority: z"), http2.ErrCodeProtocol},
		"upper case":           {lines("X-Upper: y"), http2.ErrCodeProtocol},
		"of HTTP/1":            {lines("connection: close"), http2.ErrCodeProtocol},
		"te":                   {lines("te: gzip"), http2.ErrCodeProtocol},
		"a length that is no":  {lines("content-length: x"), http2.ErrCodeProtocol},
		"a length below zero":  {lines("content-length: -1"), http2.ErrCodeProtocol},
		"another length":       {func(p *peer) { p.call(1, exportPath, false, "content-length: 2"); p.data(1, true, "x") }, http2.ErrCodeProtocol},
		"more than its length": {func(p *peer) { p.call(1, exportPath, false, "content-length: 2"); p.data(1, false, "xxx") }, http2.ErrCodeProtocol},
		"another body length":  {func(p *peer) { p.call(1, "/test/Stuck", false, "content-length: 2"); p.data(1, true, "x") }, http2.ErrCodeProtocol},
		"headers too long":     {lines("x: "+strings.Repeat("y", 8<<10), "z: "), http2.ErrCodeEnhanceYourCalm},
		"headers twice":        {func(p *peer) { p.call(1, exportPath, false); p.call(1, exportPath, false) }, http2.ErrCodeProtocol},
		"trailers with a path": {func(p *peer) { p.call(1, exportPath, false); p.call(1, exportPath, true) }, http2.ErrCodeProtocol},
		"data after the end":   {func(p *peer) { p.call(1, "/test/Stuck", true); p.data(1, false, "x") }, http2.ErrCodeStreamClosed},
		"headers after it":     {func(p *peer) { p.call(1, "/test/Stuck", true); p.headers(1, true, "x: y") }, http2.ErrCodeStreamClosed},
		"data once answered":   {func(p *peer) { p.export(1, ""); p.status(1, "0"); p.data(1, false, "x") }, http2.ErrCodeStreamClosed},
		"beyond its window":    {beyondStream, http2.ErrCodeFlowControl},
		"too much window":      {func(p *peer) { p.call(1, exportPath, false); p.ok(p.frames.WriteWindowUpdate(1, windowMost)) }, http2.ErrCodeFlowControl},
		"no more window":       {func(p *peer) { p.call(1, exportPath, false); p.ok(p.frames.WriteWindowUpdate(1, 0)) }, http2.ErrCodeProtocol},
		"after itself":         {func(p *peer) { p.ok(p.frames.WritePriority(1, http2.PriorityParam{StreamDep: 1})) }, http2.ErrCodeProtocol},
		"headers after itself": {selfish, http2.ErrCodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, &service{}, nil).dial()
			c.do(p)
			p.reset(1, c.want)
			p.export(101, "x")
			p.status(101, "0")
		})
	}
}

func beyondStream(p *peer) {
	p.call(1, "/test/Stuck", false)
	for range 5 {
		p.data(1, false, strings.Repeat("x", frameBytes))
	}
}

func selfish(p *peer) {
	block := p.encode(":method: POST", ":scheme: http", ":path: "+exportPath)
	p.ok(p.frames.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: block, EndHeaders: true, EndStream: true, Priority: http2.PriorityParam{StreamDep: 1},
	}))
}

// TestRulesAllow: what must be ignored.
func TestRulesAllow(t *testing.T) {
	p := start(t, &service{}, nil).dial(
		http2.Setting{ID: 0x99, Val: 7}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0},
		http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	p.ok(p.frames.WriteRawFrame(0x77, 0xff, 9, []byte("who knows")))
	p.ok(p.frames.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")))
	p.ok(p.frames.WritePriority(7, http2.PriorityParam{StreamDep: 5}))
	p.ok(p.frames.WriteSettingsAck())
	p.ok(p.frames.WritePing(true, farewellPing)) // which nobody has sent
	p.export(1, "x")
	p.status(1, "0")
	p.ok(p.frames.WriteWindowUpdate(1, 5))
	p.ok(p.frames.WriteRSTStream(1, 0))
	p.export(3, "x")
	p.status(3, "0")
}

// TestRulesOfGreeting: how a connection must begin.
func TestRulesOfGreeting(t *testing.T) {
	for name, first := range map[string]string{
		"HTTP/1":      "POST / HTTP/1.1\r\nHost: x\r\nAccept: nothing\r\n\r\n",
		"no settings": http2.ClientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678",
		"an ack":      http2.ClientPreface + "\x00\x00\x00\x04\x01\x00\x00\x00\x00",
		"nothing":     "",
		"half":        http2.ClientPreface[:10],
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, &service{}, nil)
			p := r.dialRaw()
			p.must(io.WriteString(p.Conn, first))
			if len(first) < len(http2.ClientPreface) {
				p.ok(p.Conn.(interface{ CloseWrite() error }).CloseWrite())
			}
			if strings.Contains(first, http2.ClientPreface) {
				p.goAway(http2.ErrCodeProtocol)
			}
			p.gone()
			if len(r.server.all()) != 0 {
				t.Error("it was taken in")
			}
		})
	}
}

// TestPings: as many as it likes while it works, a few for nothing.
func TestPings(t *testing.T) {
	p := start(t, &service{}, func(o *Options) { o.PingMinTime = patience }).dial()
	for id := uint32(1); id < 20; id += 2 {
		p.ping("one")
		p.ping("two")
		p.export(id, "x")
		p.status(id, "0")
	}
	p.ping("0") // measures the last answer
	p.ping("1")
	p.ping("2")
	p.ok(p.frames.WritePing(false, [8]byte{3}))
	p.goAway(http2.ErrCodeEnhanceYourCalm)
	p.gone()
}
