package forward

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// target is where an endpoint leads.
type target struct {
	address string // host:port, for gRPC
	url     string // without the signal's path, for HTTP
	plain   bool
}

// target reads the endpoint: "host:port" for gRPC, or a URL, whose scheme says whether it is TLS.
func (c Config) target() (target, error) {
	if c.Endpoint == "" {
		return target{}, errors.New("is empty")
	}
	u, err := url.Parse(c.Endpoint)
	overGRPC := c.Protocol == OTLPGRPC || c.Protocol == OTAP
	web := err == nil && (u.Scheme == "http" || u.Scheme == "https")
	switch {
	case !web && !overGRPC:
		return target{}, fmt.Errorf("%q is not a URL of http or https", c.Endpoint)
	case !web:
		return target{address: c.Endpoint, plain: c.TLS.Insecure}, checkAddress(c.Endpoint)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Hostname() == "":
		return target{}, errors.New("a URL of a host and a path is wanted, keys belong into auth or headers")
	case u.Scheme == "https" && c.TLS.Insecure:
		return target{}, errors.New("is https, and tls.insecure means plaintext")
	case overGRPC:
		return grpcTarget(u)
	}
	return target{url: strings.TrimRight(c.Endpoint, "/"), plain: u.Scheme == "http"}, nil
}

func grpcTarget(u *url.URL) (target, error) {
	if u.Path != "" && u.Path != "/" {
		return target{}, errors.New("gRPC has no path")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	address := net.JoinHostPort(u.Hostname(), port)
	return target{address: address, plain: u.Scheme == "http"}, checkAddress(address)
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if n, wrong := strconv.Atoi(port); err != nil || host == "" || wrong != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is not host:port", address)
	}
	return nil
}
