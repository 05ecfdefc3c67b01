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
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// Where the settings stand.
const (
	healthSection  = "health"
	metricsSection = "metrics"
)

// HealthConfig is an Endpoint without keys: whoever asks for the health has none to send.
type HealthConfig struct {
	Enabled  bool             `json:"enabled" yaml:"enabled"`
	Endpoint string           `json:"endpoint" yaml:"endpoint"`
	TLS      secure.TLSConfig `json:"tls" yaml:"tls"`
}

// DefaultHealth is where the Collector's health check answers.
func DefaultHealth() HealthConfig { return HealthConfig{Enabled: true, Endpoint: "127.0.0.1:13133"} }

// DefaultMetrics is where the Collector's own metrics are.
func DefaultMetrics() Endpoint { return Endpoint{Enabled: true, Endpoint: "127.0.0.1:8888"} }

// Validate lists every fault of the settings, which stand under key.
func (c HealthConfig) Validate(key string) []error { return c.open().Validate(key) }

func (c HealthConfig) open() Endpoint {
	return Endpoint{Enabled: c.Enabled, Endpoint: c.Endpoint, TLS: c.TLS}
}

// Web is an HTTP server for what is not OTLP.
type Web struct {
	section string
	at      Endpoint
	handler http.Handler
	logger  *slog.Logger
	serving sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	guard    guard
	server   *http.Server // nil before Serve
	ended    bool
}

// NewHealth makes the server for a node's health, not bound yet.
func NewHealth(c HealthConfig, handler http.Handler, logger *slog.Logger) *Web {
	return &Web{section: healthSection, at: c.open(), handler: handler, logger: logger}
}

// NewMetrics makes the server for a node's metrics, not bound yet.
func NewMetrics(at Endpoint, handler http.Handler, logger *slog.Logger) *Web {
	return &Web{section: metricsSection, at: at, handler: handler, logger: logger}
}

// Listen binds the endpoint, if it is enabled.
func (w *Web) Listen() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.at.Enabled || w.listener != nil {
		return nil
	}
	listener, guard, err := open(w.section, w.at, []string{"h2", "http/1.1"}, time.Now, w.logger)
	if err == nil {
		w.listener, w.guard = listener, guard
	}
	return err
}

// Addr is the bound address with its real port; "" before Listen.
func (w *Web) Addr() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return addressOf(w.listener)
}

// Serve starts answering, and returns; nothing happens without Listen or after Shutdown.
func (w *Web) Serve() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listener == nil || w.server != nil || w.ended {
		return
	}
	w.server = &http.Server{
		Handler: w.guard.http(w.handler), TLSConfig: w.guard.tls, MaxHeaderBytes: headerBytes,
		ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(w.logger.Handler(), slog.LevelDebug), // strangers' bytes are no news
	}
	server, listener, secured := w.server, w.listener, w.guard.tls != nil
	w.serving.Go(func() {
		serve := server.Serve
		if secured {
			serve = func(listener net.Listener) error { return server.ServeTLS(listener, "", "") }
		}
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.logger.Error("a listener stopped", "listener", w.section, "error", err)
		}
	})
}

// http asks for a key before a handler is asked.
func (g guard) http(next http.Handler) http.Handler {
	if g.keys == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.keys.Check(r.Header.Get(secure.APIKeyHeader), r.Header.Get(secure.AuthorizationHeader)); err != nil {
			for _, challenge := range g.keys.Challenge() {
				w.Header().Add("WWW-Authenticate", challenge)
			}
			http.Error(w, clean(fault.Message(err)), fault.HTTPStatus(kindOf(err)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Shutdown ends the listener and waits for requests in flight until ctx ends, then cuts them off.
func (w *Web) Shutdown(ctx context.Context) error {
	w.mu.Lock()
	w.ended = true
	listener, server := w.listener, w.server
	w.mu.Unlock()
	if server == nil {
		if listener != nil {
			_ = listener.Close() // closed already the second time
		}
		return nil
	}
	err := server.Shutdown(ctx)
	if ctx.Err() != nil && err != nil {
		_ = server.Close()
		err = &fault.Error{Kind: fault.Timeout, Op: "shut down " + w.section, Err: fmt.Errorf("requests in flight were cut off: %w", ctx.Err())}
	}
	w.serving.Wait()
	return err
}
