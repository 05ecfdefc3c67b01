package receive

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// Endpoint says where a receiver listens, "host:port", "[::1]:port" or "unix:/path", and to whom.
type Endpoint struct {
	Enabled  bool             `json:"enabled" yaml:"enabled"`
	Endpoint string           `json:"endpoint" yaml:"endpoint"`
	TLS      secure.TLSConfig `json:"tls" yaml:"tls"`
	Auth     secure.KeyConfig `json:"auth" yaml:"auth"`
}

// GRPCConfig is the OTLP/gRPC receiver's.
type GRPCConfig struct {
	Endpoint `yaml:",inline"`
	// MaxConcurrentStreams bounds the calls in flight on one connection.
	MaxConcurrentStreams uint32 `json:"max_concurrent_streams" yaml:"max_concurrent_streams"`
}

// HTTPConfig is the OTLP/HTTP receiver's.
type HTTPConfig struct {
	Endpoint `yaml:",inline"`
	// CORSAllowedOrigins are the origins whose pages may send: "https://shop.example" or "*". None by default.
	CORSAllowedOrigins []string `json:"cors_allowed_origins" yaml:"cors_allowed_origins"`
}

// Limits bound what requests may cost, over all receivers of a node.
type Limits struct {
	// MaxRequestBytes is the largest request, before and after inflating.
	MaxRequestBytes int64 `json:"max_request_bytes" yaml:"max_request_bytes"`
	// MaxInflightBytes bounds all the bodies held at a time.
	MaxInflightBytes int64 `json:"max_inflight_bytes" yaml:"max_inflight_bytes"`
}

// The ranges that Validate tells.
const (
	minRequestBytes = 1 << 10
	maxRequestBytes = 1 << 30 // what gathers in a column has to stay within Arrow's 32-bit offsets
	maxStreams      = 1 << 16
)

// DefaultGRPC listens on the local host only: a receiver without keys is no public one.
func DefaultGRPC() GRPCConfig {
	return GRPCConfig{Endpoint: Endpoint{Enabled: true, Endpoint: "127.0.0.1:4317"}, MaxConcurrentStreams: 256}
}

// DefaultArrow listens on the local host only.
func DefaultArrow() GRPCConfig {
	return GRPCConfig{Endpoint: Endpoint{Enabled: true, Endpoint: "127.0.0.1:4319"}, MaxConcurrentStreams: 256}
}

// DefaultHTTP listens on the local host only and lets no web page send.
func DefaultHTTP() HTTPConfig {
	return HTTPConfig{Endpoint: Endpoint{Enabled: true, Endpoint: "127.0.0.1:4318"}}
}

// DefaultLimits are OTLP's recommended 64 MiB a request, and four of those in flight.
func DefaultLimits() Limits { return Limits{MaxRequestBytes: 64 << 20, MaxInflightBytes: 256 << 20} }

// Validate lists every fault of the receiver's settings, which stand under key.
func (c GRPCConfig) Validate(key string) []error {
	faults := c.Endpoint.Validate(key)
	if n := c.MaxConcurrentStreams; n < 1 || n > maxStreams {
		faults = append(faults, fmt.Errorf("%s.max_concurrent_streams: %d is not within 1 to %d", key, n, maxStreams))
	}
	return faults
}

// Validate lists every fault of the receiver's settings, which stand under key.
func (c HTTPConfig) Validate(key string) []error {
	faults := c.Endpoint.Validate(key)
	for i, origin := range c.CORSAllowedOrigins {
		if !isOrigin(origin) {
			faults = append(faults, fmt.Errorf(`%s.cors_allowed_origins[%d]: %q is neither "*" nor scheme://host[:port]`, key, i, origin))
		}
	}
	return faults
}

func isOrigin(text string) bool {
	if text == "*" {
		return true
	}
	parsed, err := url.Parse(text)
	return err == nil && parsed.Host != "" && parsed.Scheme+"://"+parsed.Host == text
}

// Validate lists every fault of an enabled endpoint. One that is not enabled may lack its files.
func (e Endpoint) Validate(key string) (faults []error) {
	if !e.Enabled {
		return nil
	}
	if _, _, err := e.network(); err != nil {
		faults = append(faults, fmt.Errorf("%s.endpoint: %w", key, err))
	}
	faults = append(faults, e.TLS.Validate(key+".tls")...)
	return append(faults, e.Auth.Validate(key+".auth")...)
}

// network is what net.Listen wants to know.
func (e Endpoint) network() (network, address string, err error) {
	if path, isUnix := strings.CutPrefix(e.Endpoint, "unix:"); isUnix {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return "", "", fmt.Errorf("%q names no socket: want unix:/path", e.Endpoint)
		}
		return "unix", path, nil
	}
	_, port, err := net.SplitHostPort(e.Endpoint)
	if err != nil {
		return "", "", fmt.Errorf("%q is neither host:port, [::1]:port nor unix:/path", e.Endpoint)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("%q: port %q is not within 0 to 65535", e.Endpoint, port)
	}
	return "tcp", e.Endpoint, nil
}

// Validate lists every fault of the limits, which stand under key. Twice the largest
// request has to fit, because it is held packed and inflated, or as a JSON document and as
// protobuf; with less, even usual requests would be too large.
func (l Limits) Validate(key string) []error {
	var faults []error
	if n := l.MaxRequestBytes; n < minRequestBytes || n > maxRequestBytes {
		faults = append(faults, fmt.Errorf("%s.max_request_bytes: %d is not within %d to %d", key, n, minRequestBytes, maxRequestBytes))
	}
	if n := l.MaxInflightBytes; n < 2*l.MaxRequestBytes {
		faults = append(faults, fmt.Errorf("%s.max_inflight_bytes: %d is less than twice max_request_bytes, %d", key, n, 2*l.MaxRequestBytes))
	}
	return faults
}
