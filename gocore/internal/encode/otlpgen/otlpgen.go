// Package otlpgen draws OTLP requests of every shape for property tests: nested values,
// repeated keys, empty containers, unknown enum numbers, ill-sized ids and so on. It is
// for tests only. Small pools of keys and resources make repetition likely.
package otlpgen

import (
	"math"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Request draws an Export request of a signal, as TracesData, MetricsData or LogsData,
// which have the same wire form. All strings are valid UTF-8, all ids of
// spans empty or of the right size: a body of it is never refused.
func Request(t *rapid.T, signal otlp.Signal) proto.Message {
	d := draw{t}
	switch signal {
	case otlp.Traces:
		return &trace.TracesData{ResourceSpans: many(d, 3, d.resourceSpans)}
	case otlp.Metrics:
		return &metrics.MetricsData{ResourceMetrics: many(d, 3, d.resourceMetrics)}
	default:
		return &logs.LogsData{ResourceLogs: many(d, 3, d.resourceLogs)}
	}
}

// Value draws an AnyValue, or nil.
func Value(t *rapid.T) *common.AnyValue { return draw{t}.value(3) }

type draw struct{ t *rapid.T }

func pick[T any](d draw, g *rapid.Generator[T]) T { return g.Draw(d.t, "v") }

// chance is true about once in n.
func (d draw) chance(n int) bool { return pick(d, rapid.IntRange(1, n)) == n }

// seldom is a text that is mostly empty, so that neighbours often agree in all but one.
func (d draw) seldom() string {
	if d.chance(6) {
		return pick(d, short)
	}
	return ""
}

func many[T any](d draw, most int, one func() T) []T {
	var all []T
	for range pick(d, rapid.IntRange(0, most)) {
		all = append(all, one())
	}
	return all
}

var (
	word = rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "a\x00", "\x00", "é\u2028😀", "\"q\\\n\t\x7f\x1f</script>", "GET /", "1", "null", "\ufffd"}),
		rapid.Map(rapid.StringN(0, 20, 60), func(s string) string { return strings.ToValidUTF8(s, "?") }),
		rapid.Map(rapid.IntRange(100, 300), func(n int) string { return strings.Repeat("long", n) }),
	)
	key = rapid.OneOf(rapid.SampledFrom([]string{"", "a", "a", "b", "c", "service.name", "service.namespace", "service.instance.id",
		"$", "$bytes", "$double", "$kvlist", "k\x00", "\u00e9"}), word)
	short = rapid.SampledFrom([]string{"", "", "a", "b", "a\x00"})

	double = rapid.OneOf(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, 1e30, 1e21, 1e-7, 0.1, 123456789, math.NaN(),
		math.Float64frombits(0xfff8000000000123), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53}), rapid.Float64())
	integer = rapid.OneOf(rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1<<53 + 1}), rapid.Int64())
	number  = rapid.OneOf(rapid.SampledFrom([]int32{0, 1, 2, 3, 4, 5, 6, 7, 24, -1, math.MaxInt32, math.MinInt32}), rapid.Int32())
	moment  = rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 1700000000000000000, math.MaxInt64, 1 << 63, math.MaxUint64}), rapid.Uint64())
	count32 = rapid.OneOf(rapid.SampledFrom([]uint32{0, 0, 0, 1, math.MaxUint32}), rapid.Uint32())
	count64 = rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 127, 128, math.MaxUint64}), rapid.Uint64())
	octets  = rapid.SliceOfN(rapid.Byte(), 0, 20)
)

func (d draw) value(depth int) *common.AnyValue {
	kinds := 7
	if depth > 0 {
		kinds = 10
	}
	switch pick(d, rapid.IntRange(0, kinds)) {
	case 0:
		return nil
	case 1:
		return &common.AnyValue{}
	case 2:
		return &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: pick(d, rapid.Bool())}}
	case 3:
		return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: pick(d, integer)}}
	case 4:
		return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: pick(d, double)}}
	case 5:
		return &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: pick(d, octets)}}
	case 8, 9:
		return d.array(depth)
	case 10:
		list := &common.KeyValueList{Values: d.attributes(depth - 1)}
		return &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: list}}
	}
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: pick(d, word)}}
}

func (d draw) array(depth int) *common.AnyValue {
	values := many(d, 4, func() *common.AnyValue {
		if v := d.value(depth - 1); v != nil {
			return v
		}
		return &common.AnyValue{} // an element cannot be absent
	})
	return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: values}}}
}

func (d draw) attributes(depth int) []*common.KeyValue {
	return many(d, 5, func() *common.KeyValue {
		return &common.KeyValue{Key: pick(d, key), Value: d.value(depth)}
	})
}

