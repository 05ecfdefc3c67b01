package h2

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	exportPath = "/test/Export" // a Call
	otherPath  = "/test/Other"
	patience   = 10 * time.Second // for what must come; no test waits for it if all is well
)

// service makes calls, and sees to it that they are used as they want to be.
type service struct {
	mu     sync.Mutex // guards the fields below
	open   int        // calls that were not closed
	opened int
	ending int // calls in End
	most   int // calls in End at once
	bodies []string
	faults []string

	refuse func(head *Head) *Status
	room   func(n int) *Status
	came   func(all []byte) *Status
	end    func(ctx context.Context, body []byte) *Status
}

func (s *service) wrong(what string) { s.faults = append(s.faults, what) }

func (s *service) Open(head *Head) (Call, *Status) {
	if s.refuse != nil {
		if status := s.refuse(head); status != nil {
			return nil, status
		}
	}
	if head.Path != exportPath {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.opened++
	return &fakeCall{of: s}, nil
}

// check is what must be true once the server has ended.
func (s *service) check(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != 0 {
		t.Errorf("%d calls were not closed", s.open)
	}
	for _, fault := range s.faults {
		t.Error(fault)
	}
}

func (s *service) count() (open, opened, ending int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, s.opened, s.ending
}

// fakeCall takes a message, and notes what breaks Call's contract.
type fakeCall struct {
	of     *service
	body   []byte
	asked  int
	ended  bool
	inEnd  bool
	closed bool
}

func (c *fakeCall) note(bad bool, what string) {
	if bad {
		c.of.wrong(what)
	}
}

func (c *fakeCall) Room(n int) ([]byte, *Status) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.note(c.asked != 0, "Room twice without Came")
	c.note(c.ended, "Room after End")
	c.note(c.closed, "Room after Close")
	c.note(n <= 0, "Room for nothing")
	if c.of.room != nil {
		if status := c.of.room(n); status != nil {
			return nil, status
		}
	}
	had := len(c.body)
	c.body = append(c.body, make([]byte, n)...)
	c.asked = n
	return c.body[had:], nil
}

func (c *fakeCall) Came() *Status {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.note(c.asked == 0, "Came without Room")
	c.note(c.closed, "Came after Close")
	c.asked = 0
	if c.of.came != nil {
		return c.of.came(c.body)
	}
	return nil
}

func (c *fakeCall) End(ctx context.Context) *Status {
	c.of.mu.Lock()
	c.note(c.asked != 0, "End without Came")
	c.note(c.ended, "End twice")
	c.note(c.closed, "End after Close")
	c.ended, c.inEnd = true, true
	c.of.ending++
	c.of.most = max(c.of.most, c.of.ending)
	c.of.bodies = append(c.of.bodies, string(c.body))
	end := c.of.end
	c.of.mu.Unlock()
	defer func() {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.of.ending--
		c.inEnd = false
	}()
	if end != nil {
		return end(ctx, c.body)
	}
	return nil
}

func (c *fakeCall) Close() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.note(c.closed, "Close twice")
	c.note(c.inEnd, "Close during End")
	c.closed = true
	c.of.open--
}

// echo gives back what it gets.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			break
		}
	}
	w.Header().Set("Grpc-Status", "0")
	w.Header().Set(http.TrailerPrefix+"late", "yes")
}

func others() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", echo)
	mux.HandleFunc("/test/Endless", endless)
	mux.HandleFunc("/test/Stuck", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// rig is a server under test.
type rig struct {
	*testing.T
	*service
	server   *Server
	listener net.Listener
	served   chan error
}

func testOptions(s *service) Options {
	return Options{
		Open: s.Open, Other: others(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		MaxStreams: 16, MaxHeaders: 8 << 10, StreamWindow: 64 << 10, ConnWindow: 128 << 10,
		Handshake: patience, PingAfter: time.Hour, PingTimeout: time.Hour, Tick: 2 * time.Millisecond,
	}
}

// start serves until the test ends; then all calls must have been closed.
func start(t *testing.T, s *service, change func(*Options), secure ...*tls.Config) *rig {
	t.Helper()
	options := testOptions(s)
	if change != nil {
		change(&options)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var config *tls.Config
	if len(secure) > 0 {
		config = secure[0]
	}
	r := &rig{T: t, service: s, server: New(options, config), listener: listener, served: make(chan error, 1)}
	go func() { r.served <- r.server.Serve(listener) }()
	t.Cleanup(r.end)
	return r
}

// end cuts everything off.
func (r *rig) end() {
	_ = r.listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.server.Shutdown(ctx)
	if err := <-r.served; err != nil {
		r.Errorf("Serve: %v", err)
	}
	r.check(r)
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// blocking is an End that waits to be told to go on, or for its context.
func blocking() (end func(context.Context, []byte) *Status, release func()) {
	gate := make(chan struct{})
	return func(ctx context.Context, body []byte) *Status {
		if !strings.Contains(string(body), "block") {
			return nil
		}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return &Status{Code: 1, Message: ctx.Err().Error()}
		}
	}, sync.OnceFunc(func() { close(gate) })
}
