package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func yamlFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "otlp.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommands(t *testing.T) {
	good, bad := yamlFile(t, "output_dir: /data\n"), yamlFile(t, "output_dirr: /data\n")
	tests := []struct {
		name string
		args []string
		out  string
	}{
		{"help", []string{"help"}, "usage: otlp-arrow serve"},
		{"-h", []string{"-h"}, "Exit codes: 0 done"},
		{"validate", []string{"validate", good}, good + ": ok\n"},
		{"file", []string{"print-config", "--config", good}, `"output_dir":"/data"`},
		{"flag over file", []string{"print-config", "--config", good, "--output-dir", "/flag"}, `"output_dir":"/flag"`},
		{"log", []string{"print-config", "--log-level=debug", "--log-format=json"}, `"log":{"level":"debug","format":"json"}`},
		{"listener", []string{"print-config", "--otlp-grpc", "127.0.0.1:7"}, `"otlp_grpc":{"enabled":true,"endpoint":"127.0.0.1:7"`},
		{"off", []string{"print-config", "--otlp-http", "off"}, `"otlp_http":{"enabled":false`},
		{"health", []string{"print-config", "--health", "127.0.0.1:7"}, `"health":{"enabled":true,"endpoint":"127.0.0.1:7"`},
		{"arrow", []string{"print-config", "--arrow", "off"}, `"arrow":{"enabled":false`},
		{"metrics", []string{"print-config", "--metrics", "off"}, `"metrics":{"enabled":false`},
		{"secrets", []string{"print-config", "--set", `otlp_grpc.auth.bearer_tokens=["hush"]`}, `"bearer_tokens":["***"]`},
		{"secrets of the environment", []string{"print-config"}, `"api_keys":["***","***"]`},
		{"last wins", []string{"print-config", "--output-dir", "a", "--set", "output_dir=b"}, `"output_dir":"b"`},
		{"last flag wins", []string{"print-config", "--set", "output_dir=b", "--output-dir", "a"}, `"output_dir":"a"`},
		{"as it is", []string{"print-config", "--output-dir", `{"a":1}`}, `"output_dir":"{\"a\":1}"`},
		{"no JSON either", []string{"print-config", "--output-dir", `null`}, `"output_dir":"null"`},
		{"on again", []string{"print-config", "--otlp-http", "off", "--set", "otlp_http.enabled=true"}, `"otlp_http":{"enabled":true`},
		{"number", []string{"print-config", "--set", "write_interval_secs=1e1"}, `"write_interval_secs":10`},
		{"list", []string{"print-config", "--set", "otlp_http.cors_allowed_origins=https://a.example,*"}, `["https://a.example","*"]`},
		{"serve -h", []string{"serve", "-h"}, "-ready-file FILE"},
		{"serve --help", []string{"serve", "--output-dir", "x", "--help"}, "usage: otlp-arrow serve"},
		{"print-config -h", []string{"print-config", "-h"}, "-set KEY=VALUE"},
		{"validate -h", []string{"validate", "-h"}, "usage: otlp-arrow serve"},
		{"set", []string{"print-config", "--set", "queue.max_bytes=2097152", "--set", "files.compression=zstd"}, `"queue":{"max_bytes":2097152}`},
	}
	t.Setenv("OTLP_OTLP_HTTP_AUTH_API_KEYS", "hush-1,hush-2")
	for _, tt := range tests {
		var out bytes.Buffer
		if err := run(tt.args, &out, io.Discard); err != nil || !strings.Contains(out.String(), tt.out) {
			t.Errorf("%s: %v, %q; want %q", tt.name, err, out.String(), tt.out)
		}
		if strings.Contains(out.String(), "hush") {
			t.Errorf("%s: prints a key: %q", tt.name, out.String())
		}
	}
	if err := run([]string{"validate", bad}, io.Discard, io.Discard); otlparrow.Code(err) != configCode {
		t.Errorf("a bad file: %v, want a config error", err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("OTLP_OUTPUT_DIR", "/env")
	var out bytes.Buffer
	if err := run([]string{"print-config"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), `"/env"`) {
		t.Errorf("%v, %s", err, out.String())
	}
}

func TestWrongUsage(t *testing.T) {
	tests := [][]string{
		{}, {"sing"}, {"validate"}, {"validate", "a", "b"}, {"serve", "--loud"}, {"serve", "more"}, {"print-config", "--nope"},
		{"print-config", "--set", "no-value"}, {"validate", "--loud"},
	}
	for _, args := range tests {
		if err := run(args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want wrong usage", args, err)
		}
	}
}

// TestServeFails: what cannot be served ends at once, and with the code for configurations.
func TestServeFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	tests := []struct {
		name   string
		args   []string
		config bool
	}{
		{"setting", []string{"--log-level", "loud"}, true},
		{"port", []string{"--otlp-http", taken.Addr().String()}, true},
		{"port of health", []string{"--health", taken.Addr().String()}, true},
		{"port of metrics", []string{"--metrics", taken.Addr().String()}, true},
		{"ready file", []string{"--ready-file", filepath.Join(t.TempDir(), "none", "ready")}, false},
	}
	for _, tt := range tests {
		args := append([]string{"serve", "--output-dir", t.TempDir(), "--otlp-grpc=off", "--otlp-http=127.0.0.1:0",
			"--arrow=off", "--health=off", "--metrics=off"}, tt.args...)
		err := run(args, io.Discard, io.Discard)
		if err == nil || (otlparrow.Code(err) == configCode) != tt.config {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := run([]string{"print-config", "--set", "x=1"}, io.Discard, io.Discard); otlparrow.Code(err) != configCode {
		t.Errorf("print-config of an unknown key: %v", err)
	}
}