// few is a resource's or scope's attributes: often equal to the neighbour's.
func (d draw) few() []*common.KeyValue {
	switch pick(d, rapid.IntRange(0, 4)) {
	case 0, 1:
		return nil
	case 2:
		zero := math.Copysign(0, float64(pick(d, rapid.SampledFrom([]int{1, -1}))))
		return []*common.KeyValue{{Key: "a", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: zero}}}}
	case 3:
		return []*common.KeyValue{{Key: "a"}, {Key: "b"}, {Key: "a", Value: &common.AnyValue{}}}[pick(d, rapid.IntRange(0, 1)):]
	}
	return d.attributes(2)
}

func (d draw) resource() *resource.Resource {
	switch pick(d, rapid.IntRange(0, 3)) {
	case 0:
		return nil
	case 1:
		return &resource.Resource{}
	}
	r := &resource.Resource{Attributes: d.few()}
	if d.chance(4) {
		r.DroppedAttributesCount = pick(d, count32)
	}
	if d.chance(3) {
		r.EntityRefs = many(d, 2, d.entity)
	}
	return r
}

func (d draw) entity() *common.EntityRef {
	word := func() string { return pick(d, short) }
	return &common.EntityRef{SchemaUrl: word(), Type: word(), IdKeys: many(d, 2, word), DescriptionKeys: many(d, 2, word)}
}

func (d draw) scope() *common.InstrumentationScope {
	switch pick(d, rapid.IntRange(0, 3)) {
	case 0:
		return nil
	case 1:
		return &common.InstrumentationScope{}
	}
	s := &common.InstrumentationScope{Name: d.seldom(), Version: d.seldom(), Attributes: d.few()}
	if d.chance(4) {
		s.DroppedAttributesCount = pick(d, count32)
	}
	return s
}

// id is empty or of the right size, or ill-sized where that is let through.
func (d draw) id(size int, illSized bool) []byte {
	switch pick(d, rapid.IntRange(0, 5)) {
	case 0:
		return nil
	case 1:
		return make([]byte, size)
	case 2:
		if illSized {
			return pick(d, octets)
		}
	}
	return pick(d, rapid.SliceOfN(rapid.Byte(), size, size))
}

func (d draw) resourceSpans() *trace.ResourceSpans {
	return &trace.ResourceSpans{Resource: d.resource(), SchemaUrl: d.seldom(), ScopeSpans: many(d, 3, func() *trace.ScopeSpans {
		return &trace.ScopeSpans{Scope: d.scope(), SchemaUrl: d.seldom(), Spans: many(d, 3, d.span)}
	})}
}

func (d draw) span() *trace.Span {
	if d.chance(10) {
		return &trace.Span{}
	}
	s := &trace.Span{
		TraceId: d.id(16, false), SpanId: d.id(8, false), ParentSpanId: d.id(8, false),
		TraceState: pick(d, word), Flags: pick(d, count32), Name: pick(d, word), Kind: trace.Span_SpanKind(pick(d, number)),
		StartTimeUnixNano: pick(d, moment), EndTimeUnixNano: pick(d, moment),
		Attributes: d.attributes(3), DroppedAttributesCount: pick(d, count32),
		Events: many(d, 3, d.event), DroppedEventsCount: pick(d, count32),
		Links: many(d, 3, d.link), DroppedLinksCount: pick(d, count32),
	}
	if d.chance(2) {
		s.Status = &trace.Status{Code: trace.Status_StatusCode(pick(d, number)), Message: pick(d, word)}
	}
	if d.chance(6) {
		s.Status = &trace.Status{}
	}
	return s
}

func (d draw) event() *trace.Span_Event {
	return &trace.Span_Event{TimeUnixNano: pick(d, moment), Name: pick(d, word), Attributes: d.attributes(2),
		DroppedAttributesCount: pick(d, count32)}
}

func (d draw) link() *trace.Span_Link {
	return &trace.Span_Link{TraceId: d.id(16, true), SpanId: d.id(8, true), TraceState: pick(d, short), Attributes: d.attributes(2),
		DroppedAttributesCount: pick(d, count32), Flags: pick(d, count32)}
}

func (d draw) resourceLogs() *logs.ResourceLogs {
	return &logs.ResourceLogs{Resource: d.resource(), SchemaUrl: d.seldom(), ScopeLogs: many(d, 3, func() *logs.ScopeLogs {
		return &logs.ScopeLogs{Scope: d.scope(), SchemaUrl: d.seldom(), LogRecords: many(d, 4, d.record)}
	})}
}

func (d draw) record() *logs.LogRecord {
	if d.chance(10) {
		return &logs.LogRecord{}
	}
	return &logs.LogRecord{
		TimeUnixNano: pick(d, moment), ObservedTimeUnixNano: pick(d, moment),
		SeverityNumber: logs.SeverityNumber(pick(d, number)), SeverityText: pick(d, short), Body: d.value(4),
		Attributes: d.attributes(3), DroppedAttributesCount: pick(d, count32), Flags: pick(d, count32),
		TraceId: d.id(16, true), SpanId: d.id(8, true), EventName: pick(d, word),
	}
}

