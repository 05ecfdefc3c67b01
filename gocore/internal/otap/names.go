package otap

import "github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"

// PayloadType says which table a payload holds. The numbers are arrow_service.proto's.
type PayloadType uint32

// The tables. Attributes of a table's rows stand in a table of their own.
const (
	ResourceAttrs           PayloadType = 1
	ScopeAttrs              PayloadType = 2
	UnivariateMetrics       PayloadType = 10
	NumberPoints            PayloadType = 11
	SummaryPoints           PayloadType = 12
	HistogramPoints         PayloadType = 13
	ExpHistogramPoints      PayloadType = 14
	NumberAttrs             PayloadType = 15
	SummaryAttrs            PayloadType = 16
	HistogramAttrs          PayloadType = 17
	ExpHistogramAttrs       PayloadType = 18
	NumberExemplars         PayloadType = 19
	HistogramExemplars      PayloadType = 20
	ExpHistogramExemplars   PayloadType = 21
	NumberExemplarAttrs     PayloadType = 22
	HistogramExemplarAttrs  PayloadType = 23
	ExpHistogramExemplAttrs PayloadType = 24
	MetricAttrs             PayloadType = 26
	Logs                    PayloadType = 30
	LogAttrs                PayloadType = 31
	Spans                   PayloadType = 40
	SpanAttrs               PayloadType = 41
	SpanEvents              PayloadType = 42
	SpanLinks               PayloadType = 43
	EventAttrs              PayloadType = 44
	LinkAttrs               PayloadType = 45

	payloadTypes = 46 // one above the highest
)

var payloadNames = [payloadTypes]string{
	ResourceAttrs: "RESOURCE_ATTRS", ScopeAttrs: "SCOPE_ATTRS", UnivariateMetrics: "UNIVARIATE_METRICS",
	NumberPoints: "NUMBER_DATA_POINTS", SummaryPoints: "SUMMARY_DATA_POINTS", HistogramPoints: "HISTOGRAM_DATA_POINTS",
	ExpHistogramPoints: "EXP_HISTOGRAM_DATA_POINTS", NumberAttrs: "NUMBER_DP_ATTRS", SummaryAttrs: "SUMMARY_DP_ATTRS",
	HistogramAttrs: "HISTOGRAM_DP_ATTRS", ExpHistogramAttrs: "EXP_HISTOGRAM_DP_ATTRS", NumberExemplars: "NUMBER_DP_EXEMPLARS",
	HistogramExemplars: "HISTOGRAM_DP_EXEMPLARS", ExpHistogramExemplars: "EXP_HISTOGRAM_DP_EXEMPLARS",
	NumberExemplarAttrs: "NUMBER_DP_EXEMPLAR_ATTRS", HistogramExemplarAttrs: "HISTOGRAM_DP_EXEMPLAR_ATTRS",
	ExpHistogramExemplAttrs: "EXP_HISTOGRAM_DP_EXEMPLAR_ATTRS", MetricAttrs: "METRIC_ATTRS", Logs: "LOGS", LogAttrs: "LOG_ATTRS",
	Spans: "SPANS", SpanAttrs: "SPAN_ATTRS", SpanEvents: "SPAN_EVENTS", SpanLinks: "SPAN_LINKS",
	EventAttrs: "SPAN_EVENT_ATTRS", LinkAttrs: "SPAN_LINK_ATTRS",
}

// String is the name in arrow_service.proto; "" for a type that is not known.
func (p PayloadType) String() string {
	if p < payloadTypes {
		return payloadNames[p]
	}
	return ""
}

// of tells whether a signal's batches may have this table.
func (p PayloadType) of(signal otlp.Signal) bool {
	switch {
	case p.String() == "":
		return false
	case p == ResourceAttrs, p == ScopeAttrs:
		return true
	case signal == otlp.Traces:
		return p >= Spans
	case signal == otlp.Logs:
		return p == Logs || p == LogAttrs
	}
	return p >= UnivariateMetrics && p <= MetricAttrs
}

// The kinds of an attribute's or a body's value, and with them the column that holds it.
const (
	kindEmpty  = 0
	kindStr    = 1
	kindInt    = 2
	kindDouble = 3
	kindBool   = 4
	kindMap    = 5 // CBOR in "ser"
	kindSlice  = 6 // CBOR in "ser"
	kindBytes  = 7
)

// The kinds of a metric, in column metric_type.
const (
	metricEmpty        = 0
	metricGauge        = 1
	metricSum          = 2
	metricHistogram    = 3
	metricExpHistogram = 4
	metricSummary      = 5
)

// How an id column is encoded, as its field's metadata says under encodingKey. A column that
// says nothing has its default encoding, never plain: the Go producer writes no metadata.
const (
	encodingKey   = "encoding"
	encodingPlain = "plain"
	encodingDelta = "delta"
	encodingQuasi = "quasidelta"
)
