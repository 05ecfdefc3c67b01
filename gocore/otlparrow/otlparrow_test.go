package otlparrow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The codes of otlp_arrow.h that are met here.
const (
	codeInternal, codeInvalid, codeClosed, codeTimeout, codeConfig, codeBadHandle = 1, 2, 7, 8, 9, 11
)

func open(t *testing.T, c Config) *Library {
	t.Helper()
	library, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := library.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return library
}

// embedded has no listeners and the values given.
func embedded(t *testing.T) Config {
	t.Helper()
	return Config{Embedded: true, Values: map[string]any{"output_dir": t.TempDir(), "write_interval_secs": 3600}}
}

// rows counts what readers find in the whole batches of files.
func rows(t *testing.T, files []File) (n int64) {
	t.Helper()
	for _, f := range files {
		data, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		count, err := readback.Rows(data[:f.Length])
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		n += count
	}
	return n
}

func TestLibrary(t *testing.T) {
	library := open(t, embedded(t))
	if got := library.Endpoints(); len(got) != 0 {
		t.Errorf("an embedded library listens at %v", got)
	}
	maker := sample.New(1, 1)
	for _, s := range []Signal{Traces, Metrics, Logs} {
		if files, err := library.Files(t.Context(), s); err != nil || len(files) != 0 {
			t.Errorf("%s: files before data: %v, %v", s, files, err)
		}
		for range 3 {
			if err := library.Export(t.Context(), s, maker.Body(s.String(), 50)); err != nil {
				t.Fatal(err)
			}
			if err := library.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		files, err := library.Files(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if got := rows(t, files); got != 150 {
			t.Errorf("%s: %d rows, want 150", s, got)
		}
	}
}

func TestCloseTwice(t *testing.T) {
	library := open(t, embedded(t))
	for range 2 {
		if err := library.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	err := library.Export(t.Context(), Logs, nil)
	if Code(err) != codeClosed {
		t.Errorf("Export after Close: %v", err)
	}
}

func TestCode(t *testing.T) {
	library := open(t, embedded(t))
	_, files := library.Files(t.Context(), 3)
	_, schema := Schema(3)
	tests := []struct {
		name string
		err  error
		want int32
	}{
		{"none", nil, 0},
		{"foreign", errors.New("x"), codeInternal},
		{"internal", Internal("x"), codeInternal},
		{"argument", Invalid("x"), codeInvalid},
		{"handle", fmt.Errorf("y: %w", BadHandle("x")), codeBadHandle},
		{"no protobuf", library.Export(t.Context(), Traces, []byte{0xff}), codeInvalid},
		{"unknown signal", library.Export(t.Context(), 3, nil), codeInvalid},
		{"unknown signal's files", files, codeInvalid},
		{"unknown signal's schema", schema, codeInvalid},
	}
	for _, tt := range tests {
		if got := Code(tt.err); got != tt.want {
			t.Errorf("%s: code %d of %v, want %d", tt.name, got, tt.err, tt.want)
		}
	}
	if got := Message(Internal("bad \xff")); got != "bad \uFFFD" {
		t.Errorf("Message gives %q", got)
	}
}

func TestSchemaHasWhatIsPromoted(t *testing.T) {
	library, err := Open(t.Context(), Config{Embedded: true, Values: map[string]any{
		"output_dir": t.TempDir(), "files": map[string]any{"promote": []any{"http.route"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = library.Close(context.Background()) }()
	with, err := library.Schema(Traces)
	if err != nil || !bytes.Contains(with, []byte("http_route")) {
		t.Errorf("no column http_route, %v", err)
	}
	if _, err := library.Schema(9); err == nil {
		t.Error("an unknown signal has a schema")
	}
}

func TestSchema(t *testing.T) {
	for _, s := range []Signal{Traces, Metrics, Logs} {
		stream, err := Schema(s)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := ipc.NewReader(bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		if value, _ := reader.Schema().Metadata().GetValue("otlp_arrow.signal"); value != s.String() || reader.Next() {
			t.Errorf("%s: the schema is of %q, or has rows", s, value)
		}
		reader.Release()
	}
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().String()
	tests := []struct {
		name   string
		values map[string]any
		want   string
	}{
		{"setting", map[string]any{"durability": "disk"}, "durability: "},
		{"directory", map[string]any{"output_dir": filepath.Join(file, "below")}, "output_dir: "},
		{"used port", map[string]any{"output_dir": t.TempDir(), "otlp_http": map[string]any{"enabled": true, "endpoint": port}},
			"listen: otlp_http.endpoint: " + port + " is in use by another process or node"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			library, err := Open(t.Context(), Config{Embedded: true, Values: tt.values})
			if library != nil || Code(err) != codeConfig {
				t.Fatalf("got %v, code %d of %v", library, Code(err), err)
			}
			if text := err.Error(); !strings.Contains(text, tt.want) || strings.Contains(text, "\n") {
				t.Errorf("got %q, want one line with %q", text, tt.want)
			}
		})
	}
}

func TestOpenGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, embedded(t)); Code(err) != codeTimeout {
		t.Errorf("got %v, want a timeout", err)
	}
}

// TestLog: warnings of the configuration and the start are told to the host's logger.
func TestLog(t *testing.T) {
	queue, logger := NewLogQueue()
	c := embedded(t)
	c.Logger, c.Env = logger, map[string]string{"OTLP_PORT": "tcp://10.0.0.1:4317"}
	open(t, c)
	for _, want := range []string{"OTLP_PORT is set but names no setting", "started"} {
		if line := queue.Next(t.Context()); !bytes.Contains(line, []byte(want)) {
			t.Errorf("got %s, want %q", line, want)
		}
	}
}

func TestResolve(t *testing.T) {
	document, err := Resolve(Config{Env: map[string]string{"OTLP_OUTPUT_DIR": "/env"}})
	if err != nil || !bytes.Contains(document, []byte(`"output_dir":"/env"`)) {
		t.Errorf("%s, %v", document, err)
	}
	document, err = Resolve(Config{Values: map[string]any{"output_dir": "/values"}, Set: []string{"output_dir=/set"}})
	if err != nil || !bytes.Contains(document, []byte(`"output_dir":"/set"`)) {
		t.Errorf("%s, %v", document, err)
	}
	if _, err := Resolve(Config{Values: map[string]any{"x": 1}}); Code(err) != codeConfig {
		t.Errorf("got %v, want a config error", err)
	}
}

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]byte(`{"embedded":true,"file":"f","env":{"A":"b"},"values":{"queue":{"max_bytes":9007199254740993}},"set":["a=b"]}`))
	if err != nil || !c.Embedded || c.File != "f" || c.Env["A"] != "b" || len(c.Set) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if got := fmt.Sprint(c.Values); got != "map[queue:map[max_bytes:9007199254740993]]" {
		t.Errorf("values are %s: a number lost digits", got)
	}
	if _, err := ParseConfig([]byte(" {}\n\t ")); err != nil {
		t.Errorf("with space around: %v", err)
	}
	for _, bad := range []string{"", "{", "[]", `{"embeded":true}`, `{"env":{"A":1}}`, `{} {}`, `{} x`, `{}}`} {
		if _, err := ParseConfig([]byte(bad)); Code(err) != codeConfig {
			t.Errorf("%q: %v, want a config error", bad, err)
		}
	}
}

// TestLogQueueDrops: a host that does not fetch costs no memory, and the oldest are kept.
func TestLogQueueDrops(t *testing.T) {
	queue, logger := NewLogQueue()
	for i := range logQueueLength + 5 {
		logger.LogAttrs(t.Context(), slog.LevelInfo, "record", slog.Int("n", i))
	}
	if got := queue.dropped.Load(); got != 5 {
		t.Errorf("%d were dropped, want 5", got)
	}
	for i := range logQueueLength {
		if line := queue.Next(t.Context()); !bytes.Contains(line, fmt.Appendf(nil, `"n":%d}`, i)) {
			t.Fatalf("record %d is %s", i, line)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if line := queue.Next(ctx); line != nil {
		t.Errorf("an empty queue gives %s", line)
	}
}

func TestLogQueueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, logger := NewLogQueue()
		got := make(chan []byte)
		go func() { got <- queue.Next(context.Background()) }()
		synctest.Wait() // it waits in Next
		logger.Info("late")
		if line := <-got; !bytes.Contains(line, []byte(`"late"`)) {
			t.Errorf("got %s", line)
		}
	})
}

// TestLogQueueEnds: what was written is still given, and then nothing is waited for.
func TestLogQueueEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, logger := NewLogQueue()
		logger.Info("last")
		queue.End()
		queue.End()
		if line := queue.Next(t.Context()); !bytes.Contains(line, []byte(`"last"`)) {
			t.Errorf("got %s", line)
		}
		if line := queue.Next(t.Context()); line != nil {
			t.Errorf("got %s", line)
		}
	})
}
