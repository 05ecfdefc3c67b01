// Package otlp names the parts of the OpenTelemetry Protocol that every stage
// agrees on: the signals and the paths and methods that carry them. It holds
// values only and is safe for concurrent use.
package otlp

import "fmt"

// Signal is one kind of telemetry. It is a value, never a copy of the code:
// what differs between signals lives in tables indexed by it.
type Signal uint8

// The signals in their order on the C ABI.
const (
	Traces Signal = iota
	Metrics
	Logs
	// Count is how many signals there are; tables indexed by Signal have this length.
	Count = 3
)

// Signals lists every signal, for loops.
var Signals = [Count]Signal{Traces, Metrics, Logs}

type names struct{ plural, item, path, service, otap, rejected string }

var table = [Count]names{
	Traces:  {"traces", "span", "/v1/traces", "opentelemetry.proto.collector.trace.v1.TraceService", "ArrowTraces", "rejectedSpans"},
	Metrics: {"metrics", "data point", "/v1/metrics", "opentelemetry.proto.collector.metrics.v1.MetricsService", "ArrowMetrics", "rejectedDataPoints"},
	Logs:    {"logs", "log record", "/v1/logs", "opentelemetry.proto.collector.logs.v1.LogsService", "ArrowLogs", "rejectedLogRecords"},
}

// String is the signal's plural name: "traces", "metrics" or "logs".
func (s Signal) String() string {
	if s < Count {
		return table[s].plural
	}
	return fmt.Sprintf("signal(%d)", uint8(s))
}

// Item is what one row of the signal's table is called.
func (s Signal) Item() string { return table[s].item }

// RejectedKey is the JSON name of partial_success' count of items.
func (s Signal) RejectedKey() string { return table[s].rejected }

// HTTPPath is the path of OTLP/HTTP, such as "/v1/traces".
func (s Signal) HTTPPath() string { return table[s].path }

// GRPCService is the full name of the Export service; its only method is Export.
func (s Signal) GRPCService() string { return table[s].service }

// OTAPService is the full name of the OTAP service and its only method, a stream of batches.
func (s Signal) OTAPService() (service, method string) {
	const prefix = "opentelemetry.proto.experimental.arrow.v1."
	method = table[s].otap
	return prefix + method + "Service", method
}

// ParseSignal reads a plural name.
func ParseSignal(text string) (Signal, error) {
	for _, s := range Signals {
		if text == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown signal %q: want traces, metrics or logs", text)
}
