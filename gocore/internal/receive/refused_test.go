package receive

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func (f *fake) expectRefused(t *testing.T, name string, want ...refusal) {
	t.Helper()
	if got := f.refused(); !slices.Equal(got, want) {
		t.Errorf("%s: refused %v, want %v", name, got, want)
	}
}

// TestHTTPCountsRefusals: each request of a signal that is answered with an error is told, once.
func TestHTTPCountsRefusals(t *testing.T) {
	rig := newGuarded(t).withKeys().http(t, nil)
	key := []string{"X-API-Key", "key-1"}
	large := bytes.Repeat([]byte{1}, int(testLimits().MaxRequestBytes)+1)
	rig.fake.answerWith(failing(fault.New(fault.Closed, "", "x")))
	tests := []struct {
		name, path string
		body       []byte
		headers    []string
		want       []refusal
	}{
		{"no key", "/v1/logs", nil, []string{"Content-Type", protobufType}, []refusal{{otlp.Logs, fault.Unauthenticated}}},
		{"no key, no signal", "/v1/x", nil, nil, nil},
		{"no signal", "/v1/x", nil, key, nil},
		{"media type", "/v1/logs", nil, append(key, "Content-Type", "text/plain"), []refusal{{otlp.Logs, fault.Unsupported}}},
		{"coding", "/v1/logs", nil, append(key, "Content-Type", protobufType, "Content-Encoding", "br"), []refusal{{otlp.Logs, fault.Unsupported}}},
		{"too large", "/v1/metrics", large, append(key, "Content-Type", protobufType), []refusal{{otlp.Metrics, fault.TooLarge}}},
		{"no JSON", "/v1/traces", []byte("{"), append(key, "Content-Type", jsonType), []refusal{{otlp.Traces, fault.Invalid}}},
		{"the acceptor's", "/v1/traces", nil, append(key, "Content-Type", protobufType), []refusal{{otlp.Traces, fault.Closed}}},
	}
	for _, tt := range tests {
		rig.do(t, http.MethodPost, tt.path, bytes.NewReader(tt.body), tt.headers...)
		rig.fake.expectRefused(t, tt.name, tt.want...)
	}
	rig.fake.answerWith(nil)
	rig.post(t, nil, key...)
	rig.fake.expectRefused(t, "accepted")
}

func TestGRPCCountsRefusals(t *testing.T) {
	g := newGuarded(t).withKeys()
	rig := g.grpc(t, insecure.NewCredentials())
	large := bytes.Repeat([]byte{1}, int(testLimits().MaxRequestBytes)+1)
	if err := rig.exportWith(t.Context(), otlp.Logs, nil); err == nil {
		t.Error("accepted without a key")
	}
	rig.fake.expectRefused(t, "no key", refusal{otlp.Logs, fault.Unauthenticated})
	expectCode(t, rig.exportWith(t.Context(), otlp.Metrics, large, "x-api-key", "key-1"), codes.ResourceExhausted)
	rig.fake.expectRefused(t, "too large", refusal{otlp.Metrics, fault.TooLarge})
	rig.fake.answerWith(failing(fault.New(fault.Overloaded, "", "x")))
	expectCode(t, rig.exportWith(t.Context(), otlp.Traces, nil, "x-api-key", "key-1"), codes.Unavailable)
	rig.fake.expectRefused(t, "the acceptor's", refusal{otlp.Traces, fault.Overloaded})
	rig.fake.answerWith(nil)
	if err := rig.exportWith(t.Context(), otlp.Traces, nil, "x-api-key", "key-1"); err != nil {
		t.Error(err)
	}
	rig.fake.expectRefused(t, "accepted")
}

func TestGRPCCountsBadCompression(t *testing.T) {
	rig := startGRPC(t, grpc.WithCompressor(wireCompressor{"gzip"})) //nolint:staticcheck // see wireCompressor
	expectCode(t, rig.export(otlp.Logs, []byte("no gzip")), codes.InvalidArgument)
	rig.fake.expectRefused(t, "gzip", refusal{otlp.Logs, fault.Invalid})
}

// TestGRPCSetServing: the health service follows, also what was said before it began.
func TestGRPCSetServing(t *testing.T) {
	rig := startGRPC(t)
	client := healthpb.NewHealthClient(rig.conn)
	for _, serving := range []bool{false, false, true, true, false} {
		rig.SetServing(serving)
		for _, service := range []string{"", otlp.Logs.GRPCService()} {
			answer, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			if err != nil || (answer.GetStatus() == healthpb.HealthCheckResponse_SERVING) != serving {
				t.Errorf("%q: %v, %v; serving: %v", service, answer, err, serving)
			}
		}
	}
	early := NewGRPC(GRPCConfig{Endpoint: Endpoint{Enabled: true, Endpoint: "127.0.0.1:0"}, MaxConcurrentStreams: 1}, testLimits(), NewAdmission(1), &fake{}, quiet())
	early.SetServing(false)
	mustListen(t, early)
	early.Serve()
	defer shutDown(t, early)
	answer, err := early.health.Check(context.Background(), &healthpb.HealthCheckRequest{})
	if got := fmt.Sprint(answer.GetStatus(), err); got != "NOT_SERVING <nil>" {
		t.Error(got)
	}
}
