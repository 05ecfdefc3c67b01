package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

func TestSendCommand(t *testing.T) {
	t.Setenv("SEND_KEY", "a-long-secret")
	library, err := otlparrow.Open(t.Context(), otlparrow.Config{Embedded: true, Values: map[string]any{
		"output_dir": t.TempDir(), "otlp_http": map[string]any{"enabled": true, "endpoint": "127.0.0.1:0", "auth": map[string]any{"api_keys": []any{"a-long-secret"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = library.Close(t.Context()) }()
	path := filepath.Join(t.TempDir(), "a.json")
	if err := os.WriteFile(path, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	to := []string{"send", "--protocol", "otlp_http", "--endpoint", "http://" + library.Endpoints()["otlp_http"], "--header", "x=y"}
	tests := []struct {
		args  []string
		items int64
		err   error
	}{
		{[]string{"--api-key", "env:SEND_KEY", path}, 2, nil},
		{[]string{"--generate", "traces", "--items", "1k", "--batch=300", "--seed", "7", "--json", "--api-key=a-long-secret"}, 1000, nil},
		{[]string{"--generate", "traces", "--items", "30", "--connections", "2", "--api-key=a-long-secret"}, 30, nil},
		{[]string{path, "--api-key", "another"}, 0, errRemain},
	}
	for _, tt := range tests {
		var out, log bytes.Buffer
		err := run(append(to, tt.args...), &out, &log)
		var sent otlparrow.Sent
		if !errors.Is(err, tt.err) || json.Unmarshal(out.Bytes(), &sent) != nil || sent.Items != tt.items || log.Len() > 0 {
			t.Errorf("%q: %v, %s", tt.args, err, out.String())
		}
	}
}

// TestSendFlags: they are those of Python's command, and mean the same.
func TestSendFlags(t *testing.T) {
	o, err := parseSend(strings.Fields("--generate logs --items 5M --duration 90 --batch 7 --seed 3 --timeout 1.5 --retry-for 2 " +
		"--max-request-bytes 1024 --basic me=pass=word --header a=b=c"))
	if err != nil {
		t.Fatal(err)
	}
	if o.Items != 5_000_000 || time.Duration(o.Duration) != 90*time.Second || o.BatchItems != 7 || o.Seed != 3 {
		t.Errorf("%+v", o)
	}
	to := o.Destination
	if time.Duration(to.Timeout) != 1500*time.Millisecond || time.Duration(to.RetryOnFailure.MaxElapsedTime) != 2*time.Second || to.Batch.MaxBytes != 1024 {
		t.Errorf("%+v", to)
	}
	if _, ok := to.Headers["a"]; !ok || to.Auth.Basic == nil || to.Auth.Basic.Username != "me" {
		t.Errorf("%+v", to)
	}
}

// TestSendIsDocumented: the flags are those of the section on send.
func TestSendIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## send")
	section, _, _ = strings.Cut(section, "\n## ")
	named := map[string]bool{}
	for _, match := range regexp.MustCompile(`--([a-z][a-z-]*)`).FindAllStringSubmatch(section, -1) {
		named[match[1]] = true
	}
	newSending().flags.VisitAll(func(f *flag.Flag) {
		if !named[f.Name] || !strings.Contains(usage, "--"+f.Name) && f.Name != "json" {
			t.Errorf("--%s is not told", f.Name)
		}
		delete(named, f.Name)
	})
	if len(named) > 0 {
		t.Errorf("the static binary lacks %v", named)
	}
}

func TestSendDefaults(t *testing.T) {
	for protocol, want := range map[string]string{
		"": "http://127.0.0.1:4317", "otlp_grpc": "http://127.0.0.1:4317", "otlp_http": "http://127.0.0.1:4318",
		"otlp_http_json": "http://127.0.0.1:4318", "otap": "http://127.0.0.1:4319",
	} {
		args := []string{"--generate", "logs"}
		if protocol != "" {
			args = append(args, "--protocol", protocol)
		}
		o, err := parseSend(args)
		if err != nil || o.Destination.Endpoint != want || o.Seed != 1 || o.Destination.Batch.MaxBytes != 4<<20 || !o.Destination.RetryOnFailure.Enabled {
			t.Errorf("%s: %v, %+v", protocol, err, o)
		}
	}
	if o, err := parseSend([]string{"--retry-for", "0", "--endpoint", "https://host"}); err != nil || o.Destination.RetryOnFailure.Enabled || o.Destination.Endpoint != "https://host" {
		t.Errorf("%v, %+v", err, o)
	}
}

func TestSendWrongly(t *testing.T) {
	wrong := [][]string{
		{"--loud"}, {"--header", "hush"}, {"--basic", "hush"}, {"--rate", "fast"}, {"--items", "ten"}, {"--items", "-5"}, {"--items", "k"}, {"--items", "5kM"}, {"--rate", "NaN"}, {"--items", "9999999999999999M"},
		{"--duration", "5x"}, {"--timeout", "-1s"}, {"--retry-for", "soon"}, {"--seed", "-1"},
	}
	for _, args := range wrong {
		if err := run(append([]string{"send"}, args...), io.Discard, io.Discard); !errors.Is(err, errUsage) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", args, err)
		}
	}
	err := run([]string{"send", "--endpoint", "http://127.0.0.1:1"}, io.Discard, io.Discard)
	if otlparrow.Code(err) != configCode || !strings.Contains(err.Error(), "want files") {
		t.Errorf("%v", err)
	}
	err = run([]string{"send", "a.json", "--items", "5"}, io.Discard, io.Discard)
	if otlparrow.Code(err) != configCode || !strings.Contains(err.Error(), "items: is for generated load alone") {
		t.Errorf("%v", err)
	}
}
