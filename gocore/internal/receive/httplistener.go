package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// httpListener is an HTTP server's life on its endpoint, whatever it answers.
type httpListener struct {
	section string // where the settings stand
	name    string // in errors
	at      Endpoint
	clock   func() time.Time
	logger  *slog.Logger
	server  *http.Server
	stopped func(error) // is told when it ends by itself
	serving sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	guard    guard // stays as it is after Listen
	started  bool
	ended    bool
}

// Listen binds the endpoint, if it is enabled.
func (l *httpListener) Listen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.at.Enabled || l.listener != nil {
		return nil
	}
	listener, guard, err := open(l.section, l.at, []string{"h2", "http/1.1"}, l.clock, l.logger)
	if err == nil {
		l.listener, l.guard, l.server.TLSConfig = listener, guard, guard.tls
	}
	return err
}

// Addr is the bound address with its real port; "" before Listen.
func (l *httpListener) Addr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return addressOf(l.listener)
}

// Serve starts answering, and returns; nothing happens without Listen or after Shutdown.
func (l *httpListener) Serve() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener == nil || l.started || l.ended {
		return
	}
	l.started = true
	serve := l.server.Serve
	if l.guard.tls != nil {
		serve = func(listener net.Listener) error { return l.server.ServeTLS(listener, "", "") }
	}
	listener := l.listener
	l.serving.Go(func() {
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			l.stopped(err)
		}
	})
}

// Shutdown ends the listener and waits for requests in flight until ctx ends, then cuts
// them off: the error says so.
func (l *httpListener) Shutdown(ctx context.Context) error {
	l.mu.Lock()
	l.ended = true
	listener, started := l.listener, l.started
	l.mu.Unlock()
	if !started {
		if listener != nil {
			_ = listener.Close() // closed already the second time
		}
		return nil
	}
	err := l.server.Shutdown(ctx)
	if ctx.Err() != nil && err != nil {
		_ = l.server.Close()
		err = &fault.Error{Kind: fault.Timeout, Op: "shut down " + l.name, Err: fmt.Errorf("requests in flight were cut off: %w", ctx.Err())}
	}
	l.serving.Wait()
	return err
}
