package node

import (
	"context"
	"testing"
	"time"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestOTAP has batches come in over both ports that take them, into files.
func TestOTAP(t *testing.T) {
	n := start(t, settings(t))
	for _, port := range []string{"arrow", "otlp_grpc"} {
		sendOTAP(t, n.Endpoints()[port])
	}
	items := uint64(0)
	for _, d := range n.doors {
		if d.transport == "otap" {
			items += d.signals[otlp.Traces].items.Load()
		}
	}
	if items != 20 {
		t.Errorf("%d spans came in, want 20", items)
	}
	if all, err := n.Files(context.Background(), otlp.Traces); err != nil || len(all) == 0 {
		t.Errorf("%d files, %v", len(all), err)
	}
}

// sendOTAP sends ten spans, which have to be taken.
func sendOTAP(t *testing.T, address string) {
	t.Helper()
	if got, err := exchangeOTAP(t, address, 20*time.Second); err != nil || got.StatusCode != arrowpb.StatusCode_OK {
		t.Fatalf("%v, %v", got, err)
	}
}

// exchangeOTAP sends ten spans and waits for their status.
func exchangeOTAP(t *testing.T, address string, timeout time.Duration) (*arrowpb.BatchStatus, error) {
	t.Helper()
	data, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body(otlp.Traces))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := arrow_record.NewProducer().BatchArrowRecordsFromTraces(data)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	stream, err := arrowpb.NewArrowTracesServiceClient(conn).ArrowTraces(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(batch); err != nil {
		t.Fatal(err)
	}
	return stream.Recv()
}
