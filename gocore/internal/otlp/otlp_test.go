package otlp

import (
	"strings"
	"testing"
)

// TestNames fixes what stands on the wire and in users' files.
func TestNames(t *testing.T) {
	tests := []struct {
		signal                      Signal
		number                      uint8
		plural, item, path, service string
		rejected                    string
	}{
		{Traces, 0, "traces", "span", "/v1/traces", "opentelemetry.proto.collector.trace.v1.TraceService", "rejectedSpans"},
		{Metrics, 1, "metrics", "data point", "/v1/metrics", "opentelemetry.proto.collector.metrics.v1.MetricsService", "rejectedDataPoints"},
		{Logs, 2, "logs", "log record", "/v1/logs", "opentelemetry.proto.collector.logs.v1.LogsService", "rejectedLogRecords"},
	}
	if len(tests) != Count || len(Signals) != Count {
		t.Fatalf("%d signals are tested and %d listed, want %d", len(tests), len(Signals), Count)
	}
	for i, tt := range tests {
		t.Run(tt.plural, func(t *testing.T) {
			s := tt.signal
			if Signals[i] != s || uint8(s) != tt.number {
				t.Errorf("signal %d is %d at place %d", tt.number, s, i)
			}
			if s.String() != tt.plural || s.Item() != tt.item || s.HTTPPath() != tt.path || s.GRPCService() != tt.service {
				t.Errorf("got %q %q %q %q", s, s.Item(), s.HTTPPath(), s.GRPCService())
			}
			if s.RejectedKey() != tt.rejected {
				t.Errorf("RejectedKey is %q", s.RejectedKey())
			}
			if back, err := ParseSignal(tt.plural); err != nil || back != s {
				t.Errorf("ParseSignal(%q) = %v, %v", tt.plural, back, err)
			}
		})
	}
}

func TestUnknownSignal(t *testing.T) {
	for _, text := range []string{"", "trace", "Traces", "signal(0)"} {
		if _, err := ParseSignal(text); err == nil || !strings.Contains(err.Error(), "traces, metrics or logs") {
			t.Errorf("ParseSignal(%q) = %v, want an error that names the signals", text, err)
		}
	}
	for _, s := range []Signal{Count, 255} {
		if got := s.String(); !strings.HasPrefix(got, "signal(") {
			t.Errorf("String of an unknown signal is %q", got)
		}
	}
}
