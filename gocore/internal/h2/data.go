package h2

import (
	"context"
	"io"

	"golang.org/x/net/http2"
)

// data takes a DATA frame, into its call's memory without a detour.
func (c *conn) data(header http2.FrameHeader) error {
	if header.StreamID == 0 {
		return broken(http2.ErrCodeProtocol)
	}
	n, padding, err := c.payload(header)
	if err != nil {
		return err
	}
	s, fault := c.receiver(header, int64(n))
	if _, fatal := fault.(http2.ConnectionError); fatal { //nolint:errorlint // of this package, never wrapped
		return fault
	}
	kept, err := c.fill(s, n)
	if err == nil {
		_, err = c.reader.Discard(padding)
	}
	ends := header.Flags.Has(http2.FlagDataEndStream)
	c.settle(s, int64(header.Length-kept), ends && err == nil)
	if err != nil {
		return err
	}
	if s != nil && ends {
		return c.whole(s)
	}
	return fault
}

// payload is how many bytes of data and of padding a frame has.
func (c *conn) payload(header http2.FrameHeader) (n, padding int, err error) {
	n = int(header.Length)
	if !header.Flags.Has(http2.FlagDataPadded) {
		return n, 0, nil
	}
	if n == 0 {
		return 0, 0, broken(http2.ErrCodeFrameSize)
	}
	length, err := c.reader.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	padding = int(length)
	if n -= 1 + padding; n < 0 {
		return 0, 0, broken(http2.ErrCodeProtocol)
	}
	return n, padding, nil
}

// receiver is the stream that takes a frame; nil for one whose data does not matter any more.
func (c *conn) receiver(header http2.FrameHeader, n int64) (*stream, error) {
	id, length := header.StreamID, int64(header.Length)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	if s == nil && id > c.newest {
		return nil, broken(http2.ErrCodeProtocol)
	}
	if c.credit -= length; c.credit < 0 {
		return nil, broken(http2.ErrCodeFlowControl)
	}
	switch {
	case s == nil && c.early.has(id):
		return nil, nil
	case s == nil || s.ended:
		return nil, brokenStream(id, http2.ErrCodeStreamClosed)
	case s.head.length >= 0 && s.came.Load()+n > s.head.length:
		return nil, brokenStream(id, http2.ErrCodeProtocol)
	}
	if s.credit -= length; s.credit < 0 {
		return nil, brokenStream(id, http2.ErrCodeFlowControl)
	}
	s.filling = true
	return s, nil
}

// fill hands data to its call, or drops it. What a body keeps is given credit for once it is read.
func (c *conn) fill(s *stream, n int) (kept uint32, err error) {
	switch {
	case n == 0:
		return 0, nil
	case s != nil && s.body != nil:
		s.came.Add(int64(n))
		return s.body.fill(c.reader, n)
	case s != nil && s.call != nil:
		return 0, c.fillCall(s, n)
	}
	_, err = c.reader.Discard(n)
	return 0, err
}

func (c *conn) fillCall(s *stream, n int) error {
	room, status := s.call.Room(n)
	if status != nil {
		c.answer(s, status)
		_, err := c.reader.Discard(n)
		return err
	}
	if _, err := io.ReadFull(c.reader, room); err != nil {
		return err
	}
	s.came.Add(int64(n))
	if status := s.call.Came(); status != nil {
		c.answer(s, status)
	}
	return nil
}

// settle gives credit for what was taken, and notes the end of a stream.
func (c *conn) settle(s *stream, length int64, ends bool) {
	c.mu.Lock()
	if s != nil {
		s.filling = false
		s.ended = s.ended || ends
		if s.over {
			c.releaseLocked(s)
		}
	}
	stream, whole := c.creditLocked(s, length)
	c.mu.Unlock()
	if s != nil {
		c.writer.creditLater(s.id, stream, whole)
	} else {
		c.writer.creditLater(0, 0, whole)
	}
}

