package receive

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// guard stands before a listener.
type guard struct {
	tls  *tls.Config  // nil: plaintext
	keys *secure.Keys // nil: no key is asked for
	// refused is told of gRPC calls without a key.
	refused func(method string, kind fault.Kind)
}

// open binds an endpoint with its guard; section is where its settings stand, and protocols
// are what TLS offers by ALPN.
func open(section string, at Endpoint, protocols []string, now func() time.Time, logger *slog.Logger) (listener net.Listener, g guard, err error) {
	env := secure.Env{Now: now, Log: logger}
	if at.TLS.Enabled() {
		if g.tls, err = at.TLS.Server(section+".tls", protocols, env); err != nil {
			return nil, g, err
		}
	}
	if at.Auth.Enabled() {
		if g.keys, err = at.Auth.Keys(section+".auth", env); err != nil {
			return nil, g, err
		}
	}
	if listener, err = listen(section+".endpoint", at); err != nil {
		return nil, g, err
	}
	at.warn(section, logger)
	return listener, g, nil
}

func (e Endpoint) warn(section string, logger *slog.Logger) {
	if section == healthSection { // is there for others
		return
	}
	if lack := e.unprotected(section); lack != "" {
		logger.Warn("other machines can reach a listener that is not fully protected",
			"listener", section, "endpoint", e.Endpoint, "missing", lack)
	}
}

// unprotected says what an endpoint lacks that other machines can reach; "" for none.
func (e Endpoint) unprotected(section string) string {
	if e.isLocal() {
		return ""
	}
	var lack []string
	if !e.TLS.Enabled() {
		lack = append(lack, "TLS ("+section+".tls)")
	}
	if !e.Auth.Enabled() && e.TLS.ClientCAFile == "" { // a client's certificate is a key, too
		lack = append(lack, "keys ("+section+".auth)")
	}
	return strings.Join(lack, " and ")
}

// isLocal says that only this machine reaches the endpoint for certain. A name other than
// localhost is not looked up: what it means may change.
func (e Endpoint) isLocal() bool {
	network, address, err := e.network()
	if err != nil || network == "unix" {
		return err == nil
	}
	host, _, _ := net.SplitHostPort(address) // network has split it already
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
