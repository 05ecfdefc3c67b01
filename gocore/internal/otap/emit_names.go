package otap

// What is sent: the numbers of ArrowPayloadType, and AnyValue's kinds in their `type` columns.
const (
	sendResourceAttrs = 1
	sendScopeAttrs    = 2

	sendMetrics          = 10
	sendNumberPoints     = 11
	sendSummaryPoints    = 12
	sendHistogramPoints  = 13
	sendExpPoints        = 14
	sendNumberAttrs      = 15
	sendSummaryAttrs     = 16
	sendHistogramAttrs   = 17
	sendExpAttrs         = 18
	sendNumberExemplars  = 19
	sendHistExemplars    = 20
	sendExpExemplars     = 21
	sendNumberExemplAttr = 22
	sendHistExemplAttr   = 23
	sendExpExemplAttr    = 24
	sendMetricAttrs      = 26

	sendLogs     = 30
	sendLogAttrs = 31

	sendSpans          = 40
	sendSpanAttrs      = 41
	sendSpanEvents     = 42
	sendSpanLinks      = 43
	sendSpanEventAttrs = 44
	sendSpanLinkAttrs  = 45
)

const (
	sentEmpty = iota
	sentStr
	sentInt
	sentDouble
	sentBool
	sentMap
	sentSlice
	sentBytes
	sentKinds
)

// The numbers of metric_type.
const (
	sentGauge     = 1
	sentSum       = 2
	sentHistogram = 3
	sentExp       = 4
	sentSummary   = 5
)
