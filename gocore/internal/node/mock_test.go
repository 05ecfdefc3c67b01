package node

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/script"
)

// startMock is start of a node that follows a script.
func startMock(t *testing.T) (*Node, *script.Script) {
	t.Helper()
	c := settings(t)
	c.Durability = config.Memory
	s := script.New()
	n, err := StartMock(c, slog.New(slog.DiscardHandler), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return n, s
}

func apply(t *testing.T, s *script.Script, text string) {
	t.Helper()
	if err := s.Apply([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// expectHeld waits until a request is in flight, or none.
func expectHeld(t *testing.T, n *Node, want bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); n.admission.Held() > 0 != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a request is in flight: %v", !want)
		}
	}
}

// dial is a connection over gRPC.
func dial(t *testing.T, n *Node) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(n.Endpoints()["otlp_grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestMockCountsEachWayIn(t *testing.T) {
	n, s := startMock(t)
	apply(t, s, `{"rules": [{"do": "refuse", "count": 1}]}`)
	client := ptraceotlp.NewGRPCClient(dial(t, n))
	if _, err := client.Export(t.Context(), ptraceotlp.NewExportRequest()); status.Code(err) != codes.Unavailable {
		t.Errorf("%v, want UNAVAILABLE", err)
	}
	answer, err := http.Post("http://"+n.Endpoints()["otlp_http"]+"/v1/traces", "application/x-protobuf", bytes.NewReader(body(otlp.Traces)))
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK {
		t.Errorf("HTTP: %s", answer.Status)
	}
	sendOTAP(t, n.Endpoints()["arrow"])
	sendOTAP(t, n.Endpoints()["otlp_grpc"])
	seen, err := s.Await(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	for transport, want := range map[string]script.Count{"grpc": {Refused: 1}, "http": {Accepted: 1}, "otap": {Accepted: 2}} {
		if got := seen.Requests["traces"][transport]; got != want {
			t.Errorf("%s: %+v, want %+v", transport, got, want)
		}
	}
}

// TestMockRefusesWithoutATime: then senders are told the receivers' own.
func TestMockRefusesWithoutATime(t *testing.T) {
	n, s := startMock(t)
	apply(t, s, `{"rules": [{"do": "refuse", "count": 1, "retry_after_ms": 0}, {"do": "refuse", "count": 1}]}`)
	_, err := ptraceotlp.NewGRPCClient(dial(t, n)).Export(t.Context(), ptraceotlp.NewExportRequest())
	if details := status.Convert(err).Details(); len(details) != 1 {
		t.Errorf("%v with %v, want a RetryInfo", err, details)
	} else if info, ok := details[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() != time.Second {
		t.Errorf("%v with %v, want a second", err, details)
	}
	answer, err := http.Post("http://"+n.Endpoints()["otlp_http"]+"/v1/traces", "application/x-protobuf", bytes.NewReader(body(otlp.Traces)))
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" {
		t.Errorf("HTTP: %s, come again after %q s, want 1", answer.Status, answer.Header.Get("Retry-After"))
	}
}

// TestMockDelays: a call that is kept waiting holds up no other of its connection, and neither its
// client nor the node's end has to wait for it.
func TestMockDelays(t *testing.T) {
	n, s := startMock(t)
	apply(t, s, `{"rules": [{"do": "accept", "count": 2, "signal": "logs", "delay_ms": 3600000}]}`)
	conn := dial(t, n)
	slow, client := plogotlp.NewGRPCClient(conn), ptraceotlp.NewGRPCClient(conn)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := slow.Export(short, plogotlp.NewExportRequest()); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("%v, want DEADLINE_EXCEEDED", err)
	}
	expectHeld(t, n, false)
	waiting := make(chan error, 1)
	go func() {
		_, err := slow.Export(context.Background(), plogotlp.NewExportRequest())
		waiting <- err
	}()
	expectHeld(t, n, true)
	if _, err := client.Export(t.Context(), ptraceotlp.NewExportRequest()); err != nil {
		t.Error(err)
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-waiting; status.Code(err) != codes.Unavailable {
		t.Errorf("%v, want UNAVAILABLE", err)
	}
}

// TestMockOverOTAP: each fault has its status, and what was given up is not taken.
func TestMockOverOTAP(t *testing.T) {
	n, s := startMock(t)
	apply(t, s, `{"rules": [{"do": "refuse", "count": 1, "message": "later"}, {"do": "fail", "count": 1, "grpc": 16, "http": 401},
		{"do": "reject", "count": 1, "rejected": 3, "message": "three"}, {"do": "accept", "count": 1, "delay_ms": 3600000}]}`)
	for _, want := range []struct {
		code codes.Code
		text string
	}{{codes.Unavailable, "later"}, {codes.Unauthenticated, "told to fail"}, {codes.OK, "3 items rejected: three"}} {
		got, err := exchangeOTAP(t, n.Endpoints()["arrow"], 20*time.Second)
		if err != nil || codes.Code(got.StatusCode) != want.code || got.StatusMessage != want.text {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
	got, err := exchangeOTAP(t, n.Endpoints()["arrow"], 100*time.Millisecond)
	code := status.Code(err)
	if err == nil { // the node saw the end first, and its answer was quick
		code = codes.Code(got.StatusCode)
	}
	if code != codes.DeadlineExceeded {
		t.Errorf("%v, %v, want DEADLINE_EXCEEDED", got, err)
	}
	seen, err := s.Await(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := seen.Requests["traces"]["otap"], (script.Count{Partial: 1, Refused: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	items := uint64(0)
	for _, d := range n.doors {
		items += d.signals[otlp.Traces].items.Load()
	}
	if items != 7 {
		t.Errorf("%d spans were taken, want 7", items)
	}
}
