package secure

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure/securetest"
)

// files writes a server's pair, and an authority of clients where there is one.
func (r rig) files(pair securetest.Pair, clients *securetest.Authority) TLSConfig {
	c := TLSConfig{CertFile: r.Write("cert.pem", pair.Cert), KeyFile: r.Write("key.pem", pair.Key)}
	if clients != nil {
		c.ClientCAFile = r.Write("ca.pem", clients.PEM())
	}
	return c
}

func mustServe(t *testing.T, c TLSConfig, r rig) *tls.Config {
	t.Helper()
	config, err := c.Server("l.tls", []string{"h2", "http/1.1"}, r.env())
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// shake makes one connection and says what the client saw of the server.
func shake(t *testing.T, server, client *tls.Config) (seen tls.ConnectionState, err error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		secured := tls.Server(conn, server)
		_, _ = secured.Write([]byte("x"))
		_, _ = io.Copy(io.Discard, secured)
	}()
	defer func() { <-done }()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err != nil {
		return seen, err
	}
	defer conn.Close()
	_, err = io.ReadFull(conn, make([]byte, 1)) // TLS 1.3 tells of a refused client only now
	return conn.ConnectionState(), err
}

func TestTLSVersionsAndProtocols(t *testing.T) {
	authority, r := securetest.NewAuthority(t), newRig(t)
	server := mustServe(t, r.files(authority.Pair("a"), nil), r)
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		client := authority.Client()
		client.MinVersion, client.MaxVersion, client.NextProtos = version, version, []string{"h2"}
		seen, err := shake(t, server, client)
		if (err == nil) != want || want && (seen.Version != version || seen.NegotiatedProtocol != "h2") {
			t.Errorf("%s: %v, %q", tls.VersionName(version), err, seen.NegotiatedProtocol)
		}
	}
	if _, err := shake(t, server, securetest.NewAuthority(t).Client()); err == nil {
		t.Error("a client that does not trust the authority connects")
	}
}

func TestClientCertificates(t *testing.T) {
	authority, clients, r := securetest.NewAuthority(t), securetest.NewAuthority(t), newRig(t)
	server := mustServe(t, r.files(authority.Pair("a"), clients), r)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, tt := range map[string]struct {
			pairs []securetest.Pair
			want  bool
		}{
			"good":             {[]securetest.Pair{clients.Pair("c")}, true},
			"none":             {nil, false},
			"another's":        {[]securetest.Pair{securetest.NewAuthority(t).Pair("c")}, false},
			"of the server's":  {[]securetest.Pair{authority.Pair("c")}, false},
			"good, once again": {[]securetest.Pair{clients.Pair("d")}, true},
		} {
			client := authority.Client(tt.pairs...)
			client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
			for range 2 {
				seen, err := shake(t, server, client)
				if (err == nil) != tt.want || seen.DidResume {
					t.Errorf("%s, %s: %v, resumed: %v", tls.VersionName(version), name, err, seen.DidResume)
				}
			}
		}
	}
}

func TestTLSFollowsItsFiles(t *testing.T) {
	authority, clients, r := securetest.NewAuthority(t), securetest.NewAuthority(t), newRig(t)
	server := mustServe(t, r.files(authority.Pair("first"), nil), r)
	expect := func(want string) {
		t.Helper()
		r.clock.Move(lookEvery)
		seen, err := shake(t, server, authority.Client())
		if err != nil || seen.PeerCertificates[0].Subject.CommonName != want {
			t.Fatalf("%v, %v; want %s", err, seen.PeerCertificates, want)
		}
	}
	expect("first")
	second := authority.Pair("second")
	r.Write("cert.pem", second.Cert)
	expect("first") // the key is still the first one's
	expect("first")
	r.expectLog(t, map[string]int{"cannot be used as they are now": 1, "private key does not match": 1, "level=ERROR": 0})
	r.Write("key.pem", second.Key)
	expect("second")
	r.expectLog(t, map[string]int{"cannot be used as they are now": 1, "can be used again": 1, "setting=l.tls": 2})
	third := authority.Pair("third")
	r.Write("cert.pem", third.Cert)
	r.Write("key.pem", third.Key)
	expect("third")
	r.expectLog(t, map[string]int{"changed files are in force": 1, "setting=l.tls": 3})

	server = mustServe(t, r.files(authority.Pair("mutual"), clients), r)
	client := authority.Client(clients.Pair("c"))
	if _, err := shake(t, server, client); err != nil {
		t.Fatal(err)
	}
	r.Write("ca.pem", securetest.NewAuthority(t).PEM())
	r.clock.Move(lookEvery)
	if _, err := shake(t, server, client); err == nil {
		t.Error("an authority that is gone is still trusted")
	}
}

