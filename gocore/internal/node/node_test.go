package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are those of a test: listeners on free ports, files written only when flushed.
func settings(t *testing.T) config.Config {
	t.Helper()
	c := config.Default()
	c.OutputDir, c.WriteIntervalSecs = t.TempDir(), 3600
	c.OTLPGRPC.Endpoint.Endpoint, c.OTLPHTTP.Endpoint.Endpoint = "127.0.0.1:0", "127.0.0.1:0"
	c.Arrow.Endpoint.Endpoint = "127.0.0.1:0"
	c.Health.Enabled, c.Metrics.Enabled = false, false
	return c
}

func start(t *testing.T, c config.Config) *Node {
	t.Helper()
	n, err := Start(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return n
}

func body(signal otlp.Signal) []byte { return sample.New(1, 1).Body(signal.String(), 10) }

func TestEndpoints(t *testing.T) {
	tests := []struct {
		name       string
		grpc, http bool
	}{{"both", true, true}, {"gRPC", true, false}, {"HTTP", false, true}, {"none", false, false}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := settings(t)
			c.OTLPGRPC.Enabled, c.OTLPHTTP.Enabled = tt.grpc, tt.http
			got := start(t, c).Endpoints()
			for key, want := range map[string]bool{"otlp_grpc": tt.grpc, "otlp_http": tt.http} {
				address, there := got[key]
				if there != want {
					t.Errorf("%s is at %q, want one: %v", key, address, want)
				} else if there {
					expectListening(t, address, true)
				}
			}
		})
	}
}

func expectListening(t *testing.T, address string, want bool) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if (err == nil) != want {
		t.Errorf("%s listens: %v, want %v", address, err == nil, want)
	}
	if err == nil {
		_ = conn.Close()
	}
}

func TestAcceptedDataIsInFiles(t *testing.T) {
	n := start(t, settings(t))
	for _, s := range otlp.Signals {
		if err := n.Accept(t.Context(), s, body(s)); err != nil {
			t.Fatal(err)
		}
		files, err := n.Files(t.Context(), s)
		if err != nil || len(files) != 1 || files[0].Length == 0 {
			t.Errorf("%s: %v, %v; want one file", s, files, err)
		}
	}
	if err := n.Flush(t.Context(), otlp.Signals[:]...); err != nil {
		t.Error(err)
	}
}

func TestFaults(t *testing.T) {
	n := start(t, settings(t))
	_, filesErr := n.Files(t.Context(), otlp.Count)
	tests := []struct {
		name string
		err  error
	}{
		{"no protobuf", n.Accept(t.Context(), otlp.Traces, []byte{0xff})},
		{"unknown signal", n.Accept(t.Context(), otlp.Count, nil)},
		{"files of an unknown signal", filesErr},
	}
	for _, tt := range tests {
		if tt.err == nil || fault.KindOf(tt.err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", tt.name, tt.err)
		}
	}
}

// TestStartFails: an unusable directory or address is told, and nothing listens or runs.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		spec func(c *config.Config)
	}{
		{"directory", func(c *config.Config) { c.OutputDir = filepath.Join(file, "below") }},
		{"first port", func(c *config.Config) { c.OTLPGRPC.Endpoint.Endpoint = taken.Addr().String() }},
		{"second port", func(c *config.Config) { c.OTLPHTTP.Endpoint.Endpoint = taken.Addr().String() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := settings(t)
			first := freePort(t)
			c.OTLPGRPC.Endpoint.Endpoint = first
			tt.spec(&c)
			n, err := Start(c, slog.New(slog.DiscardHandler))
			if n != nil || err == nil || fault.KindOf(err) != fault.Config {
				t.Errorf("got %v, %v; want a config error", n, err)
			}
			expectListening(t, first, false)
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestShutdownTwice(t *testing.T) {
	n := start(t, settings(t))
	endpoints := n.Endpoints()
	for i := range 2 {
		if err := n.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown %d: %v", i+1, err)
		}
	}
	for _, address := range endpoints {
		expectListening(t, address, false)
	}
	if err := n.Accept(t.Context(), otlp.Logs, body(otlp.Logs)); fault.KindOf(err) != fault.Closed {
		t.Errorf("Accept after Shutdown: %v, want closed", err)
	}
}

// TestShutdownAgain: a stop that could not write tells so and keeps what was accepted; the
// next one writes it.
func TestShutdownAgain(t *testing.T) {
	c := settings(t)
	n := start(t, c)
	blocked := filepath.Join(c.OutputDir, "otlp", "logs")
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Accept(t.Context(), otlp.Logs, body(otlp.Logs)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := n.Shutdown(ctx); err == nil {
		t.Error("the first Shutdown tells no error")
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Errorf("the second Shutdown: %v", err)
	}
	if files, err := n.files.Files(otlp.Logs); err != nil || len(files) != 1 {
		t.Errorf("%v, %v; want one file", files, err)
	}
}

// TestShutdownDoesNotWaitForAnother: a second caller's deadline is its own.
func TestShutdownDoesNotWaitForAnother(t *testing.T) {
	c := settings(t)
	n := start(t, c)
	blocked := filepath.Join(c.OutputDir, "otlp", "logs")
	if err := errors.Join(os.Remove(blocked), os.WriteFile(blocked, nil, 0o600), n.Accept(t.Context(), otlp.Logs, body(otlp.Logs))); err != nil {
		t.Fatal(err)
	}
	first := make(chan error)
	go func() { first <- n.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.Shutdown(ctx); err == nil {
		t.Error("the second Shutdown tells no error")
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Errorf("the first Shutdown: %v", err)
	}
}

// TestTwoNodes: several live in one process, on one directory too.
func TestTwoNodes(t *testing.T) {
	c := settings(t)
	for i, n := range []*Node{start(t, c), start(t, c)} {
		if err := n.Accept(t.Context(), otlp.Traces, body(otlp.Traces)); err != nil {
			t.Fatal(err)
		}
		if files, err := n.Files(t.Context(), otlp.Traces); err != nil || len(files) != i+1 {
			t.Errorf("node %d: %v, %v", i, files, err)
		}
	}
}
