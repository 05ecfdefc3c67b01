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
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// httpSection is where the receiver's settings stand.
const httpSection = "otlp_http"

// What a slow or silent client may cost.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 3 * time.Minute // longer than the minute between two exports of metrics
	writeTimeout  = 30 * time.Second
	http2Streams  = 256
)

// HTTP is the OTLP/HTTP receiver, for HTTP/1.1 and HTTP/2, the latter without TLS too.
type HTTP struct {
	config   HTTPConfig
	acceptor Acceptor
	logger   *slog.Logger
	bodies   *bodies
	inflater *inflater
	origins  origins
	signals  map[string]otlp.Signal // by path
	server   *http.Server
	clock    func() time.Time

	draining context.Context // ends when Shutdown begins
	drain    context.CancelFunc
	serving  sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	guard    guard // stays as it is after Listen
	started  bool
}

// NewHTTP makes a receiver that is not bound yet; admission is the node's one budget.
func NewHTTP(config HTTPConfig, limits Limits, admission *Admission, acceptor Acceptor, logger *slog.Logger) *HTTP {
	h := &HTTP{
		config:   config,
		acceptor: acceptor,
		logger:   logger,
		bodies:   &bodies{admission: admission, limit: limits.MaxRequestBytes},
		inflater: newInflater(),
		origins:  newOrigins(config.CORSAllowedOrigins),
		signals:  map[string]otlp.Signal{},
		clock:    time.Now,
	}
	for _, signal := range otlp.Signals {
		h.signals[signal.HTTPPath()] = signal
	}
	h.server = h.newServer()
	h.draining, h.drain = context.WithCancel(context.Background())
	return h
}

func (h *HTTP) newServer() *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           http.HandlerFunc(h.serve),
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(h.logger.Handler(), slog.LevelDebug), // strangers' bytes are no news
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          http2Streams,
			MaxReceiveBufferPerConnection: connWindow,
			MaxReceiveBufferPerStream:     streamWindow,
		},
		DisableGeneralOptionsHandler: true,
	}
}

// Listen binds the endpoint, if it is enabled.
func (h *HTTP) Listen() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.config.Enabled || h.listener != nil {
		return nil
	}
	listener, guard, err := open(httpSection, h.config.Endpoint, []string{"h2", "http/1.1"}, h.clock, h.logger)
	if err == nil {
		h.listener, h.guard, h.server.TLSConfig = listener, guard, guard.tls
	}
	return err
}

// Addr is the bound address with its real port; "" before Listen.
func (h *HTTP) Addr() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return addressOf(h.listener)
}

// Serve starts answering, and returns; nothing happens without Listen or after Shutdown.
func (h *HTTP) Serve() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listener == nil || h.started || h.draining.Err() != nil {
		return
	}
	h.started = true
	serve := h.server.Serve
	if h.guard.tls != nil {
		serve = func(listener net.Listener) error { return h.server.ServeTLS(listener, "", "") }
	}
	listener := h.listener
	h.serving.Go(func() {
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.logger.Error("HTTP receiver stopped", "error", err)
		}
	})
}

// Shutdown refuses new requests and waits for those in flight until ctx ends, then
// cuts them off: the error says so.
func (h *HTTP) Shutdown(ctx context.Context) error {
	h.drain()
	h.mu.Lock()
	listener, started := h.listener, h.started
	h.mu.Unlock()
	if !started {
		if listener != nil {
			_ = listener.Close() // closed already the second time
		}
		return nil
	}
	err := h.server.Shutdown(ctx)
	if ctx.Err() != nil && err != nil {
		_ = h.server.Close()
		err = &fault.Error{Kind: fault.Timeout, Op: "shut down HTTP", Err: fmt.Errorf("requests in flight were cut off: %w", ctx.Err())}
	}
	h.serving.Wait()
	return err
}
