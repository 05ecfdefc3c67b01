package h2

import (
	"context"
	"net"
	"time"

	"golang.org/x/net/http2"
)

func broken(code http2.ErrCode) error { return http2.ConnectionError(code) }

func brokenStream(id uint32, code http2.ErrCode) error {
	return http2.StreamError{StreamID: id, Code: code}
}

// next takes one frame.
func (c *conn) next() error {
	header, err := c.frames.ReadFrameHeader()
	if err != nil {
		return err
	}
	c.heard.Store(true)
	if header.Type == http2.FrameData {
		return c.data(header)
	}
	frame, err := c.frames.ReadFrameForHeader(header)
	if err != nil {
		return err
	}
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		return c.headers(f)
	case *http2.SettingsFrame:
		return c.adopt(f)
	case *http2.WindowUpdateFrame:
		return c.widen(f)
	case *http2.PingFrame:
		return c.pong(f)
	case *http2.RSTStreamFrame:
		return c.cancelled(f)
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return brokenStream(f.StreamID, http2.ErrCodeProtocol)
		}
	case *http2.PushPromiseFrame:
		return broken(http2.ErrCodeProtocol)
	}
	return nil // a farewell, or what nobody knows yet
}

// headers begin a call, or end one.
func (c *conn) headers(f *http2.MetaHeadersFrame) error {
	id := f.StreamID
	if f.HasPriority() && f.Priority.StreamDep == id {
		return brokenStream(id, http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	s, err := c.beginLocked(f)
	if s != nil {
		s.ended = f.StreamEnded()
	}
	c.mu.Unlock()
	if err != nil || s == nil {
		return err
	}
	if !s.opened {
		s.opened = true
		c.open(s)
	}
	if s.ended {
		return c.whole(s)
	}
	return nil
}

// beginLocked gives the stream of headers; nil where they do not matter any more.
func (c *conn) beginLocked(f *http2.MetaHeadersFrame) (*stream, error) {
	id := f.StreamID
	s := c.streams[id]
	switch {
	case s != nil && s.ended:
		return nil, brokenStream(id, http2.ErrCodeStreamClosed)
	case s != nil && (!f.StreamEnded() || len(f.PseudoFields()) > 0):
		return nil, brokenStream(id, http2.ErrCodeProtocol)
	case s != nil:
		return s, nil
	case c.closed: // nobody would tell a new stream
		return nil, net.ErrClosed
	case id%2 == 0:
		return nil, broken(http2.ErrCodeProtocol)
	case id <= c.newest && c.early.has(id):
		return nil, nil
	case id <= c.newest:
		return nil, broken(http2.ErrCodeStreamClosed)
	}
	c.newest = id
	if c.leaving == left || c.server.MaxStreams > 0 && c.active >= int(c.server.MaxStreams) {
		c.early.add(id)
		return nil, brokenStream(id, http2.ErrCodeRefusedStream)
	}
	if f.Truncated {
		c.early.add(id)
		return nil, brokenStream(id, http2.ErrCodeEnhanceYourCalm)
	}
	head, ok := newHead(f)
	if !ok {
		return nil, brokenStream(id, http2.ErrCodeProtocol)
	}
	return c.add(id, head), nil
}

// open finds out who takes a call.
func (c *conn) open(s *stream) {
	deadline, ok := s.head.deadline(s.start)
	if !ok {
		c.answer(s, &Status{Code: codeInternal, Message: "grpc-timeout is no timeout"})
		return
	}
	s.ctx.deadline = deadline
	if status := c.admit(s); status != nil {
		c.answer(s, status)
		return
	}
	if !s.head.isGRPC() {
		c.openOther(s)
		return
	}
	call, status := c.server.Open(&s.head)
	switch {
	case status != nil:
		c.answer(s, status)
	case call == nil:
		c.openOther(s)
	default:
		c.mu.Lock()
		s.call = call
		if s.released { // the connection was cut off meanwhile
			s.closeLocked()
		}
		c.mu.Unlock()
	}
}

func (c *conn) admit(s *stream) *Status {
	if c.server.Admit == nil {
		return nil
	}
	return c.server.Admit(&s.head)
}

func (c *conn) openOther(s *stream) {
	c.mu.Lock()
	s.body, s.running = newPipe(s), true
	gone := s.over
	c.mu.Unlock()
	if gone {
		s.body.fail(context.Canceled)
	}
	c.server.working.Go(func() { c.serveOther(s) })
}

// whole goes on with a stream that has come whole.
func (c *conn) whole(s *stream) error {
	if s.head.length >= 0 && s.head.length != s.came.Load() {
		return brokenStream(s.id, http2.ErrCodeProtocol)
	}
	if s.body != nil {
		s.body.end()
		return nil
	}
	c.mu.Lock()
	if s.over || s.call == nil {
		c.mu.Unlock()
		return nil
	}
	s.running = true
	c.mu.Unlock()
	if c.server.Apart || c.reader.Buffered() > 0 {
		c.server.run(s)
		return nil
	}
	turn := c.turn.Load()
	c.turn.Store(turn | working)
	c.work(s)
	if !c.turn.CompareAndSwap(turn|working, turn) {
		c.writer.push() // who reads now may be waiting already
		return errTaken
	}
	return nil
}

// cancelled ends a stream that the peer has given up.
func (c *conn) cancelled(f *http2.RSTStreamFrame) error {
	c.mu.Lock()
	s, known := c.streams[f.StreamID], f.StreamID <= c.newest
	c.early.remove(f.StreamID) // the peer knows now
	c.mu.Unlock()
	if !known {
		return broken(http2.ErrCodeProtocol)
	}
	if s != nil {
		c.drop(s, context.Canceled)
	}
	return nil
}

// pong answers a ping, unless there are too many of them.
func (c *conn) pong(f *http2.PingFrame) error {
	if f.IsAck() {
		if f.Data == farewellPing {
			c.leave()
		}
		return nil
	}
	c.writer.mu.Lock()
	_ = c.writer.frames.WritePing(true, f.Data)
	c.writer.mu.Unlock() // see source
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.forgiven:
		c.forgiven, c.strikes = false, 0
	case now.Sub(c.pinged) < c.server.PingMinTime:
		c.strikes++
	}
	c.pinged = now
	if c.strikes > mostStrikes {
		return broken(http2.ErrCodeEnhanceYourCalm)
	}
	return nil
}

// mostStrikes is as in grpc-go.
const mostStrikes = 2
