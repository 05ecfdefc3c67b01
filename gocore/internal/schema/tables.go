package schema

import "github.com/apache/arrow-go/v18/arrow"

const (
	notSet   = "time 0, which is OTLP's \"not set\""
	noID     = "the id is empty"
	hasTypes = "one letter per entry of the map, in order: s string, i int, d double, b bool, y bytes, a array, k kvlist, " +
		"n empty AnyValue, - no value at all"
	nanos = "nanoseconds since 1970, UTC; an unsigned value beyond 2^63-1 wraps"
)

var traces = []Column{
	{"trace_id", TraceID, noID, "spans[].trace_id", "16 bytes"},
	{"span_id", SpanID, noID, "spans[].span_id", "8 bytes"},
	{"parent_span_id", SpanID, noID, "spans[].parent_span_id", "8 bytes"},
	{"trace_state", Text, "", "spans[].trace_state", "W3C tracestate"},
	{"flags", u32, "", "spans[].flags", "W3C trace flags and OTLP's bits above them"},
	{"name", Text, "", "spans[].name", ""},
	{"kind", Text, "", "spans[].kind", "UNSPECIFIED, INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER; another number as its digits"},
	{"start_time_unix_nano", Time, notSet, "spans[].start_time_unix_nano", nanos},
	{"end_time_unix_nano", Time, notSet, "spans[].end_time_unix_nano", nanos},
	{"duration_nano", i64, "start or end is not set, end is before start, or the difference exceeds int64",
		"end_time_unix_nano - start_time_unix_nano", "nanoseconds"},
	{"status_code", Text, "no Status was sent", "spans[].status.code", "UNSET, OK or ERROR; another number as its digits"},
	{"status_message", Text, "", "spans[].status.message", ""},
	{"attributes", Attrs, "", "spans[].attributes", "the last value of each key, as text"},
	{"attribute_types", Text, "", "spans[].attributes", hasTypes},
	{"dropped_attributes_count", u32, "", "spans[].dropped_attributes_count", ""},
	{"events", Events, "", "spans[].events", ""},
	{"dropped_events_count", u32, "", "spans[].dropped_events_count", ""},
	{"links", Links, "", "spans[].links", ""},
	{"dropped_links_count", u32, "", "spans[].dropped_links_count", ""},
}

var logs = []Column{
	{"time_unix_nano", Time, notSet, "log_records[].time_unix_nano", nanos},
	{"observed_time_unix_nano", Time, notSet, "log_records[].observed_time_unix_nano", nanos},
	{"severity_number", arrow.PrimitiveTypes.Int32, "", "log_records[].severity_number", "1-4 TRACE ... 21-24 FATAL, 0 unspecified"},
	{"severity_text", Text, "", "log_records[].severity_text", ""},
	{"body", Text, "no body, or an empty AnyValue: body_type tells", "log_records[].body", "as text"},
	{"body_type", Text, "", "log_records[].body", "one letter as in attribute_types; - no body"},
	{"attributes", Attrs, "", "log_records[].attributes", "the last value of each key, as text"},
	{"attribute_types", Text, "", "log_records[].attributes", hasTypes},
	{"dropped_attributes_count", u32, "", "log_records[].dropped_attributes_count", ""},
	{"trace_id", TraceID, "the id is empty or ill-sized", "log_records[].trace_id", "16 bytes"},
	{"span_id", SpanID, "the id is empty or ill-sized", "log_records[].span_id", "8 bytes"},
	{"flags", u32, "", "log_records[].flags", "W3C trace flags"},
	{"event_name", Text, "", "log_records[].event_name", ""},
}

const (
	onlyNumber = "not a gauge or sum"
	onlyHist   = "not a histogram"
	onlyBuck   = "not an exponential_histogram"
)