func (d draw) resourceMetrics() *metrics.ResourceMetrics {
	return &metrics.ResourceMetrics{Resource: d.resource(), SchemaUrl: d.seldom(), ScopeMetrics: many(d, 3, func() *metrics.ScopeMetrics {
		return &metrics.ScopeMetrics{Scope: d.scope(), SchemaUrl: d.seldom(), Metrics: many(d, 4, d.metric)}
	})}
}

func (d draw) metric() *metrics.Metric {
	m := &metrics.Metric{Name: d.seldom(), Description: d.seldom(), Unit: d.seldom()}
	if d.chance(2) {
		m.Metadata = d.few()
	}
	temporality := func() metrics.AggregationTemporality {
		if d.chance(5) {
			return metrics.AggregationTemporality(pick(d, number))
		}
		return metrics.AggregationTemporality(pick(d, rapid.Int32Range(0, 2)))
	}
	switch pick(d, rapid.IntRange(0, 5)) {
	case 0:
		m.Data = &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: many(d, 3, d.number)}}
	case 1:
		m.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{DataPoints: many(d, 3, d.number), AggregationTemporality: temporality(),
			IsMonotonic: pick(d, rapid.Bool())}}
	case 2:
		m.Data = &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: many(d, 3, d.histogram),
			AggregationTemporality: temporality()}}
	case 3:
		m.Data = &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{
			DataPoints: many(d, 3, d.exponential), AggregationTemporality: temporality()}}
	case 4:
		m.Data = &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: many(d, 3, d.summary)}}
	}
	return m
}

func (d draw) optional() *float64 {
	if d.chance(3) {
		return nil
	}
	v := pick(d, double)
	return &v
}

func (d draw) counts() []uint64 { return many(d, 5, func() uint64 { return pick(d, count64) }) }

func (d draw) number() *metrics.NumberDataPoint {
	p := &metrics.NumberDataPoint{Attributes: d.attributes(2), StartTimeUnixNano: pick(d, moment), TimeUnixNano: pick(d, moment),
		Exemplars: many(d, 2, d.exemplar), Flags: pick(d, count32)}
	switch pick(d, rapid.IntRange(0, 4)) {
	case 0:
	case 1, 2:
		p.Value = &metrics.NumberDataPoint_AsInt{AsInt: pick(d, integer)}
	default:
		p.Value = &metrics.NumberDataPoint_AsDouble{AsDouble: pick(d, double)}
	}
	return p
}

func (d draw) histogram() *metrics.HistogramDataPoint {
	return &metrics.HistogramDataPoint{Attributes: d.attributes(2), StartTimeUnixNano: pick(d, moment), TimeUnixNano: pick(d, moment),
		Count: pick(d, count64), Sum: d.optional(), BucketCounts: d.counts(),
		ExplicitBounds: many(d, 4, func() float64 { return pick(d, double) }), Exemplars: many(d, 2, d.exemplar),
		Flags: pick(d, count32), Min: d.optional(), Max: d.optional()}
}

func (d draw) buckets() *metrics.ExponentialHistogramDataPoint_Buckets {
	switch pick(d, rapid.IntRange(0, 3)) {
	case 0:
		return nil
	case 1:
		return &metrics.ExponentialHistogramDataPoint_Buckets{}
	}
	return &metrics.ExponentialHistogramDataPoint_Buckets{Offset: pick(d, number), BucketCounts: d.counts()}
}

func (d draw) exponential() *metrics.ExponentialHistogramDataPoint {
	return &metrics.ExponentialHistogramDataPoint{Attributes: d.attributes(2), StartTimeUnixNano: pick(d, moment),
		TimeUnixNano: pick(d, moment), Count: pick(d, count64), Sum: d.optional(), Scale: pick(d, number), ZeroCount: pick(d, count64),
		Positive: d.buckets(), Negative: d.buckets(), Flags: pick(d, count32), Exemplars: many(d, 2, d.exemplar), Min: d.optional(),
		Max: d.optional(), ZeroThreshold: pick(d, double)}
}

func (d draw) summary() *metrics.SummaryDataPoint {
	return &metrics.SummaryDataPoint{Attributes: d.attributes(2), StartTimeUnixNano: pick(d, moment), TimeUnixNano: pick(d, moment),
		Count: pick(d, count64), Sum: pick(d, double), Flags: pick(d, count32),
		QuantileValues: many(d, 3, func() *metrics.SummaryDataPoint_ValueAtQuantile {
			return &metrics.SummaryDataPoint_ValueAtQuantile{Quantile: pick(d, double), Value: pick(d, double)}
		})}
}

func (d draw) exemplar() *metrics.Exemplar {
	e := &metrics.Exemplar{FilteredAttributes: d.attributes(2), TimeUnixNano: pick(d, moment), SpanId: d.id(8, true), TraceId: d.id(16, true)}
	switch pick(d, rapid.IntRange(0, 3)) {
	case 0:
	case 1:
		e.Value = &metrics.Exemplar_AsInt{AsInt: pick(d, integer)}
	default:
		e.Value = &metrics.Exemplar_AsDouble{AsDouble: pick(d, double)}
	}
	return e
}
