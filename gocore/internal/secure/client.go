package secure

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
)

// ClientTLS is how another's listener is trusted, and what is shown to it.
type ClientTLS struct {
	// CAFile has the authorities that may have signed its certificate; empty: those of the system.
	CAFile string `json:"ca_file"`
	// CertFile and KeyFile are our own certificate, for listeners that ask for one.
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
	// Insecure means plaintext.
	Insecure bool `json:"insecure"`
	// ServerName is the name that the certificate must have instead of the endpoint's.
	ServerName string `json:"server_name"`
}

// Validate reads the files and lists every fault of the settings, which stand under key.
func (c ClientTLS) Validate(key string) []error {
	var faults []error
	switch {
	case c.Insecure && c != ClientTLS{Insecure: true}:
		return []error{fmt.Errorf("%s.insecure: means plaintext, so nothing else can be set", key)}
	case c.CertFile == "" && c.KeyFile != "":
		faults = append(faults, fmt.Errorf("%s.cert_file: is empty, and %s.key_file needs it", key, key))
	case c.CertFile != "" && c.KeyFile == "":
		faults = append(faults, fmt.Errorf("%s.key_file: is empty, and %s.cert_file needs it", key, key))
	}
	if len(faults) > 0 {
		return faults
	}
	if _, err := c.authorities(key); err != nil {
		faults = append(faults, err)
	}
	if c.CertFile != "" {
		contents, unread := readAll(c.pair(key))
		if faults = append(faults, unread...); len(unread) == 0 {
			_, wrong := c.parsePair(key, contents)
			faults = append(faults, wrong...)
		}
	}
	return faults
}

func (c ClientTLS) pair(key string) []source {
	return []source{{key + ".cert_file", c.CertFile, false}, {key + ".key_file", c.KeyFile, true}}
}

func (c ClientTLS) parsePair(key string, contents [][]byte) (*tls.Certificate, []error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, []error{fmt.Errorf("%s.key_file: %s: %s", key, c.KeyFile, strings.TrimPrefix(err.Error(), "tls: "))}
	}
	return &pair, nil
}

// authorities is nil for those of the system.
func (c ClientTLS) authorities(key string) (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	content, err := source{key + ".ca_file", c.CAFile, false}.read()
	if err != nil {
		return nil, err
	}
	all, err := certificates(content)
	if err != nil {
		return nil, fmt.Errorf("%s.ca_file: %s: %w", key, c.CAFile, err)
	}
	pool := x509.NewCertPool()
	for _, authority := range all {
		pool.AddCert(authority)
	}
	return pool, nil
}

// Client is a client's side of TLS. Our own certificate follows its files; the authorities are those of
// the start.
func (c ClientTLS) Client(key string, env Env) (*tls.Config, error) {
	if faults := c.Validate(key); len(faults) > 0 {
		return nil, unusable(faults)
	}
	pool, err := c.authorities(key)
	if err != nil {
		return nil, unusable([]error{err})
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: c.ServerName}
	if c.CertFile == "" {
		return config, nil
	}
	parse := func(contents [][]byte) (*tls.Certificate, []error) { return c.parsePair(key, contents) }
	pair, err := watch(key, c.pair(key), parse, env)
	if err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get(), nil }
	return config, nil
}
