// Package blackbox tests the whole through its public package and the wire.
package blackbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var signals = []otlparrow.Signal{otlparrow.Traces, otlparrow.Metrics, otlparrow.Logs}

// methods are OTLP/gRPC's, written out: the wire is what is tested.
var methods = map[otlparrow.Signal]string{
	otlparrow.Traces:  "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
	otlparrow.Metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
	otlparrow.Logs:    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}

// rawCodec sends and receives bytes.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func open(t *testing.T) *otlparrow.Library {
	t.Helper()
	listener := map[string]any{"endpoint": "127.0.0.1:0"}
	library, err := otlparrow.Open(t.Context(), otlparrow.Config{Values: map[string]any{
		"output_dir": t.TempDir(), "write_interval_secs": 1, "otlp_grpc": listener, "otlp_http": listener,
		"health": map[string]any{"enabled": false}, "metrics": map[string]any{"enabled": false},
	}})
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

// sender sends one request; an error means it was not acknowledged.
type sender func(ctx context.Context, signal otlparrow.Signal, body []byte) error

func dialGRPC(t *testing.T, address string) sender {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return func(ctx context.Context, signal otlparrow.Signal, body []byte) error {
		var answer []byte
		return conn.Invoke(ctx, methods[signal], &body, &answer)
	}
}

func dialHTTP(t *testing.T, address, contentType string) sender {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	return func(ctx context.Context, signal otlparrow.Signal, body []byte) error {
		url := "http://" + address + "/v1/" + signal.String()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", contentType)
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %q", answer.Status, text)
		}
		return err
	}
}

// toJSON says a request's body in OTLP/JSON, whose ids are hex and not base64: they are left
// out here, and unit tests have them.
func toJSON(signal otlparrow.Signal, body []byte) ([]byte, error) {
	var message proto.Message
	switch signal {
	case otlparrow.Traces:
		message = &tracepb.TracesData{}
	case otlparrow.Metrics:
		message = &metricspb.MetricsData{}
	default:
		message = &logspb.LogsData{}
	}
	if err := proto.Unmarshal(body, message); err != nil {
		return nil, err
	}
	dropIDs(message)
	return protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(message)
}

func dropIDs(message proto.Message) {
	switch m := message.(type) {
	case *tracepb.TracesData:
		for _, span := range m.ResourceSpans[0].ScopeSpans[0].Spans {
			span.TraceId, span.SpanId, span.ParentSpanId, span.Links = nil, nil, nil, nil
		}
	case *logspb.LogsData:
		for _, record := range m.ResourceLogs[0].ScopeLogs[0].LogRecords {
			record.TraceId, record.SpanId = nil, nil
		}
	}
}

// rows counts the rows in the whole batches of a signal's files.
func rows(t *testing.T, library *otlparrow.Library, signal otlparrow.Signal) (n int64) {
	t.Helper()
	files, err := library.Files(t.Context(), signal)
	if err != nil {
		t.Fatal(err)
	}
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

func TestProtocols(t *testing.T) {
	tests := []struct {
		name string
		dial func(t *testing.T, endpoints map[string]string) sender
		json bool
	}{
		{"gRPC", func(t *testing.T, at map[string]string) sender { return dialGRPC(t, at["otlp_grpc"]) }, false},
		{"HTTP protobuf", func(t *testing.T, at map[string]string) sender {
			return dialHTTP(t, at["otlp_http"], "application/x-protobuf")
		}, false},
		{"HTTP JSON", func(t *testing.T, at map[string]string) sender {
			return dialHTTP(t, at["otlp_http"], "application/json")
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			library := open(t)
			send := tt.dial(t, library.Endpoints())
			maker := sample.New(3, uint64(time.Now().UnixNano()))
			for i, signal := range signals {
				n := 10 * (i + 1)
				body := maker.Body(signal.String(), n)
				if tt.json {
					var err error
					if body, err = toJSON(signal, body); err != nil {
						t.Fatal(err)
					}
				}
				if err := send(t.Context(), signal, body); err != nil {
					t.Fatalf("%s: %v", signal, err)
				}
				if got := rows(t, library, signal); got != int64(n) {
					t.Errorf("%s: %d rows, want %d", signal, got, n)
				}
			}
		})
	}
}

// TestRefused: damage is told as such, by each protocol, and leaves no rows.
func TestRefused(t *testing.T) {
	library := open(t)
	at := library.Endpoints()
	overGRPC, overHTTP := dialGRPC(t, at["otlp_grpc"]), dialHTTP(t, at["otlp_http"], "application/x-protobuf")
	for _, signal := range signals {
		if err := overGRPC(t.Context(), signal, []byte{0x0a, 0x7f}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s over gRPC: %v, want InvalidArgument", signal, err)
		}
		if err := overHTTP(t.Context(), signal, []byte{0x0a, 0x7f}); err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte("400")) {
			t.Errorf("%s over HTTP: %v, want 400", signal, err)
		}
		if got := rows(t, library, signal); got != 0 {
			t.Errorf("%s: %d rows of damaged requests", signal, got)
		}
	}
}

// TestNothingIsLost: from four connections, what is in the files is what was acknowledged.
func TestNothingIsLost(t *testing.T) {
	const connections, requests, items = 4, 500, 100 // 200,000 items of each signal
	library := open(t)
	at := library.Endpoints()
	for _, signal := range signals {
		t.Run(signal.String(), func(t *testing.T) {
			var acknowledged atomic.Int64
			var all sync.WaitGroup
			for c := range connections {
				send := dialGRPC(t, at["otlp_grpc"])
				if c%2 == 1 {
					send = dialHTTP(t, at["otlp_http"], "application/x-protobuf")
				}
				all.Go(func() {
					maker, distinct := sample.New(int64(c), 1), [8][]byte{}
					for i := range distinct {
						distinct[i] = maker.Body(signal.String(), items)
					}
					for i := range requests {
						if err := send(t.Context(), signal, distinct[i%len(distinct)]); err != nil {
							t.Errorf("connection %d: %v", c, err)
							continue
						}
						acknowledged.Add(items)
					}
				})
			}
			all.Wait()
			if got, want := rows(t, library, signal), acknowledged.Load(); got != want || want != connections*requests*items {
				t.Errorf("%d rows, %d acknowledged of %d", got, want, connections*requests*items)
			}
		})
	}
}
