package otlpjson

import "github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"

// kind is how a field's JSON value is read and how its bytes look on the wire.
type kind uint8

const (
	kindString kind = iota
	kindBytes
	kindTraceID // hex, 16 bytes
	kindSpanID  // hex, 8 bytes
	// kindAnyID is hex of any length: a wrong length in a log record, a link or an
	// exemplar costs only that id, so the decoder has to see it.
	kindAnyID
	kindMessage
	kindBool
	kindEnum
	kindInt32
	kindInt64
	kindUint32
	kindUint64
	kindSint32
	kindFixed32
	kindFixed64
	kindSfixed64
	kindDouble
)

// label is a field's cardinality and presence.
type label uint8

const (
	single   label = iota // zero equals absent
	optional              // zero is kept
	oneof                 // zero is kept, and excludes the message's other oneof fields
	list                  // messages and strings one by one, numbers packed
)

// field is one row of a message's table. of is the messageID of a message, the enumID
// of an enum.
type field struct {
	name   string
	number uint8
	kind   kind
	label  label
	of     uint8
}

// Messages and enums refer to each other by number, since Go refuses tables that point
// in circles, as AnyValue does.
type (
	messageID = uint8
	enumID    = uint8
)

const (
	tracesID messageID = iota
	metricsID
	logsID
	resourceSpansID
	resourceMetricsID
	resourceLogsID
	scopeSpansID
	scopeMetricsID
	scopeLogsID
	resourceID
	scopeID
	entityRefID
	keyValueID
	anyValueID
	arrayValueID
	keyValueListID
	spanID
	eventID
	linkID
	statusID
	metricID
	gaugeID
	sumID
	histogramID
	exponentialHistogramID
	summaryID
	numberDataPointID
	histogramDataPointID
	exponentialHistogramDataPointID
	bucketsID
	summaryDataPointID
	valueAtQuantileID
	exemplarID
	logRecordID
	messageCount
)

const (
	spanKindID enumID = iota
	statusCodeID
	temporalityID
	severityID
)

// roots are the Export requests.
var roots = [otlp.Count]messageID{otlp.Traces: tracesID, otlp.Metrics: metricsID, otlp.Logs: logsID}

