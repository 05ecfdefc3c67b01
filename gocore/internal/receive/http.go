package receive

import (
	"context"
	"log/slog"
	"net/http"
	"time"

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
	httpListener
	acceptor Acceptor
	bodies   *bodies
	inflater *inflater
	origins  origins
	signals  map[string]otlp.Signal // by path

	draining context.Context // ends when Shutdown begins
	drain    context.CancelFunc
}

// NewHTTP makes a receiver that is not bound yet; admission is the node's one budget.
func NewHTTP(config HTTPConfig, limits Limits, admission *Admission, acceptor Acceptor, logger *slog.Logger) *HTTP {
	h := &HTTP{
		httpListener: httpListener{
			section: httpSection, name: "HTTP", at: config.Endpoint, clock: time.Now, logger: logger,
			stopped: func(err error) { logger.Error("HTTP receiver stopped", "error", err) },
		},
		acceptor: acceptor,
		bodies:   &bodies{admission: admission, limit: limits.MaxRequestBytes},
		inflater: newInflater(),
		origins:  newOrigins(config.CORSAllowedOrigins),
		signals:  map[string]otlp.Signal{},
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

// Shutdown refuses new requests and waits for those in flight until ctx ends, then
// cuts them off: the error says so.
func (h *HTTP) Shutdown(ctx context.Context) error {
	h.drain()
	return h.httpListener.Shutdown(ctx)
}
