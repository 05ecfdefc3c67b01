package receive

import (
	"context"
	"strings"
	"testing"
	"time"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

var twoRejected = failing(&fault.PartialError{Rejected: 2, Message: "too old\xff"})

func TestGRPCPartialSuccess(t *testing.T) {
	rig := startGRPC(t)
	rig.fake.answerWith(twoRejected)
	body, reply := []byte("abc"), []byte(nil)
	if err := rig.conn.Invoke(t.Context(), "/"+otlp.Traces.GRPCService()+"/Export", &body, &reply, grpc.ForceCodecV2(wireCodec{})); err != nil {
		t.Fatal(err)
	}
	told := ptraceotlp.NewExportResponse()
	if err := told.UnmarshalProto(reply); err != nil {
		t.Fatal(err)
	}
	if p := told.PartialSuccess(); p.RejectedSpans() != 2 || p.ErrorMessage() != "too old\uFFFD" {
		t.Errorf("%d, %q", p.RejectedSpans(), p.ErrorMessage())
	}
	if got := rig.fake.refused(); len(got) != 0 {
		t.Errorf("it counts as refused: %v", got)
	}
}

func TestHTTPPartialSuccess(t *testing.T) {
	rig := startHTTP(t)
	rig.fake.answerWith(twoRejected)
	got := rig.do(t, "POST", otlp.Logs.HTTPPath(), strings.NewReader("abc"), "Content-Type", protobufType)
	told := plogotlp.NewExportResponse()
	if err := told.UnmarshalProto([]byte(got.body)); got.code != 200 || err != nil {
		t.Fatalf("%d, %v", got.code, err)
	}
	if p := told.PartialSuccess(); p.RejectedLogRecords() != 2 || p.ErrorMessage() != "too old\uFFFD" {
		t.Errorf("%d, %q", p.RejectedLogRecords(), p.ErrorMessage())
	}
	for signal, want := range map[otlp.Signal]string{
		otlp.Traces:  `{"partialSuccess":{"errorMessage":"too old` + "\uFFFD" + `","rejectedSpans":"2"}}`,
		otlp.Metrics: `{"partialSuccess":{"errorMessage":"too old` + "\uFFFD" + `","rejectedDataPoints":"2"}}`,
	} {
		if got := rig.do(t, "POST", signal.HTTPPath(), strings.NewReader("{}"), "Content-Type", jsonType); got.code != 200 || got.body != want {
			t.Errorf("%v: %d %s", signal, got.code, got.body)
		}
	}
	if got := rig.fake.refused(); len(got) != 0 {
		t.Errorf("they count as refused: %v", got)
	}
}

func TestOTAPPartialSuccess(t *testing.T) {
	rig := startArrow(t, testLimits())
	rig.fake.answerWith(twoRejected)
	batch := rig.batch(t, 10)
	if err := rig.stream.Send(batch); err != nil {
		t.Fatal(err)
	}
	got, err := rig.stream.Recv()
	if err != nil || got.StatusCode != arrowpb.StatusCode_OK || got.StatusMessage != "2 items rejected: too old\uFFFD" {
		t.Errorf("%v, %v", got, err)
	}
	if got := rig.fake.refused(); len(got) != 0 {
		t.Errorf("it counts as refused: %v", got)
	}
}

// TestAnswersOfTheirOwn: an error that says its codes is answered with these, and asks for no retry.
func TestAnswersOfTheirOwn(t *testing.T) {
	own := fault.New(fault.Internal, "", "no")
	own.Answer = &fault.Answer{GRPC: codes.Unavailable, HTTP: 503}
	overloaded := fault.New(fault.Overloaded, "", "later")
	overloaded.RetryAfter = 1500 * time.Millisecond

	web := startHTTP(t)
	web.fake.answerWith(failing(own))
	if got := web.post(t, nil); got.code != 503 || got.header.Get("Retry-After") != "" {
		t.Errorf("HTTP: %d, Retry-After %q", got.code, got.header.Get("Retry-After"))
	}
	web.fake.answerWith(failing(overloaded))
	if got := web.post(t, nil); got.code != 503 || got.header.Get("Retry-After") != "2" {
		t.Errorf("HTTP: %d, Retry-After %q", got.code, got.header.Get("Retry-After"))
	}

	rpc := startGRPC(t)
	own.Answer = &fault.Answer{GRPC: codes.DataLoss, HTTP: 418}
	rpc.fake.answerWith(failing(own))
	expectCode(t, rpc.export(otlp.Traces, nil), codes.DataLoss)

	arrow := startArrow(t, testLimits())
	own.Answer = &fault.Answer{GRPC: codes.Unimplemented, HTTP: 404}
	arrow.fake.answerWith(failing(own))
	arrow.expectStatus(t, arrow.batch(t, 1), arrowpb.StatusCode(codes.Unimplemented))
	arrow.fake.answerWith(func(context.Context) error { return overloaded })
	arrow.expectStatus(t, arrow.batch(t, 1), arrowpb.StatusCode_UNAVAILABLE)
}
