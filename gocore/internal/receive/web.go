package receive

import (
	"log/slog"
	"net/http"
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
	httpListener
	handler http.Handler
}

// NewHealth makes the server for a node's health, not bound yet.
func NewHealth(c HealthConfig, handler http.Handler, logger *slog.Logger) *Web {
	return newWeb(healthSection, c.open(), handler, logger)
}

// NewMetrics makes the server for a node's metrics, not bound yet.
func NewMetrics(at Endpoint, handler http.Handler, logger *slog.Logger) *Web {
	return newWeb(metricsSection, at, handler, logger)
}

func newWeb(section string, at Endpoint, handler http.Handler, logger *slog.Logger) *Web {
	w := &Web{handler: handler, httpListener: httpListener{
		section: section, name: section, at: at, clock: time.Now, logger: logger,
		stopped: func(err error) { logger.Error("a listener stopped", "listener", section, "error", err) },
	}}
	w.server = &http.Server{
		Handler: http.HandlerFunc(w.serve), MaxHeaderBytes: headerBytes,
		ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // strangers' bytes are no news
	}
	return w
}

// serve asks for a key before the handler is asked.
func (w *Web) serve(answer http.ResponseWriter, r *http.Request) {
	if keys := w.guard.keys; keys != nil {
		if err := keys.Check(r.Header.Get(secure.APIKeyHeader), r.Header.Get(secure.AuthorizationHeader)); err != nil {
			for _, challenge := range keys.Challenge() {
				answer.Header().Add("WWW-Authenticate", challenge)
			}
			http.Error(answer, clean(fault.Message(err)), fault.HTTPStatus(kindOf(err)))
			return
		}
	}
	w.handler.ServeHTTP(answer, r)
}
