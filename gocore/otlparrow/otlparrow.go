// Package otlparrow receives OpenTelemetry data (OTLP over gRPC and HTTP) and keeps it in
// Arrow IPC stream files that pyarrow, pandas, polars and DuckDB read.
//
//	lib, err := otlparrow.Open(ctx, otlparrow.Config{Values: map[string]any{"output_dir": "telemetry"}})
//	defer lib.Close(ctx)
//
// A Library may be used by several goroutines, and several may be open in one process, on
// one output directory too.
package otlparrow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/node"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/script"
)

// Signal is traces, metrics or logs.
type Signal = otlp.Signal

// The signals.
const (
	Traces  = otlp.Traces
	Metrics = otlp.Metrics
	Logs    = otlp.Logs
)

// File is a data file and how many of its bytes hold whole batches.
type File = files.File

// Config says where settings come from: later fields win. docs/configuration.md lists them.
type Config struct {
	// Embedded leaves listeners closed that nothing asks for.
	Embedded bool `json:"embedded"`
	// File is a YAML file, "" for none.
	File string `json:"file"`
	// Env is the OTLP_* environment, such as {"OTLP_FILES_COMPRESSION": "zstd"}.
	Env map[string]string `json:"env"`
	// Values are nested settings, such as {"files": {"compression": "zstd"}}.
	Values map[string]any `json:"values"`
	// Set are assignments as of a command line, such as "files.compression=zstd"; the last wins.
	Set []string `json:"set"`
	// Mock lets Script decide what is answered; for tests of senders.
	Mock bool `json:"mock"`
	// Logger takes our own log; nil drops it.
	Logger *slog.Logger `json:"-"`
}

// Library is a running node.
type Library struct {
	node   *node.Node
	script *script.Script // nil but for a mock
}

// Open checks the settings, opens files and listeners and starts. With an error nothing
// listens. It does not outlast ctx's deadline; cancelling ctx later has no effect.
func Open(ctx context.Context, c Config) (*Library, error) {
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Timeout, Op: "open", Err: err}
	}
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	settings, warnings, err := config.Load(c.sources())
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		log.Warn(warning)
	}
	library, err := start(settings, log, c.Mock)
	if err != nil {
		return nil, err
	}
	log.Info("started", "output_dir", settings.OutputDir, "endpoints", library.Endpoints())
	return library, nil
}

func start(settings config.Config, log *slog.Logger, mock bool) (*Library, error) {
	if !mock {
		n, err := node.Start(settings, log)
		return &Library{node: n}, err
	}
	s := script.New()
	n, err := node.StartMock(settings, log, s)
	return &Library{n, s}, err
}

func (c Config) sources() config.Sources {
	return config.Sources{Embedded: c.Embedded, File: c.File, Env: c.Env, Values: c.Values, Set: c.Set}
}

// Resolve gives the whole configuration as JSON, secrets hidden, or every fault of it.
func Resolve(c Config) ([]byte, error) {
	settings, _, err := config.Load(c.sources())
	if err != nil {
		return nil, err
	}
	return settings.JSON(), nil
}

// Endpoints are the real addresses by the listeners' keys: {"otlp_grpc": "127.0.0.1:4317"}.
func (l *Library) Endpoints() map[string]string { return l.node.Endpoints() }

// Export takes one OTLP Export request (protobuf), as a receiver does. The body is not kept.
func (l *Library) Export(ctx context.Context, signal Signal, body []byte) error {
	return l.node.Accept(ctx, signal, body)
}

// Flush returns when all that was accepted before the call is in files.
func (l *Library) Flush(ctx context.Context) error { return l.node.Flush(ctx, otlp.Signals[:]...) }

// Files flushes a signal and lists its data files, oldest first.
func (l *Library) Files(ctx context.Context, signal Signal) ([]File, error) {
	return l.node.Files(ctx, signal)
}

// Close ends the listeners and writes what was accepted. It may be called twice, and again
// after its deadline passed.
func (l *Library) Close(ctx context.Context) error { return l.node.Shutdown(ctx) }

// Schema is a signal's empty table as an Arrow IPC stream, with what the library promotes.
func (l *Library) Schema(signal Signal) ([]byte, error) {
	return emptyStream(signal, l.node.Config.Files.Promotions())
}

// Schema is a signal's empty table as an Arrow IPC stream, with nothing promoted.
func Schema(signal Signal) ([]byte, error) { return emptyStream(signal, nil) }

func emptyStream(signal Signal, promoted []schema.Promotion) ([]byte, error) {
	if signal >= otlp.Count {
		return nil, fault.New(fault.Invalid, "schema", "unknown signal %d", signal)
	}
	var out bytes.Buffer
	err := ipc.NewWriter(&out, ipc.WithSchema(schema.Of(signal, promoted...))).Close()
	return out.Bytes(), err
}

// Code is an error's number on the C ABI, see otlp_arrow.h; 0 for nil.
func Code(err error) int32 {
	if err == nil {
		return fault.ABIOk
	}
	return fault.ABICode(fault.KindOf(err))
}

// Message is an error's text as valid UTF-8.
func Message(err error) string { return fault.Message(err) }

// ParseConfig reads a Config from JSON.
func ParseConfig(document []byte) (Config, error) {
	var c Config
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&c)
	if _, end := decoder.Token(); err == nil && end != io.EOF {
		err = fmt.Errorf("text after the document at byte %d", decoder.InputOffset())
	}
	if err != nil {
		return c, &fault.Error{Kind: fault.Config, Op: "configuration", Err: err}
	}
	return c, nil
}

// Invalid is the error for arguments that no call takes.
func Invalid(text string) error { return fault.New(fault.Invalid, "", "%s", text) }

// BadHandle is the error for an ABI handle that cannot be used.
func BadHandle(text string) error { return fault.New(fault.BadHandle, "", "%s", text) }

// Internal is the error for a fault of ours.
func Internal(text string) error { return fault.New(fault.Internal, "", "%s", text) }
