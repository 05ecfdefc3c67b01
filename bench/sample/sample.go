// Package sample makes realistic OTLP requests for tests and benchmarks: HTTP server
// spans, log lines and the usual kinds of metrics of twenty services. The same seed gives
// the same requests.
package sample

import (
	"fmt"
	"math/rand"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Maker makes requests, as TracesData, LogsData and MetricsData: on the wire they are the
// Export requests. Start is the first item's time in nanoseconds since 1970.
type Maker struct {
	Start uint64
	r     *rand.Rand
}

// New makes a Maker.
func New(seed int64, start uint64) *Maker {
	return &Maker{Start: start, r: rand.New(rand.NewSource(seed))} //nolint:gosec // repeatable on purpose
}

// Body is an encoded request of n items of the signal "traces", "metrics" or "logs".
func (m *Maker) Body(signal string, n int) []byte {
	var message proto.Message
	switch signal {
	case "traces":
		message = m.Traces(n)
	case "metrics":
		message = m.Metrics(n)
	default:
		message = m.Logs(n)
	}
	body, err := proto.Marshal(message)
	if err != nil {
		panic(err) // only for invalid UTF-8, which is not made here
	}
	return body
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func (m *Maker) resource() *resourcepb.Resource {
	service := m.r.Intn(20)
	name := fmt.Sprintf("service-%d", service)
	return &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
		text("service.name", name), text("service.namespace", "shop"),
		text("service.version", fmt.Sprintf("2.%d.1", service%5)),
		text("service.instance.id", fmt.Sprintf("%s-%d", name, m.r.Intn(4))),
		text("host.name", m.host()), text("telemetry.sdk.name", "opentelemetry"),
		text("telemetry.sdk.language", "python"), text("deployment.environment.name", "production"),
	}}
}

func (m *Maker) host() string { return fmt.Sprintf("node-%d.internal", m.r.Intn(50)) }

func (m *Maker) attributes() []*commonpb.KeyValue {
	route := fmt.Sprintf("/api/v2/orders/%d", m.r.Intn(200))
	methods, statuses := []string{"GET", "POST", "PUT", "DELETE"}, []int64{200, 200, 200, 204, 404, 500}
	return []*commonpb.KeyValue{
		text("http.request.method", methods[m.r.Intn(4)]), text("http.route", route),
		text("url.path", fmt.Sprintf("%s/%d", route, m.r.Intn(100000))),
		number("http.response.status_code", statuses[m.r.Intn(6)]),
		text("server.address", m.host()), number("server.port", 8080),
		text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
		text("enduser.id", fmt.Sprintf("user-%d", m.r.Intn(5000))),
		number("http.request.body.size", int64(m.r.Intn(65536))), text("network.protocol.version", "1.1"),
	}
}

func (m *Maker) id(n int) []byte {
	b := make([]byte, n)
	m.r.Read(b)
	return b
}

// Traces is a request of n spans, eight to a trace.
func (m *Maker) Traces(n int) *tracepb.TracesData {
	spans := make([]*tracepb.Span, n)
	var trace []byte
	for i := range spans {
		if i%8 == 0 {
			trace = m.id(16)
		}
		spans[i] = m.span(trace, m.Start+uint64(i)*1000)
	}
	scope := &commonpb.InstrumentationScope{Name: "opentelemetry.instrumentation.flask", Version: "0.61b0"}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: m.resource(), ScopeSpans: []*tracepb.ScopeSpans{{Scope: scope, Spans: spans}},
	}}}
}