// messages holds every message of OTLP 1.11, rows in the order in which the SDKs write
// them. No message has more than 32 fields or two oneofs.
var messages = [messageCount][]field{
	tracesID:  {{"resourceSpans", 1, kindMessage, list, resourceSpansID}},
	metricsID: {{"resourceMetrics", 1, kindMessage, list, resourceMetricsID}},
	logsID:    {{"resourceLogs", 1, kindMessage, list, resourceLogsID}},
	resourceSpansID: {
		{"resource", 1, kindMessage, single, resourceID},
		{"scopeSpans", 2, kindMessage, list, scopeSpansID},
		{"schemaUrl", 3, kindString, single, 0},
	},
	resourceMetricsID: {
		{"resource", 1, kindMessage, single, resourceID},
		{"scopeMetrics", 2, kindMessage, list, scopeMetricsID},
		{"schemaUrl", 3, kindString, single, 0},
	},
	resourceLogsID: {
		{"resource", 1, kindMessage, single, resourceID},
		{"scopeLogs", 2, kindMessage, list, scopeLogsID},
		{"schemaUrl", 3, kindString, single, 0},
	},
	scopeSpansID: {
		{"scope", 1, kindMessage, single, scopeID},
		{"spans", 2, kindMessage, list, spanID},
		{"schemaUrl", 3, kindString, single, 0},
	},
	scopeMetricsID: {
		{"scope", 1, kindMessage, single, scopeID},
		{"metrics", 2, kindMessage, list, metricID},
		{"schemaUrl", 3, kindString, single, 0},
	},
	scopeLogsID: {
		{"scope", 1, kindMessage, single, scopeID},
		{"logRecords", 2, kindMessage, list, logRecordID},
		{"schemaUrl", 3, kindString, single, 0},
	},
	resourceID: {
		{"attributes", 1, kindMessage, list, keyValueID},
		{"droppedAttributesCount", 2, kindUint32, single, 0},
		{"entityRefs", 3, kindMessage, list, entityRefID},
	},
	scopeID: {
		{"name", 1, kindString, single, 0},
		{"version", 2, kindString, single, 0},
		{"attributes", 3, kindMessage, list, keyValueID},
		{"droppedAttributesCount", 4, kindUint32, single, 0},
	},
	entityRefID: {
		{"schemaUrl", 1, kindString, single, 0},
		{"type", 2, kindString, single, 0},
		{"idKeys", 3, kindString, list, 0},
		{"descriptionKeys", 4, kindString, list, 0},
	},
	keyValueID: {
		{"key", 1, kindString, single, 0},
		{"value", 2, kindMessage, single, anyValueID},
		{"keyStrindex", 3, kindInt32, single, 0},
	},
	anyValueID: {
		{"stringValue", 1, kindString, oneof, 0},
		{"boolValue", 2, kindBool, oneof, 0},
		{"intValue", 3, kindInt64, oneof, 0},
		{"doubleValue", 4, kindDouble, oneof, 0},
		{"arrayValue", 5, kindMessage, oneof, arrayValueID},
		{"kvlistValue", 6, kindMessage, oneof, keyValueListID},
		{"bytesValue", 7, kindBytes, oneof, 0},
		{"stringValueStrindex", 8, kindInt32, oneof, 0},
	},
	arrayValueID:   {{"values", 1, kindMessage, list, anyValueID}},
	keyValueListID: {{"values", 1, kindMessage, list, keyValueID}},
	spanID: {
		{"traceId", 1, kindTraceID, single, 0},
		{"spanId", 2, kindSpanID, single, 0},
		{"traceState", 3, kindString, single, 0},
		{"parentSpanId", 4, kindSpanID, single, 0},
		{"flags", 16, kindFixed32, single, 0},
		{"name", 5, kindString, single, 0},
		{"kind", 6, kindEnum, single, spanKindID},
		{"startTimeUnixNano", 7, kindFixed64, single, 0},
		{"endTimeUnixNano", 8, kindFixed64, single, 0},
		{"attributes", 9, kindMessage, list, keyValueID},
		{"droppedAttributesCount", 10, kindUint32, single, 0},
		{"events", 11, kindMessage, list, eventID},
		{"droppedEventsCount", 12, kindUint32, single, 0},
		{"links", 13, kindMessage, list, linkID},
		{"droppedLinksCount", 14, kindUint32, single, 0},
		{"status", 15, kindMessage, single, statusID},
	},
	eventID: {
		{"timeUnixNano", 1, kindFixed64, single, 0},
		{"name", 2, kindString, single, 0},
		{"attributes", 3, kindMessage, list, keyValueID},
		{"droppedAttributesCount", 4, kindUint32, single, 0},
	},
	linkID: {
		{"traceId", 1, kindAnyID, single, 0},
		{"spanId", 2, kindAnyID, single, 0},
		{"traceState", 3, kindString, single, 0},
		{"attributes", 4, kindMessage, list, keyValueID},
		{"droppedAttributesCount", 5, kindUint32, single, 0},
		{"flags", 6, kindFixed32, single, 0},
	},
	statusID: {
		{"message", 2, kindString, single, 0},
		{"code", 3, kindEnum, single, statusCodeID},
	},
	metricID: {
		{"name", 1, kindString, single, 0},
		{"description", 2, kindString, single, 0},
		{"unit", 3, kindString, single, 0},
		{"gauge", 5, kindMessage, oneof, gaugeID},
		{"sum", 7, kindMessage, oneof, sumID},
		{"histogram", 9, kindMessage, oneof, histogramID},
		{"exponentialHistogram", 10, kindMessage, oneof, exponentialHistogramID},
		{"summary", 11, kindMessage, oneof, summaryID},
		{"metadata", 12, kindMessage, list, keyValueID},
	},
	gaugeID: {{"dataPoints", 1, kindMessage, list, numberDataPointID}},
	sumID: {
		{"dataPoints", 1, kindMessage, list, numberDataPointID},
		{"aggregationTemporality", 2, kindEnum, single, temporalityID},
		{"isMonotonic", 3, kindBool, single, 0},
	},
	histogramID: {
		{"dataPoints", 1, kindMessage, list, histogramDataPointID},
		{"aggregationTemporality", 2, kindEnum, single, temporalityID},
	},
	exponentialHistogramID: {
		{"dataPoints", 1, kindMessage, list, exponentialHistogramDataPointID},
		{"aggregationTemporality", 2, kindEnum, single, temporalityID},
	},
	summaryID: {{"dataPoints", 1, kindMessage, list, summaryDataPointID}},
	numberDataPointID: {
		{"attributes", 7, kindMessage, list, keyValueID},
		{"startTimeUnixNano", 2, kindFixed64, single, 0},
		{"timeUnixNano", 3, kindFixed64, single, 0},
		{"asDouble", 4, kindDouble, oneof, 0},
		{"asInt", 6, kindSfixed64, oneof, 0},
		{"exemplars", 5, kindMessage, list, exemplarID},
		{"flags", 8, kindUint32, single, 0},
	},
	histogramDataPointID: {
		{"attributes", 9, kindMessage, list, keyValueID},
		{"startTimeUnixNano", 2, kindFixed64, single, 0},
		{"timeUnixNano", 3, kindFixed64, single, 0},
		{"count", 4, kindFixed64, single, 0},
		{"sum", 5, kindDouble, optional, 0},
		{"bucketCounts", 6, kindFixed64, list, 0},
		{"explicitBounds", 7, kindDouble, list, 0},
		{"exemplars", 8, kindMessage, list, exemplarID},
		{"flags", 10, kindUint32, single, 0},
		{"min", 11, kindDouble, optional, 0},
		{"max", 12, kindDouble, optional, 0},
	},
	exponentialHistogramDataPointID: {
		{"attributes", 1, kindMessage, list, keyValueID},
		{"startTimeUnixNano", 2, kindFixed64, single, 0},
		{"timeUnixNano", 3, kindFixed64, single, 0},
		{"count", 4, kindFixed64, single, 0},
		{"sum", 5, kindDouble, optional, 0},
		{"scale", 6, kindSint32, single, 0},
		{"zeroCount", 7, kindFixed64, single, 0},
		{"positive", 8, kindMessage, single, bucketsID},
		{"negative", 9, kindMessage, single, bucketsID},
		{"flags", 10, kindUint32, single, 0},
		{"exemplars", 11, kindMessage, list, exemplarID},
		{"min", 12, kindDouble, optional, 0},
		{"max", 13, kindDouble, optional, 0},
		{"zeroThreshold", 14, kindDouble, single, 0},
	},
	bucketsID: {
		{"offset", 1, kindSint32, single, 0},
		{"bucketCounts", 2, kindUint64, list, 0},
	},
	summaryDataPointID: {
		{"attributes", 7, kindMessage, list, keyValueID},
		{"startTimeUnixNano", 2, kindFixed64, single, 0},
		{"timeUnixNano", 3, kindFixed64, single, 0},
		{"count", 4, kindFixed64, single, 0},
		{"sum", 5, kindDouble, single, 0},
		{"quantileValues", 6, kindMessage, list, valueAtQuantileID},
		{"flags", 8, kindUint32, single, 0},
	},
	valueAtQuantileID: {
		{"quantile", 1, kindDouble, single, 0},
		{"value", 2, kindDouble, single, 0},
	},
	exemplarID: {
		{"filteredAttributes", 7, kindMessage, list, keyValueID},
		{"timeUnixNano", 2, kindFixed64, single, 0},
		{"asDouble", 3, kindDouble, oneof, 0},
		{"asInt", 6, kindSfixed64, oneof, 0},
		{"spanId", 4, kindAnyID, single, 0},
		{"traceId", 5, kindAnyID, single, 0},
	},
	logRecordID: {
		{"timeUnixNano", 1, kindFixed64, single, 0},
		{"observedTimeUnixNano", 11, kindFixed64, single, 0},
		{"severityNumber", 2, kindEnum, single, severityID},
		{"severityText", 3, kindString, single, 0},
		{"body", 5, kindMessage, single, anyValueID},
		{"attributes", 6, kindMessage, list, keyValueID},
		{"droppedAttributesCount", 7, kindUint32, single, 0},
		{"flags", 8, kindFixed32, single, 0},
		{"traceId", 9, kindAnyID, single, 0},
		{"spanId", 10, kindAnyID, single, 0},
		{"eventName", 12, kindString, single, 0},
	},
}

