package receive

import (
	"context"
	"io"
	"testing"
	"time"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// arrowRig is an Arrow port and a reference Producer's stream of traces to it.
type arrowRig struct {
	*GRPC
	fake      *fake
	admission *Admission
	conn      *grpc.ClientConn
	producer  *arrow_record.Producer
	maker     *sample.Maker
	stream    arrowpb.ArrowTracesService_ArrowTracesClient
}

func startArrow(t *testing.T, limits Limits, options ...grpc.CallOption) *arrowRig {
	t.Helper()
	config := DefaultArrow()
	config.Endpoint.Endpoint = "127.0.0.1:0"
	rig := &arrowRig{fake: &fake{}, admission: NewAdmission(limits.MaxInflightBytes), producer: arrow_record.NewProducer(), maker: sample.New(1, 1)}
	rig.GRPC = NewArrow(config, limits, rig.admission, rig.fake, quiet())
	if err := rig.Listen(); err != nil {
		t.Fatal(err)
	}
	rig.Serve()
	conn, err := grpc.NewClient(rig.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	rig.conn = conn
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	if rig.stream, err = arrowpb.NewArrowTracesServiceClient(conn).ArrowTraces(ctx, options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		shutDown(t, rig)
		expectFree(t, rig.admission)
		_ = conn.Close()
	})
	return rig
}

// batch is the stream's next.
func (r *arrowRig) batch(t *testing.T, spans int) *arrowpb.BatchArrowRecords {
	t.Helper()
	data, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(r.maker.Body("traces", spans))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := r.producer.BatchArrowRecordsFromTraces(data)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// expectStatus sends a batch and looks at its status.
func (r *arrowRig) expectStatus(t *testing.T, batch *arrowpb.BatchArrowRecords, want arrowpb.StatusCode) {
	t.Helper()
	if err := r.stream.Send(batch); err != nil {
		t.Fatal(err)
	}
	got, err := r.stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if got.BatchId != batch.BatchId || got.StatusCode != want || (got.StatusMessage == "") != (want == arrowpb.StatusCode_OK) {
		t.Errorf("batch %d: %v, want %v", batch.BatchId, got, want)
	}
}

// expectEnd waits for the stream's end.
func (r *arrowRig) expectEnd(t *testing.T, want codes.Code) {
	t.Helper()
	if _, err := r.stream.Recv(); status.Code(err) != want {
		t.Errorf("the stream ended with %v, want %v", err, want)
	}
}

func TestOTAPBatchesAreAcknowledged(t *testing.T) {
	for name, options := range map[string][]grpc.CallOption{
		"plain": nil, "gzip": {grpc.UseCompressor(gzip.Name)},
		"a Collector's default": {grpc.UseCompressor("zstdarrow5")}, "a Collector's best": {grpc.UseCompressor("zstdarrow10")},
	} {
		t.Run(name, func(t *testing.T) {
			rig := startArrow(t, testLimits(), options...)
			for range 3 {
				rig.expectStatus(t, rig.batch(t, 10), arrowpb.StatusCode_OK)
				if got := rig.fake.take(t); got.signal != otlp.Traces || len(got.body) < 2000 {
					t.Errorf("%v: %d bytes", got.signal, len(got.body))
				}
			}
			rig.expectStatus(t, &arrowpb.BatchArrowRecords{BatchId: 77}, arrowpb.StatusCode_OK) // nothing in it
			rig.fake.expectNone(t)
			if err := rig.stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
			if _, err := rig.stream.Recv(); err != io.EOF { //nolint:errorlint // gRPC's bare one
				t.Errorf("after CloseSend: %v", err)
			}
		})
	}
}

// TestOTAPStatuses: what is wrong with one batch is told in its status, and the stream goes on.
func TestOTAPStatuses(t *testing.T) {
	rig := startArrow(t, testLimits())
	for kind, want := range map[fault.Kind]arrowpb.StatusCode{
		fault.Overloaded: arrowpb.StatusCode_UNAVAILABLE, fault.Closed: arrowpb.StatusCode_UNAVAILABLE, fault.Invalid: arrowpb.StatusCode_INVALID_ARGUMENT,
		fault.TooLarge: arrowpb.StatusCode_RESOURCE_EXHAUSTED, fault.Timeout: arrowpb.StatusCode_DEADLINE_EXCEEDED,
		fault.Internal: arrowpb.StatusCode_INTERNAL, fault.Config: arrowpb.StatusCode_INTERNAL, fault.Unsupported: arrowpb.StatusCode_INVALID_ARGUMENT,
	} {
		rig.fake.answerWith(failing(fault.New(kind, "test", "no")))
		rig.expectStatus(t, rig.batch(t, 2), want)
		if got := rig.fake.refused(); len(got) != 1 || got[0] != (refusal{otlp.Traces, kind}) {
			t.Errorf("%v was counted as %v", kind, got)
		}
	}
	rig.fake.answerWith(nil)
	bad := rig.batch(t, 2)
	bad.ArrowPayloads = append(bad.ArrowPayloads, &arrowpb.ArrowPayload{Type: arrowpb.ArrowPayloadType_LOGS, Record: []byte("no Arrow")})
	rig.expectStatus(t, bad, arrowpb.StatusCode_INVALID_ARGUMENT)
	rig.expectStatus(t, rig.batch(t, 2), arrowpb.StatusCode_OK)
}

// TestOTAPStreamsThatCannotGoOn: what was lost with a batch that was too large is needed by the next.
func TestOTAPStreamsThatCannotGoOn(t *testing.T) {
	rig := startArrow(t, Limits{MaxRequestBytes: 64 << 10, MaxInflightBytes: 4 << 20})
	rig.expectStatus(t, rig.batch(t, 2), arrowpb.StatusCode_OK)
	rig.expectStatus(t, rig.batch(t, 600), arrowpb.StatusCode_RESOURCE_EXHAUSTED)
	rig.expectStatus(t, rig.batch(t, 2), arrowpb.StatusCode_UNAVAILABLE)
	rig.expectEnd(t, codes.Unavailable)
}

func TestOTAPMessagesTooLarge(t *testing.T) {
	rig := startArrow(t, Limits{MaxRequestBytes: 2 << 10, MaxInflightBytes: 1 << 20})
	if err := rig.stream.Send(rig.batch(t, 100)); err != nil {
		t.Fatal(err)
	}
	rig.expectEnd(t, codes.ResourceExhausted)
}

func TestOTAPPanicsEndTheStreamOnly(t *testing.T) {
	rig := startArrow(t, testLimits())
	rig.fake.answerWith(func(context.Context) error { panic("test") })
	rig.expectStatus(t, rig.batch(t, 2), arrowpb.StatusCode_INTERNAL)
	rig.expectEnd(t, codes.Internal)
}

// TestOTAPShutdown: a batch in work is answered first, and idle streams don't hold it up.
func TestOTAPShutdown(t *testing.T) {
	for name, busy := range map[string]bool{"idle": false, "busy": true} {
		t.Run(name, func(t *testing.T) {
			rig := startArrow(t, testLimits())
			rig.expectStatus(t, rig.batch(t, 2), arrowpb.StatusCode_OK)
			begun, let := make(chan struct{}), make(chan struct{})
			rig.fake.answerWith(func(ctx context.Context) error {
				close(begun)
				<-let
				return ctx.Err()
			})
			if busy {
				if err := rig.stream.Send(rig.batch(t, 2)); err != nil {
					t.Fatal(err)
				}
				<-begun
			}
			done := make(chan error)
			go func() { done <- rig.Shutdown(context.Background()) }()
			if busy {
				<-rig.draining.Done()
				close(let)
				if got, err := rig.stream.Recv(); err != nil || got.StatusCode != arrowpb.StatusCode_OK {
					t.Errorf("the batch in work: %v, %v", got, err)
				}
			}
			rig.expectEnd(t, codes.Unavailable)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOTAPBesideOTLP: the OTLP port serves both, the Arrow port OTAP alone.
func TestOTAPBesideOTLP(t *testing.T) {
	config := DefaultGRPC()
	config.Endpoint.Endpoint = "127.0.0.1:0"
	plain, arrow := &fake{}, &fake{}
	both := NewGRPC(config, testLimits(), NewAdmission(4<<20), plain, quiet())
	both.AddOTAP(arrow)
	both.refusedCall(otapMethod(otlp.Logs), fault.Unauthenticated)
	if got := arrow.refused(); len(got) != 1 || got[0].signal != otlp.Logs || len(plain.refused()) != 0 {
		t.Errorf("a stream without a key: %v", got)
	}
	if err := both.Listen(); err != nil {
		t.Fatal(err)
	}
	both.Serve()
	defer shutDown(t, both)
	conn, err := grpc.NewClient(both.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	stream, err := arrowpb.NewArrowLogsServiceClient(conn).ArrowLogs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&arrowpb.BatchArrowRecords{BatchId: 3}); err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); err != nil || got.BatchId != 3 {
		t.Errorf("%v, %v", got, err)
	}
	rig := startArrow(t, testLimits())
	err = rig.conn.Invoke(ctx, "/"+otlp.Logs.GRPCService()+"/Export", &arrowpb.BatchStatus{}, &arrowpb.BatchStatus{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("OTLP on the Arrow port: %v", err)
	}
}
