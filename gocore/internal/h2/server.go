package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var (
	answerFields  = [...]hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}}
	successFields = (*Status)(nil).fields()
)

// Server serves connections.
type Server struct {
	Options
	TLS *tls.Config // nil for none

	// working waits for all goroutines on connections and calls.
	working sync.WaitGroup
	crew    crew

	mu       sync.Mutex // guards the fields below
	conns    map[*conn]bool
	draining bool
	stopped  bool
	ended    chan struct{} // closed by stop, for the tick and the crew
	idle     sync.Cond     // a connection went
}

// New makes a server.
func New(options Options, config *tls.Config) *Server {
	s := &Server{Options: options, TLS: config, conns: map[*conn]bool{}, ended: make(chan struct{})}
	s.crew.next = make(chan *stream)
	s.idle.L = &s.mu
	return s
}

// Serve takes connections until the listener is closed: net.ErrClosed is no error here.
func (s *Server) Serve(listener net.Listener) error {
	if !s.begin() {
		return nil
	}
	defer s.working.Done()
	s.working.Go(s.ticks)
	pause := acceptPause
	for {
		raw, err := listener.Accept()
		if err == nil {
			pause = acceptPause
			s.working.Go(func() { s.take(newConn(s, raw)) })
			continue
		}
		if temporary, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); ok && temporary.Temporary() { // no handles are left: some will be
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}
}

// begin has Shutdown wait for Serve, unless it came first.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.working.Add(1)
	return true
}

const acceptPause = 5 * time.Millisecond

// take serves one connection.
func (s *Server) take(c *conn) {
	err := c.greet()
	if err == nil && !s.remember(c) {
		err = net.ErrClosed
	}
	if err != nil {
		if _, bad := err.(http2.ConnectionError); bad { //nolint:errorlint // of this package, never wrapped
			c.end(err)
			return
		}
		s.Log.Debug("a connection ended before its first call", "peer", c.below.RemoteAddr(), "error", err)
		_ = c.below.Close() // nobody to tell
		return
	}
	c.serve()
}

// remember takes a connection in, unless the server stops.
func (s *Server) remember(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || s.stopped {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) forget(c *conn, err error) {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.Log.Debug("a connection broke", "peer", c.raw.RemoteAddr(), "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.idle.Broadcast()
}

func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// Shutdown tells all clients to go elsewhere, and waits for the calls that they have begun until
// ctx ends; its error is then returned, after all was cut off. The listener is closed before.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	for _, c := range s.all() {
		s.working.Go(c.warn)
	}
	defer context.AfterFunc(ctx, s.stop)()
	s.mu.Lock()
	for len(s.conns) > 0 && !s.stopped {
		s.idle.Wait()
	}
	late := s.stopped
	s.mu.Unlock()
	s.stop()
	s.working.Wait()
	if late {
		return ctx.Err()
	}
	return nil
}

// stop cuts everything off.
func (s *Server) stop() {
	s.mu.Lock()
	if !s.stopped {
		close(s.ended)
	}
	s.stopped = true
	s.idle.Broadcast()
	s.mu.Unlock()
	for _, c := range s.all() {
		c.cut()
		c.close(net.ErrClosed)
	}
}

// farewellPing comes back once the client knows that it shall go.
var farewellPing = [8]byte{'f', 'a', 'r', 'e', 'w', 'e', 'l', 'l'}

// warn is the first half of a farewell: calls that are on their way still count.
func (c *conn) warn() {
	c.mu.Lock()
	c.leaving = max(c.leaving, warned)
	c.mu.Unlock()
	w := &c.writer
	w.mu.Lock()
	_ = w.frames.WriteGoAway(windowMost, http2.ErrCodeNo, []byte("graceful_stop"))
	_ = w.frames.WritePing(false, farewellPing)
	w.flush()
}

// leave is the second half: what begins now is refused.
func (c *conn) leave() {
	c.mu.Lock()
	if c.leaving != warned {
		c.mu.Unlock()
		return
	}
	c.leaving = left
	c.writing++
	newest := c.newest
	c.mu.Unlock()
	c.writer.goAway(newest, http2.ErrCodeNo, "graceful_stop")
	c.written()
}

// written notes that an answer is on its way.
func (c *conn) written() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing--
	c.partLocked()
}

// partLocked ends a connection after the last answer. The client closes it, and has a moment to:
// closing it with something unread resets it, and the answer may be lost with it.
func (c *conn) partLocked() {
	if c.leaving == left && c.active == 0 && c.writing == 0 {
		_ = c.raw.SetReadDeadline(time.Now().Add(lingerTime)) // fails if it is closed
	}
}