func TestReadableKeyIsTold(t *testing.T) {
	r := newRig(t)
	c := r.files(securetest.NewAuthority(t).Pair("a"), nil)
	for _, path := range []string{c.CertFile, c.KeyFile} {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mustServe(t, c, r)
	r.expectLog(t, map[string]int{"other users can read": 1, "setting=l.tls.key_file": 1})
}

// TestTLSFaults: each tells the setting, and none tells a private key.
func TestTLSFaults(t *testing.T) {
	authority, r := securetest.NewAuthority(t), newRig(t)
	good, other := authority.Pair("a"), authority.Pair("b")
	cert, key, ca := r.Write("cert", good.Cert), r.Write("key", good.Key), r.Write("ca", authority.PEM())
	empty := r.Write("empty", "")
	broken := r.Write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	half := r.Write("half", authority.PEM()+"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for name, tt := range map[string]struct {
		config TLSConfig
		want   []string
	}{
		"none":             {TLSConfig{}, nil},
		"good":             {TLSConfig{cert, key, ""}, nil},
		"mutual":           {TLSConfig{cert, key, ca}, nil},
		"in one file":      {TLSConfig{r.Write("both", good.Cert+good.Key), r.Path("both"), ""}, nil},
		"no key":           {TLSConfig{cert, "", ""}, []string{"l.tls.key_file: is empty, and l.tls.cert_file needs it"}},
		"no certificate":   {TLSConfig{"", key, ""}, []string{"l.tls.cert_file: is empty, and l.tls.key_file needs it"}},
		"only authorities": {TLSConfig{"", "", ca}, []string{"l.tls.cert_file: is empty, and l.tls.client_ca_file", "l.tls.key_file: is empty, and l.tls.client_ca_file"}},
		"no files": {TLSConfig{r.Path("-"), r.Path("-"), r.Path("-")}, []string{
			"l.tls.cert_file: stat ", "l.tls.key_file: stat ", "l.tls.client_ca_file: stat "}},
		"no PEM":       {TLSConfig{empty, key, empty}, []string{"l.tls.cert_file: " + empty + ": has no PEM cert", "l.tls.client_ca_file: " + empty + ": has no PEM cert"}},
		"swapped":      {TLSConfig{key, cert, ""}, []string{"l.tls.cert_file: " + key + ": has no PEM cert"}},
		"broken":       {TLSConfig{broken, key, half}, []string{"l.tls.cert_file: " + broken + ": x509: ", "l.tls.client_ca_file: " + half + ": x509: "}},
		"another key":  {TLSConfig{cert, r.Write("other", other.Key), ""}, []string{"l.tls.key_file: " + r.Path("other") + ": private key does not match"}},
		"key's no key": {TLSConfig{cert, cert, ""}, []string{"l.tls.key_file: " + cert + ": "}},
	} {
		t.Run(name, func(t *testing.T) {
			faults := tt.config.Validate("l.tls")
			if len(faults) != len(tt.want) {
				t.Fatalf("got %v, want %q", faults, tt.want)
			}
			for i, want := range tt.want {
				if got := faults[i].Error(); !strings.HasPrefix(got, want) || strings.Contains(got, "BEGIN") {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			if name == "none" {
				return
			}
			config, err := tt.config.Server("l.tls", nil, r.env())
			if (err == nil) != (len(tt.want) == 0) || err != nil && (config != nil || fault.KindOf(err) != fault.Config) {
				t.Errorf("Server: %v", err)
			}
		})
	}
	if fmt.Sprint(TLSConfig{}.Enabled(), TLSConfig{ClientCAFile: ca}.Enabled()) != "false true" {
		t.Error("half a setting counts as none")
	}
}
