package receive

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// server is what both receivers are to a node.
type server interface {
	Listen() error
	Addr() string
	Serve()
	Shutdown(context.Context) error
}

var servers = map[string]func(Endpoint) server{
	grpcSection: func(at Endpoint) server {
		return NewGRPC(GRPCConfig{Endpoint: at, MaxConcurrentStreams: 10}, testLimits(), NewAdmission(1<<20), &fake{}, quiet())
	},
	httpSection: func(at Endpoint) server {
		return NewHTTP(HTTPConfig{Endpoint: at}, testLimits(), NewAdmission(1<<20), &fake{}, quiet())
	},
	metricsSection: func(at Endpoint) server { return NewMetrics(at, http.NotFoundHandler(), quiet()) },
}

func mustListen(t *testing.T, s server) {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
}

func TestServerOrderOfCalls(t *testing.T) {
	for key, build := range servers {
		local := Endpoint{Enabled: true, Endpoint: "127.0.0.1:0"}
		for name, run := range map[string]func(server){
			"unstarted":            func(server) {},
			"bound":                func(s server) { mustListen(t, s) },
			"served unbound":       func(s server) { s.Serve() },
			"served":               func(s server) { mustListen(t, s); s.Serve() },
			"served twice":         func(s server) { mustListen(t, s); mustListen(t, s); s.Serve(); s.Serve() },
			"served after the end": func(s server) { mustListen(t, s); shutDown(t, s); s.Serve() },
		} {
			t.Run(key+" "+name, func(t *testing.T) {
				s := build(local)
				run(s)
				shutDown(t, s)
				shutDown(t, s)
			})
		}
	}
}

func TestDisabledServerDoesNothing(t *testing.T) {
	for _, build := range servers {
		s := build(Endpoint{Enabled: false, Endpoint: "127.0.0.1:0"})
		mustListen(t, s)
		s.Serve()
		if s.Addr() != "" {
			t.Fatal(s.Addr())
		}
		shutDown(t, s)
	}
}

func TestUsedPortIsAConfigFault(t *testing.T) {
	for key, build := range servers {
		first := build(Endpoint{Enabled: true, Endpoint: "127.0.0.1:0"})
		mustListen(t, first)
		second := build(Endpoint{Enabled: true, Endpoint: first.Addr()})
		err := second.Listen()
		want := "listen: " + key + ".endpoint: " + first.Addr() + " is in use by another process or node"
		if fault.KindOf(err) != fault.Config || err.Error() != want {
			t.Fatalf("%v, want %s", err, want)
		}
		shutDown(t, first)
		shutDown(t, second)
	}
}

func TestIPv6(t *testing.T) {
	s := servers[httpSection](Endpoint{Enabled: true, Endpoint: "[::1]:0"})
	if err := s.Listen(); err != nil {
		t.Skip(err)
	}
	defer shutDown(t, s)
	if !strings.HasPrefix(s.Addr(), "[::1]:") || strings.HasSuffix(s.Addr(), ":0") {
		t.Fatal(s.Addr())
	}
}

func TestUnixSocket(t *testing.T) {
	for _, build := range servers {
		path := filepath.Join(t.TempDir(), "s")
		s := build(Endpoint{Enabled: true, Endpoint: "unix:" + path})
		mustListen(t, s)
		s.Serve()
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != socketMode {
			t.Fatalf("%v, %v", info.Mode(), err)
		}
		if s.Addr() != "unix:"+path {
			t.Fatal(s.Addr())
		}
		if err := build(Endpoint{Enabled: true, Endpoint: "unix:" + path}).Listen(); fault.KindOf(err) != fault.Config {
			t.Fatalf("a socket in use was taken over: %v", err)
		}
		shutDown(t, s)
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Fatalf("the socket's file stays: %v", err)
		}
	}
}

func TestUnixSocketAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := servers[httpSection](Endpoint{Enabled: true, Endpoint: "unix:" + path})
	mustListen(t, s)
	s.Serve()
	defer shutDown(t, s)
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Post("http://x/v1/logs", protobufType, strings.NewReader("abc"))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	_ = response.Body.Close()
}

func TestStaleSocketIsReplacedAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	s := servers[grpcSection](Endpoint{Enabled: true, Endpoint: "unix:" + path})
	mustListen(t, s)
	shutDown(t, s)

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := servers[grpcSection](Endpoint{Enabled: true, Endpoint: "unix:" + path}).Listen(); fault.KindOf(err) != fault.Config {
		t.Fatalf("%v, want a config fault", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Fatalf("the file was touched: %q, %v", text, err)
	}
}
