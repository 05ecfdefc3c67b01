package secure

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// TLSConfig is the certificate of a listener. Empty means plaintext.
type TLSConfig struct {
	// CertFile has the certificate and then the ones it was signed with.
	CertFile string `json:"cert_file" yaml:"cert_file"`
	KeyFile  string `json:"key_file" yaml:"key_file"`
	// ClientCAFile has the authorities of clients: each client needs a certificate then.
	ClientCAFile string `json:"client_ca_file" yaml:"client_ca_file"`
}

// Enabled says that something is set, so that half a setting never means plaintext.
func (c TLSConfig) Enabled() bool { return c != TLSConfig{} }

// Validate reads the files and lists every fault of the settings, which stand under key.
func (c TLSConfig) Validate(key string) []error {
	if faults := c.missing(key); len(faults) > 0 || !c.Enabled() {
		return faults
	}
	contents, faults := readAll(c.sources(key))
	if len(faults) == 0 {
		_, faults = c.parse(key, nil, contents)
	}
	return faults
}

// missing is what others of the settings need.
func (c TLSConfig) missing(key string) (faults []error) {
	set := key + ".cert_file"
	switch {
	case c.CertFile != "":
	case c.KeyFile != "":
		set = key + ".key_file"
	case c.ClientCAFile != "":
		set = key + ".client_ca_file"
	default:
		return nil
	}
	for _, s := range c.sources(key) {
		if s.path == "" {
			faults = append(faults, fmt.Errorf("%s: is empty, and %s needs it", s.key, set))
		}
	}
	return faults
}

func (c TLSConfig) sources(key string) []source {
	all := []source{{key + ".cert_file", c.CertFile, false}, {key + ".key_file", c.KeyFile, true}}
	if c.ClientCAFile != "" {
		all = append(all, source{key + ".client_ca_file", c.ClientCAFile, false})
	}
	return all
}

// Server is a listener's side of TLS. It offers the protocols by ALPN and follows its files;
// connections that are there already stay as they are.
func (c TLSConfig) Server(key string, protocols []string, env Env) (*tls.Config, error) {
	if faults := c.missing(key); len(faults) > 0 {
		return nil, unusable(faults)
	}
	parse := func(contents [][]byte) (*tls.Config, []error) { return c.parse(key, protocols, contents) }
	files, err := watch(key, c.sources(key), parse, env)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return files.get(), nil },
	}, nil
}

func (c TLSConfig) parse(key string, protocols []string, contents [][]byte) (*tls.Config, []error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols}
	var faults []error
	if _, err := certificates(contents[0]); err != nil {
		faults = append(faults, fmt.Errorf("%s.cert_file: %s: %w", key, c.CertFile, err))
	} else if pair, err := tls.X509KeyPair(contents[0], contents[1]); err != nil {
		reason := strings.TrimPrefix(err.Error(), "tls: ")
		faults = append(faults, fmt.Errorf("%s.key_file: %s: %s", key, c.KeyFile, reason))
	} else {
		config.Certificates = []tls.Certificate{pair}
	}
	if c.ClientCAFile != "" {
		authorities, err := certificates(contents[2])
		if err != nil {
			faults = append(faults, fmt.Errorf("%s.client_ca_file: %s: %w", key, c.ClientCAFile, err))
		}
		demand(config, authorities)
	}
	return config, faults
}

// demand asks clients for certificates. Without tickets: a resumed session would stand on
// the authorities of its first handshake, and exporters keep their connections anyway.
func demand(config *tls.Config, authorities []*x509.Certificate) {
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	config.SessionTicketsDisabled = true
	for _, authority := range authorities {
		config.ClientCAs.AddCert(authority)
	}
}

// certificates reads all of a PEM file's. Not x509's pool: that skips what it cannot read.
func certificates(content []byte) (all []*x509.Certificate, err error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("has no PEM certificate")
	}
	return all, nil
}