// repay gives credit for data of a body that was read.
func (c *conn) repay(s *stream, n int64) {
	c.mu.Lock()
	stream, whole := c.creditLocked(s, n)
	c.mu.Unlock()
	c.writer.credit(s.id, stream, whole)
}

// creditLocked gives the credit that is worth telling: half a window.
func (c *conn) creditLocked(s *stream, n int64) (stream, whole uint32) {
	if c.owed += n; c.owed >= int64(c.server.ConnWindow)/2 {
		whole = uint32(c.owed) // less than a window
		c.credit += c.owed
		c.owed = 0
	}
	if s == nil || s.ended || s.over {
		return 0, whole
	}
	if s.owed += n; s.owed >= int64(c.server.StreamWindow)/2 {
		stream = uint32(s.owed) // less than a window
		s.credit += s.owed
		s.owed = 0
	}
	return stream, whole
}

// takeSendLocked takes from what we may send, all or nothing.
func (c *conn) takeSendLocked(s *stream, n int64) bool {
	if c.send < n || s.send < n {
		return false
	}
	c.send -= n
	s.send -= n
	return true
}

// widen lets us send more.
func (c *conn) widen(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	if f.StreamID == 0 {
		if c.send += int64(f.Increment); c.send > windowMost {
			return broken(http2.ErrCodeFlowControl)
		}
		return nil
	}
	s := c.streams[f.StreamID]
	if s == nil && f.StreamID > c.newest {
		return broken(http2.ErrCodeProtocol)
	}
	if s == nil {
		return nil
	}
	if s.send += int64(f.Increment); s.send > windowMost {
		return brokenStream(f.StreamID, http2.ErrCodeFlowControl)
	}
	return nil
}

// adopt takes over what the peer has set.
func (c *conn) adopt(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if f.NumSettings() > mostSettings { // each may cost a look at every stream
		return broken(http2.ErrCodeEnhanceYourCalm)
	}
	err := f.ForeachSetting(func(setting http2.Setting) error {
		if err := setting.Valid(); err != nil {
			return err
		}
		switch setting.ID {
		case http2.SettingInitialWindowSize:
			return c.resize(int64(setting.Val))
		case http2.SettingHeaderTableSize:
			c.writer.mu.Lock()
			c.writer.hpack.SetMaxDynamicTableSizeLimit(min(setting.Val, headerTable))
			c.writer.hpack.SetMaxDynamicTableSize(min(setting.Val, headerTable))
			c.writer.mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.writer.mu.Lock()
	_ = c.writer.frames.WriteSettingsAck()
	c.writer.mu.Unlock() // see source
	return nil
}

// mostSettings is some times what there are kinds of.
const mostSettings = 100

// headerTable is as much of a header table as is worth having for answers.
const headerTable = 4096

// resize changes the windows that streams begin with, and those of all streams by as much.
func (c *conn) resize(window int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	more := window - c.firstSend
	c.firstSend = window
	for _, s := range c.streams {
		if s.send += more; s.send > windowMost {
			return broken(http2.ErrCodeFlowControl)
		}
	}
	return nil
}

// send writes a message of a call that Other serves, as fast as the peer takes it.
func (c *conn) sendData(s *stream, data []byte) error {
	for len(data) > 0 {
		n := c.waitSend(s, int64(min(len(data), frameBytes)))
		if n == 0 {
			return context.Canceled
		}
		c.writer.mu.Lock()
		_ = c.writer.frames.WriteData(s.id, false, data[:n])
		c.writer.flush()
		data = data[n:]
	}
	return nil
}

// waitSend takes up to n from what we may send, at least one; 0 when the stream is over.
func (c *conn) waitSend(s *stream, n int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !s.over && !c.closed && min(c.send, s.send) <= 0 {
		c.changed.Wait()
	}
	if s.over || c.closed {
		return 0
	}
	c.forgiven = true
	n = min(n, c.send, s.send)
	c.takeSendLocked(s, n)
	return n
}