func (m *Maker) span(trace []byte, start uint64) *tracepb.Span {
	span := &tracepb.Span{
		TraceId: trace, SpanId: m.id(8), ParentSpanId: m.id(8), Flags: 0x101,
		Name: fmt.Sprintf("GET /api/v2/orders/%d", m.r.Intn(200)), Kind: tracepb.Span_SpanKind(1 + m.r.Intn(5)),
		StartTimeUnixNano: start, EndTimeUnixNano: start + uint64(m.r.Intn(50e6)), Attributes: m.attributes(),
	}
	if m.r.Intn(10) == 0 {
		span.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "upstream timed out"}
	}
	if m.r.Intn(5) == 0 {
		span.Events = []*tracepb.Span_Event{{TimeUnixNano: start + 10, Name: "exception", Attributes: []*commonpb.KeyValue{
			text("exception.type", "TimeoutError"), text("exception.message", "no answer after 50 ms")}}}
	}
	if m.r.Intn(20) == 0 {
		span.Links = []*tracepb.Span_Link{{TraceId: trace, SpanId: m.id(8), Attributes: []*commonpb.KeyValue{text("link.kind", "follows_from")}}}
	}
	return span
}

// Logs is a request of n log records.
func (m *Maker) Logs(n int) *logspb.LogsData {
	records := make([]*logspb.LogRecord, n)
	for i := range records {
		at := m.Start + uint64(i)*1000
		line := fmt.Sprintf("order %d of user-%d took %d ms", m.r.Intn(1e6), m.r.Intn(5000), m.r.Intn(500))
		records[i] = &logspb.LogRecord{
			TimeUnixNano: at, ObservedTimeUnixNano: at + 5000, SeverityNumber: logspb.SeverityNumber(9 + m.r.Intn(9)),
			SeverityText: "INFO", Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: line}},
			TraceId: m.id(16), SpanId: m.id(8), Flags: 1, Attributes: m.attributes()[:5],
		}
	}
	return &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource:  m.resource(),
		ScopeLogs: []*logspb.ScopeLogs{{Scope: &commonpb.InstrumentationScope{Name: "shop.orders"}, LogRecords: records}},
	}}}
}

// Metrics is a request of n data points: gauges, sums and histograms in turn, ten points each.
func (m *Maker) Metrics(n int) *metricspb.MetricsData {
	var all []*metricspb.Metric
	for i, left := 0, n; left > 0; i, left = i+1, left-10 {
		all = append(all, m.metric(i, min(left, 10)))
	}
	return &metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource:     m.resource(),
		ScopeMetrics: []*metricspb.ScopeMetrics{{Scope: &commonpb.InstrumentationScope{Name: "shop.metrics"}, Metrics: all}},
	}}}
}

func (m *Maker) metric(i, points int) *metricspb.Metric {
	const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	switch i % 3 {
	case 0:
		return &metricspb.Metric{Name: fmt.Sprintf("system.cpu.utilization.%d", i), Unit: "1",
			Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: m.numbers(points, false)}}}
	case 1:
		return &metricspb.Metric{Name: fmt.Sprintf("http.server.request.count.%d", i), Unit: "{request}",
			Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{DataPoints: m.numbers(points, true), AggregationTemporality: cumulative, IsMonotonic: true}}}
	default:
		return &metricspb.Metric{Name: fmt.Sprintf("http.server.request.duration.%d", i), Unit: "ms",
			Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{DataPoints: m.histograms(points), AggregationTemporality: cumulative}}}
	}
}

func (m *Maker) numbers(n int, whole bool) []*metricspb.NumberDataPoint {
	points := make([]*metricspb.NumberDataPoint, n)
	for i := range points {
		points[i] = &metricspb.NumberDataPoint{StartTimeUnixNano: m.Start, TimeUnixNano: m.Start + 1e10, Attributes: m.attributes()[:4]}
		if whole {
			points[i].Value = &metricspb.NumberDataPoint_AsInt{AsInt: m.r.Int63n(1e9)}
		} else {
			points[i].Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: m.r.Float64()}
		}
	}
	return points
}

func (m *Maker) histograms(n int) []*metricspb.HistogramDataPoint {
	points := make([]*metricspb.HistogramDataPoint, n)
	for i := range points {
		sum := m.r.Float64() * 100
		points[i] = &metricspb.HistogramDataPoint{
			StartTimeUnixNano: m.Start, TimeUnixNano: m.Start + 1e10, Attributes: m.attributes()[:4], Count: 66, Sum: &sum,
			ExplicitBounds: []float64{5, 10, 25, 50, 75, 100, 250, 500, 750, 1000},
			BucketCounts:   []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
		}
	}
	return points
}
