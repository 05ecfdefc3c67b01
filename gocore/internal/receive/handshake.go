package receive

import (
	"errors"
	"net"
	"sync"
	"time"
)

// handshakes is a listener that knows which of its connections have not finished their
// handshake, TLS's and HTTP/2's. gRPC waits for those when it stops, gracefully or not: one
// silent stranger would hold Shutdown up for handshakeLimit, past its deadline.
type handshakes struct {
	net.Listener

	mu    sync.Mutex // guards the fields below
	open  map[*newcomer]bool
	ended bool
}

func newHandshakes(listener net.Listener) *handshakes {
	return &handshakes{Listener: listener, open: map[*newcomer]bool{}}
}

// Accept notes the connection; after end it is closed already.
func (h *handshakes) Accept() (net.Conn, error) {
	conn, err := h.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &newcomer{Conn: conn, of: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		_ = conn.Close() // nobody to tell
	} else {
		h.open[c] = true
	}
	return c, nil
}

// end closes what is in its handshake now or later. Such a client has no call to lose.
func (h *handshakes) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for c := range h.open {
		_ = c.Conn.Close() // nobody to tell
	}
	clear(h.open)
}

func (h *handshakes) done(c *newcomer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, c)
}

// newcomer is a connection that gRPC gives a deadline for its handshake and none afterwards.
type newcomer struct {
	net.Conn
	of *handshakes
}

// SetDeadline tells the end of the handshake.
func (c *newcomer) SetDeadline(t time.Time) error {
	if t.IsZero() {
		c.of.done(c)
	}
	return c.Conn.SetDeadline(t)
}

// CloseWrite ends what is sent, so that the peer can read our last words.
func (c *newcomer) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close forgets a connection that was not served at all.
func (c *newcomer) Close() error {
	c.of.done(c)
	return c.Conn.Close()
}
