// Package schema is the one place that says which columns the three tables have, of
// which type, when a value is null, and from which OTLP field it comes. Decoder,
// encoder, reader and docs/format.md are derived from it or checked against it.
// Its values are never changed after they are made.
package schema

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Version is the schema's version, in each file's metadata under VersionKey.
const (
	Version    = "1"
	VersionKey = "otlp_arrow.schema_version"
	SignalKey  = "otlp_arrow.signal"
	// JournalKey is in a batch's metadata: "<writer> <from>-<below>", the journal records that
	// it was made of, with others of the same write.
	JournalKey = "otlp_arrow.journal"
	// StatisticsKey is in the metadata of a batch's first message, see files.Statistics.
	StatisticsKey = "otlp_arrow.statistics"
	// CompactedKey is in the metadata of a file that compaction made.
	CompactedKey = "otlp_arrow.compacted"
)

// Column describes one column of a table.
type Column struct {
	Name string
	Type arrow.DataType
	// Null says when a value is null; empty where it never is.
	Null string
	// Source is the OTLP field, and Doc what more there is to know, with the unit.
	Source, Doc string
}

// Types that several columns share.
var (
	Text     = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	TraceID  = &arrow.FixedSizeBinaryType{ByteWidth: 16}
	SpanID   = &arrow.FixedSizeBinaryType{ByteWidth: 8}
	Time     = &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	Attrs    = attrsType()
	u32      = arrow.PrimitiveTypes.Uint32
	u64      = arrow.PrimitiveTypes.Uint64
	i64      = arrow.PrimitiveTypes.Int64
	f64      = arrow.PrimitiveTypes.Float64
	texts    = arrow.ListOfNonNullable(arrow.BinaryTypes.String)
	counts   = arrow.ListOfNonNullable(u64)
	doubles  = arrow.ListOfNonNullable(f64)
	Entities = arrow.ListOfNonNullable(arrow.StructOf(
		field("schema_url", Text), field("type", Text), field("id_keys", texts), field("description_keys", texts)))
	Events = arrow.ListOfNonNullable(arrow.StructOf(
		nullable("time_unix_nano", Time), field("name", Text), field("attributes", Attrs), field("attribute_types", Text),
		field("dropped_attributes_count", u32)))
	Links = arrow.ListOfNonNullable(arrow.StructOf(
		nullable("trace_id", TraceID), nullable("span_id", SpanID), field("trace_state", Text), field("attributes", Attrs),
		field("attribute_types", Text), field("dropped_attributes_count", u32), field("flags", u32)))
	Quantiles = arrow.ListOfNonNullable(arrow.StructOf(field("quantile", f64), field("value", f64)))
	Exemplars = arrow.ListOfNonNullable(arrow.StructOf(
		nullable("time_unix_nano", Time), nullable("value", f64), nullable("value_int", i64), nullable("trace_id", TraceID),
		nullable("span_id", SpanID), field("attributes", Attrs), field("attribute_types", Text)))
)

func field(name string, t arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: t} }
func nullable(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func attrsType() *arrow.MapType {
	return arrow.MapOfFields(field("key", Text), nullable("value", Text))
}

var tables = [otlp.Count][]Column{
	otlp.Traces:  concat(traces, common("resource_spans[]", "scope_spans[]")),
	otlp.Metrics: concat(metrics, common("resource_metrics[]", "scope_metrics[]")),
	otlp.Logs:    concat(logs, common("resource_logs[]", "scope_logs[]")),
}

func concat(parts ...[]Column) []Column {
	var all []Column
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// times are what Times gives.
var times = [otlp.Count][]string{
	otlp.Traces:  {"start_time_unix_nano"},
	otlp.Metrics: {"time_unix_nano"},
	otlp.Logs:    {"time_unix_nano", "observed_time_unix_nano"},
}

// Times are the columns that tell a row's time, the first of them that is not null. Rows are sorted and
// selected by it, and a batch's statistics have its bounds.
func Times(s otlp.Signal) []string { return times[s] }

// Columns lists a signal's columns in their order in the table.
func Columns(s otlp.Signal) []Column { return tables[s] }
