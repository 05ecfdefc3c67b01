package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

func TestSendWrongly(t *testing.T) {
	for _, args := range [][]string{{"--loud"}, {"--header", "x"}, {"--rate", "fast"}} {
		if err := run(append([]string{"send"}, args...), io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	err := run([]string{"send", "--endpoint", "http://127.0.0.1:1"}, io.Discard, io.Discard)
	if otlparrow.Code(err) != configCode || !strings.Contains(err.Error(), "want files") {
		t.Errorf("%v", err)
	}
}