var metrics = []Column{
	{"metric_name", Text, "", "metrics[].name", ""},
	{"metric_description", Text, "", "metrics[].description", ""},
	{"metric_unit", Text, "", "metrics[].unit", "UCUM"},
	{"metric_type", Text, "", "metrics[].data", "gauge, sum, histogram, exponential_histogram or summary"},
	{"metric_metadata", Attrs, "", "metrics[].metadata", "the last value of each key, as text"},
	{"metric_metadata_types", Text, "", "metrics[].metadata", hasTypes},
	{"aggregation_temporality", Text, "gauge or summary", "metrics[].{sum,histogram,exponential_histogram}.aggregation_temporality",
		"UNSPECIFIED, DELTA or CUMULATIVE; another number as its digits"},
	{"is_monotonic", arrow.FixedWidthTypes.Boolean, "not a sum", "metrics[].sum.is_monotonic", ""},
	{"series_id", u64, "", "resource, scope, metric and attributes",
		"stable hash of the series' identity, whatever the order of attributes"},
	{"start_time_unix_nano", Time, notSet, "data_points[].start_time_unix_nano", nanos},
	{"time_unix_nano", Time, notSet, "data_points[].time_unix_nano", nanos},
	{"attributes", Attrs, "", "data_points[].attributes", "the last value of each key, as text"},
	{"attribute_types", Text, "", "data_points[].attributes", hasTypes},
	{"flags", u32, "", "data_points[].flags", "1: no recorded value"},
	{"value", f64, onlyNumber + ", or no value was sent", "data_points[].as_double, as_int", "integers too, as doubles"},
	{"value_int", i64, "the value is a double, or there is none", "data_points[].as_int", "exact"},
	{"count", u64, "gauge or sum", "data_points[].count", ""},
	{"sum", f64, "gauge or sum, or none was sent", "data_points[].sum", ""},
	{"min", f64, "not a kind of histogram, or none was sent", "data_points[].min", ""},
	{"max", f64, "not a kind of histogram, or none was sent", "data_points[].max", ""},
	{"bucket_counts", counts, onlyHist, "data_points[].bucket_counts", ""},
	{"explicit_bounds", doubles, onlyHist, "data_points[].explicit_bounds", "upper bounds, inclusive"},
	{"scale", arrow.PrimitiveTypes.Int32, onlyBuck, "data_points[].scale", "base is 2^(2^-scale)"},
	{"zero_count", u64, onlyBuck, "data_points[].zero_count", ""},
	{"zero_threshold", f64, onlyBuck, "data_points[].zero_threshold", ""},
	{"positive_offset", arrow.PrimitiveTypes.Int32, onlyBuck + ", or no Buckets were sent", "data_points[].positive.offset", ""},
	{"positive_bucket_counts", counts, onlyBuck, "data_points[].positive.bucket_counts", ""},
	{"negative_offset", arrow.PrimitiveTypes.Int32, onlyBuck + ", or no Buckets were sent", "data_points[].negative.offset", ""},
	{"negative_bucket_counts", counts, onlyBuck, "data_points[].negative.bucket_counts", ""},
	{"quantiles", Quantiles, "not a summary", "data_points[].quantile_values", ""},
	{"exemplars", Exemplars, "summary", "data_points[].exemplars", "attributes are filtered_attributes; ill-sized ids are null"},
}

// common are the columns of resource and scope, which every table ends with.
func common(resource, scope string) []Column {
	return []Column{
		{"service_name", Text, "absent or not a string", resource + ".resource.attributes[\"service.name\"]", "promoted; the value stays in the map"},
		{"service_namespace", Text, "absent or not a string", resource + ".resource.attributes[\"service.namespace\"]", "promoted"},
		{"service_instance_id", Text, "absent or not a string", resource + ".resource.attributes[\"service.instance.id\"]", "promoted"},
		{"resource_attributes", Attrs, "", resource + ".resource.attributes", "the last value of each key, as text"},
		{"resource_attribute_types", Text, "", resource + ".resource.attributes", hasTypes},
		{"resource_dropped_attributes_count", u32, "", resource + ".resource.dropped_attributes_count", ""},
		{"resource_schema_url", Text, "", resource + ".schema_url", ""},
		{"resource_entity_refs", Entities, "", resource + ".resource.entity_refs", ""},
		{"scope_name", Text, "", resource + "." + scope + ".scope.name", ""},
		{"scope_version", Text, "", resource + "." + scope + ".scope.version", ""},
		{"scope_attributes", Attrs, "", resource + "." + scope + ".scope.attributes", "the last value of each key, as text"},
		{"scope_attribute_types", Text, "", resource + "." + scope + ".scope.attributes", hasTypes},
		{"scope_dropped_attributes_count", u32, "", resource + "." + scope + ".scope.dropped_attributes_count", ""},
		{"scope_schema_url", Text, "", resource + "." + scope + ".schema_url", ""},
		{"duplicate_attributes", Text, "no key repeats, as nearly always", "any attributes",
			"JSON array of {column, item, place, key, type, value}: the earlier values of repeated keys"},
	}
}