// enum lists an enum's names without their common prefix; a name's place is its number.
type enum struct {
	prefix string
	names  []string
}

var enums = [...]enum{
	spanKindID:    {"SPAN_KIND_", []string{"UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}},
	statusCodeID:  {"STATUS_CODE_", []string{"UNSET", "OK", "ERROR"}},
	temporalityID: {"AGGREGATION_TEMPORALITY_", []string{"UNSPECIFIED", "DELTA", "CUMULATIVE"}},
	severityID: {"SEVERITY_NUMBER_", []string{
		"UNSPECIFIED",
		"TRACE", "TRACE2", "TRACE3", "TRACE4",
		"DEBUG", "DEBUG2", "DEBUG3", "DEBUG4",
		"INFO", "INFO2", "INFO3", "INFO4",
		"WARN", "WARN2", "WARN3", "WARN4",
		"ERROR", "ERROR2", "ERROR3", "ERROR4",
		"FATAL", "FATAL2", "FATAL3", "FATAL4",
	}},
}

// find is the index of the field that a key names, -1 when there is none. The search
// starts where the last one ended: writers keep the order of the fields.
func find(fields []field, key []byte, start int) int {
	underscored := false
	for _, c := range key {
		underscored = underscored || c == '_'
	}
	for range fields {
		if start >= len(fields) {
			start = 0
		}
		name := fields[start].name
		if string(key) == name || underscored && isSnake(key, name) {
			return start
		}
		start++
	}
	return -1
}

// isSnake tells whether key is the original spelling of a lowerCamelCase name:
// trace_id for traceId.
func isSnake(key []byte, name string) bool {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			if len(key) == 0 || key[0] != '_' {
				return false
			}
			key, c = key[1:], c+'a'-'A'
		}
		if len(key) == 0 || key[0] != c {
			return false
		}
		key = key[1:]
	}
	return len(key) == 0
}
