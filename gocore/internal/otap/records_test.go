package otap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// part is a payload that a test makes by hand.
type part struct {
	table  PayloadType
	schema []arrow.Field
	rows   string // JSON
}

// message is a batch with the parts in this order, each a stream of its own.
func message(t testing.TB, id int64, parts ...part) []byte {
	t.Helper()
	b := wire.AppendUint(nil, 1, uint64(id))
	for _, p := range parts {
		b = appendPayload(b, p.table, "1", stream(t, p, ipc.WithZstd()))
	}
	return b
}

func appendPayload(b []byte, table PayloadType, schemaID string, record []byte) []byte {
	b, place := wire.Begin(b, 2)
	b = wire.AppendBytes(b, 1, schemaID) // all tables may have the same: the key is both
	b = wire.AppendUint(b, 2, uint64(table))
	b = wire.AppendBytes(b, 3, record)
	return wire.End(b, place)
}

// stream is a part as an IPC stream without its end mark, as producers send it.
func stream(t testing.TB, p part, options ...ipc.Option) []byte {
	t.Helper()
	schema := arrow.NewSchema(p.schema, nil)
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(p.rows))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(options, ipc.WithSchema(schema))...)
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func nullable(name string, typ arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: typ, Nullable: true}
}

func plainColumn(name string, typ arrow.DataType) arrow.Field {
	return encodedAs(name, typ, encodingPlain)
}

func encodedAs(name string, typ arrow.DataType, encoding string) arrow.Field {
	f := nullable(name, typ)
	f.Metadata = arrow.NewMetadata([]string{encodingKey}, []string{encoding})
	return f
}

var (
	u8, u16, u32 = arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32
	i32, i64     = arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64
	f64          = arrow.PrimitiveTypes.Float64
	utf8Type     = arrow.BinaryTypes.String
	when         = arrow.FixedWidthTypes.Timestamp_ns
	took         = arrow.FixedWidthTypes.Duration_ns
)

func dictOf(index, value arrow.DataType) arrow.DataType {
	return &arrow.DictionaryType{IndexType: index, ValueType: value}
}

func fixedType(width int) arrow.DataType { return &arrow.FixedSizeBinaryType{ByteWidth: width} }

// expect consumes a message and compares with prototext.
func expect(t *testing.T, c *Consumer, message []byte, want string) {
	t.Helper()
	_, body, err := c.Consume(message)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := normal.New(c.signal), normal.New(c.signal)
	if err := proto.Unmarshal(body, got); err != nil {
		t.Fatal(err)
	}
	if err := prototext.Unmarshal([]byte(want), wanted); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, wanted) {
		t.Errorf("got  %v\nwant %v", got, wanted)
	}
}

// TestTheRustEnginesOrder has resource attributes first, plain ids and columns without
// dictionaries, and a schema_id that all tables share.
func TestTheRustEnginesOrder(t *testing.T) {
	expect(t, testConsumer(t, otlp.Logs), message(t, 7,
		part{ResourceAttrs, []arrow.Field{plainColumn("parent_id", u16), nullable("key", utf8Type), nullable("type", u8), nullable("str", utf8Type), nullable("int", i64)},
			`[{"parent_id":1,"key":"host","type":1,"str":"b"},{"parent_id":0,"key":"host","type":1,"str":"a"},{"parent_id":0,"key":"n","type":2,"int":-3}]`},
		part{LogAttrs, []arrow.Field{plainColumn("parent_id", u16), nullable("key", dictOf(u8, utf8Type)), nullable("type", u8), nullable("bool", arrow.FixedWidthTypes.Boolean)},
			`[{"parent_id":9,"key":"ok","type":4,"bool":true},{"parent_id":9,"key":"gone","type":1},{"parent_id":9,"key":"none","type":0}]`},
		part{Logs, []arrow.Field{plainColumn("id", u16), nullable("resource", arrow.StructOf(plainColumn("id", u16), nullable("schema_url", utf8Type))),
			nullable("scope", arrow.StructOf(plainColumn("id", u16), nullable("name", utf8Type))), nullable("time_unix_nano", when),
			nullable("severity_number", dictOf(u8, i32)), nullable("trace_id", fixedType(16)),
			nullable("body", arrow.StructOf(nullable("type", u8), nullable("str", dictOf(u16, utf8Type))))},
			`[{"id":9,"resource":{"id":0,"schema_url":"u"},"scope":{"id":null,"name":"s"},"time_unix_nano":5,"severity_number":9,"body":{"type":1,"str":"hello"}},
			  {"id":null,"resource":{"id":0,"schema_url":"u"},"scope":{"id":null,"name":"t"},"trace_id":"AQIDBAUGBwgJCgsMDQ4PEA==","body":null},
			  {"id":3,"resource":{"id":1},"scope":null,"severity_number":9,"body":{"type":0}}]`},
	), `resource_logs {
	  resource { attributes { key: "host" value { string_value: "a" } } attributes { key: "n" value { int_value: -3 } } }
	  scope_logs { scope { name: "s" } log_records { time_unix_nano: 5 severity_number: 9 body { string_value: "hello" }
	    attributes { key: "ok" value { bool_value: true } } attributes { key: "gone" value {} } attributes { key: "none" value {} } } }
	  scope_logs { scope { name: "t" } log_records { trace_id: "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10" } }
	  schema_url: "u"
	}
	resource_logs { resource { attributes { key: "host" value { string_value: "b" } } } scope_logs { scope {} log_records { severity_number: 9 } } }`)
}

// TestEncodedIDs has the example of the specification's section 6.4.3, and dictionaries of ids.
func TestEncodedIDs(t *testing.T) {
	expect(t, testConsumer(t, otlp.Traces), message(t, 1,
		part{Spans, []arrow.Field{nullable("id", u16), nullable("start_time_unix_nano", when), nullable("duration_time_unix_nano", dictOf(u8, took)),
			nullable("name", utf8Type), nullable("kind", i32), nullable("status", arrow.StructOf(nullable("code", dictOf(u8, i32))))},
			`[{"id":1,"name":"one","start_time_unix_nano":10,"duration_time_unix_nano":5,"status":{"code":2}},{"id":null,"name":"none"},{"id":1,"name":"two"},{"id":1,"name":"three","kind":-1}]`},
		part{SpanAttrs, []arrow.Field{encodedAs("parent_id", u16, encodingQuasi), nullable("key", utf8Type), nullable("type", u8), nullable("str", utf8Type)},
			`[{"parent_id":1,"key":"k1","type":1,"str":"v1"},{"parent_id":1,"key":"k1","type":1,"str":"v1"},{"parent_id":1,"key":"k1","type":1,"str":"v1"},
			  {"parent_id":1,"key":"k1","type":1,"str":"v2"},{"parent_id":1,"key":"k1","type":1,"str":"v2"},{"parent_id":1,"key":"k2","type":1,"str":"v2"},
			  {"parent_id":3,"key":"k3","type":1,"str":null},{"parent_id":2,"key":"k3","type":1,"str":null}]`},
		part{SpanEvents, []arrow.Field{nullable("id", u32), nullable("parent_id", dictOf(u8, u16)), nullable("name", dictOf(u8, utf8Type))},
			`[{"id":0,"parent_id":1,"name":"a"},{"id":1,"parent_id":2,"name":"a"},{"id":1,"parent_id":2,"name":"b"}]`},
		part{EventAttrs, []arrow.Field{nullable("parent_id", dictOf(u8, u32)), nullable("key", utf8Type), nullable("type", u8), nullable("double", f64)},
			`[{"parent_id":0,"key":"x","type":3,"double":1.5},{"parent_id":2,"key":"x","type":3,"double":1.5}]`},
	), `resource_spans { resource {} scope_spans { scope {}
	  spans { name: "one" start_time_unix_nano: 10 end_time_unix_nano: 15 status { code: 2 } attributes { key: "k1" value { string_value: "v1" } }
	    attributes { key: "k1" value { string_value: "v2" } } attributes { key: "k2" value { string_value: "v2" } }
	    events { name: "a" attributes { key: "x" value { double_value: 1.5 } } } }
	  spans { name: "none" }
	  spans { name: "two" attributes { key: "k1" value { string_value: "v1" } } attributes { key: "k1" value { string_value: "v2" } }
	    attributes { key: "k3" value {} } events { name: "b" attributes { key: "x" value { double_value: 1.5 } } } }
	  spans { name: "three" kind: -1 attributes { key: "k1" value { string_value: "v1" } } attributes { key: "k3" value {} } events { name: "a" } } } }`)
}

// TestMillisecondsThatAreNone: the Go producer up to v0.24.0, which Collectors of its time have,
// declares durations as milliseconds and writes nanoseconds.
func TestMillisecondsThatAreNone(t *testing.T) {
	expect(t, testConsumer(t, otlp.Traces), message(t, 1,
		part{Spans, []arrow.Field{nullable("start_time_unix_nano", when), nullable("duration_time_unix_nano", dictOf(u8, arrow.FixedWidthTypes.Duration_ms))},
			`[{"start_time_unix_nano":10,"duration_time_unix_nano":5}]`},
	), `resource_spans { resource {} scope_spans { scope {} spans { start_time_unix_nano: 10 end_time_unix_nano: 15 } } }`)
}

// TestDeltaThatIsQuasi: the Go producer v0.24.0 says delta of points' attributes, and it is the
// quasi-delta of all attributes, with the Go producer's rules.
func TestDeltaThatIsQuasi(t *testing.T) {
	expect(t, testConsumer(t, otlp.Metrics), message(t, 1,
		part{UnivariateMetrics, []arrow.Field{nullable("id", u16), nullable("metric_type", u8)}, `[{"id":0,"metric_type":1}]`},
		part{NumberPoints, []arrow.Field{encodedAs("id", u32, encodingDelta), nullable("parent_id", u16), nullable("int_value", i64)},
			`[{"id":0,"parent_id":0,"int_value":5},{"id":1,"parent_id":0,"int_value":6}]`},
		part{NumberAttrs, []arrow.Field{encodedAs("parent_id", u32, encodingDelta), nullable("key", utf8Type), nullable("type", u8), nullable("str", utf8Type)},
			`[{"parent_id":0,"key":"a","type":1,"str":"x"},{"parent_id":1,"key":"a","type":1,"str":"x"},{"parent_id":1,"key":"b","type":1,"str":null}]`},
	), `resource_metrics { resource {} scope_metrics { scope {} metrics { gauge {
	  data_points { as_int: 5 attributes { key: "a" value { string_value: "x" } } }
	  data_points { as_int: 6 attributes { key: "a" value { string_value: "x" } } attributes { key: "b" value { string_value: "" } } } } } } }`)
}

// TestEmptyBodies: a text that is null is an empty one where ids are as the Go producer's are.
func TestEmptyBodies(t *testing.T) {
	body := nullable("body", arrow.StructOf(nullable("type", u8), nullable("str", utf8Type)))
	rows := `[{"id":0,"body":{"type":1,"str":null}},{"id":0,"body":{"type":0}}]`
	for encoding, want := range map[string]string{
		"": `body { string_value: "" }`, encodingDelta: `body { string_value: "" }`, encodingPlain: `body {}`,
	} {
		id := nullable("id", u16)
		if encoding != "" {
			id = encodedAs("id", u16, encoding)
		}
		expect(t, testConsumer(t, otlp.Logs), message(t, 1, part{Logs, []arrow.Field{id, body}, rows}),
			`resource_logs { resource {} scope_logs { scope {} log_records { `+want+` } log_records {} } }`)
	}
}

// TestMetricMetadata has METRIC_ATTRS, which the reference Consumer refuses, and ids so far
// apart that no table of them is made.
func TestMetricMetadata(t *testing.T) {
	expect(t, testConsumer(t, otlp.Metrics), message(t, 1,
		part{MetricAttrs, []arrow.Field{plainColumn("parent_id", u16), nullable("key", utf8Type), nullable("type", u8), nullable("int", dictOf(u16, i64))},
			`[{"parent_id":4,"key":"m","type":2,"int":8}]`},
		part{NumberPoints, []arrow.Field{plainColumn("id", u32), plainColumn("parent_id", u16), nullable("time_unix_nano", when), nullable("int_value", i64)},
			`[{"id":4000000000,"parent_id":4,"time_unix_nano":1,"int_value":0},{"id":7,"parent_id":4,"int_value":2}]`},
		part{NumberAttrs, []arrow.Field{plainColumn("parent_id", u32), nullable("key", utf8Type), nullable("type", u8), nullable("bytes", arrow.BinaryTypes.Binary)},
			`[{"parent_id":4000000000,"key":"far","type":7,"bytes":"AAE="},{"parent_id":3999999999,"key":"nobody's","type":7,"bytes":"AAE="}]`},
		part{UnivariateMetrics, []arrow.Field{plainColumn("id", u16), nullable("metric_type", u8), nullable("name", utf8Type), nullable("is_monotonic", arrow.FixedWidthTypes.Boolean)},
			`[{"id":4,"metric_type":2,"name":"n","is_monotonic":true},{"id":5,"metric_type":1,"name":"empty"},{"id":6,"metric_type":0,"name":"no data"}]`},
	), `resource_metrics { resource {} scope_metrics { scope {}
	  metrics { name: "n" metadata { key: "m" value { int_value: 8 } } sum { is_monotonic: true
	    data_points { time_unix_nano: 1 as_int: 0 attributes { key: "far" value { bytes_value: "\x00\x01" } } } data_points { as_int: 2 } } }
	  metrics { name: "empty" gauge {} } metrics { name: "no data" } } }`)
}

// TestQuantilesOfZero: a column of zeros is none at all to the Go producer, and items are left of both.
func TestQuantilesOfZero(t *testing.T) {
	expect(t, testConsumer(t, otlp.Metrics), message(t, 1,
		part{UnivariateMetrics, []arrow.Field{nullable("id", u16), nullable("metric_type", u8)}, `[{"id":0,"metric_type":5}]`},
		part{SummaryPoints, []arrow.Field{nullable("parent_id", u16), nullable("quantile", arrow.ListOf(arrow.StructOf(nullable("other", u8))))},
			`[{"parent_id":0,"quantile":[{"other":null},{"other":1}]}]`},
	), `resource_metrics { resource {} scope_metrics { scope {} metrics { summary { data_points { quantile_values {} quantile_values {} } } } } }`)
}

// TestNothingToSay: a batch without rows is a request without items.
func TestNothingToSay(t *testing.T) {
	fields := []arrow.Field{nullable("name", utf8Type)}
	for _, parts := range [][]part{nil, {{Spans, fields, `[]`}}} {
		expect(t, testConsumer(t, otlp.Traces), message(t, 1, parts...), ``)
	}
}

func TestBadRecordsAreRefused(t *testing.T) {
	attrs := []arrow.Field{nullable("parent_id", u16), nullable("key", utf8Type), nullable("type", u8), nullable("str", utf8Type), nullable("ser", arrow.BinaryTypes.Binary)}
	span := part{Spans, []arrow.Field{nullable("id", u16), nullable("name", utf8Type)}, `[{"id":0,"name":"x"}]`}
	tests := map[string]struct {
		parts []part
		field string
	}{
		"wrong type":            {[]part{{Spans, []arrow.Field{nullable("name", i64)}, `[{"name":1}]`}}, "SPANS.name"},
		"wrong width":           {[]part{{Spans, []arrow.Field{nullable("trace_id", fixedType(8))}, `[{"trace_id":"AQIDBAUGBwg="}]`}}, "SPANS.trace_id"},
		"no struct":             {[]part{{Spans, []arrow.Field{nullable("resource", u16)}, `[{"resource":1}]`}}, "SPANS.resource"},
		"seconds":               {[]part{{Spans, []arrow.Field{nullable("start_time_unix_nano", arrow.FixedWidthTypes.Timestamp_s)}, `[{"start_time_unix_nano":1}]`}}, "SPANS.start_time_unix_nano"},
		"a text for ids":        {[]part{{Spans, []arrow.Field{nullable("id", utf8Type)}, `[{"id":"1"}]`}}, "SPANS.id"},
		"unknown way":           {[]part{{Spans, []arrow.Field{encodedAs("id", u16, "zigzag")}, `[{"id":1}]`}}, "SPANS.id"},
		"no parent":             {[]part{span, {SpanAttrs, attrs[1:], `[{"key":"k","type":1}]`}}, "SPAN_ATTRS"},
		"no key":                {[]part{span, {SpanAttrs, attrs[:1], `[{"parent_id":0}]`}}, "SPAN_ATTRS"},
		"kind 8":                {[]part{span, {SpanAttrs, attrs, `[{"parent_id":0,"key":"k","type":8}]`}}, "SPAN_ATTRS.type"},
		"bad CBOR":              {[]part{span, {SpanAttrs, attrs, `[{"parent_id":0,"key":"k","type":5,"ser":"ogE="}]`}}, "SPAN_ATTRS.ser"},
		"no root":               {[]part{{SpanAttrs, attrs, `[{"parent_id":0,"key":"k","type":1}]`}}, "SPAN_ATTRS"},
		"twice":                 {[]part{span, span}, "SPANS"},
		"another signal":        {[]part{{Logs, attrs, `[]`}}, ""},
		"no list":               {[]part{{UnivariateMetrics, attrs, `[]`}}, ""},
		"events have no parent": {[]part{span, {SpanEvents, []arrow.Field{nullable("name", utf8Type)}, `[{"name":"e"}]`}}, "SPAN_EVENTS"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := testConsumer(t, otlp.Traces)
			id, _, err := c.Consume(message(t, 5, tt.parts...))
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != fault.Invalid || e.Field != tt.field || id != 5 {
				t.Fatalf("batch %d: %v, want a fault of %q", id, err, tt.field)
			}
			if _, _, err := c.Consume(message(t, 6, span)); err != nil {
				t.Errorf("the next batch: %v", err)
			}
		})
	}
}

func TestMetricsOfWrongTypes(t *testing.T) {
	metric := part{UnivariateMetrics, []arrow.Field{nullable("id", u16), nullable("metric_type", u8)}, `[{"id":0,"metric_type":5}]`}
	parent := nullable("parent_id", u16)
	tests := map[string]part{
		"UNIVARIATE_METRICS.metric_type":                   {UnivariateMetrics, metric.schema, `[{"id":0,"metric_type":6}]`},
		"SUMMARY_DATA_POINTS.quantile":                     {SummaryPoints, []arrow.Field{parent, nullable("quantile", f64)}, `[{"parent_id":0,"quantile":1}]`},
		"SUMMARY_DATA_POINTS":                              {SummaryPoints, []arrow.Field{nullable("count", u32)}, `[{"count":1}]`},
		"HISTOGRAM_DATA_POINTS.bucket_counts":              {HistogramPoints, []arrow.Field{parent, nullable("bucket_counts", u32)}, `[{"parent_id":0,"bucket_counts":1}]`},
		"HISTOGRAM_DATA_POINTS.explicit_bounds":            {HistogramPoints, []arrow.Field{parent, nullable("explicit_bounds", arrow.ListOf(u32))}, `[{"parent_id":0,"explicit_bounds":[1]}]`},
		"EXP_HISTOGRAM_DATA_POINTS.positive.bucket_counts": {ExpHistogramPoints, []arrow.Field{parent, nullable("positive", arrow.StructOf(nullable("bucket_counts", utf8Type)))}, `[{"parent_id":0,"positive":{"bucket_counts":"1"}}]`},
	}
	for field, p := range tests {
		parts := []part{metric, p}
		if p.table == UnivariateMetrics {
			parts = parts[1:]
		}
		_, _, err := testConsumer(t, otlp.Metrics).Consume(message(t, 1, parts...))
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Invalid || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestCBOR(t *testing.T) {
	tests := map[string]string{
		"00": "int_value: 0", "1bffffffffffffffff": "error", "20": "int_value: -1", "3b7fffffffffffffff": "int_value: -9223372036854775808",
		"f4": "bool_value: false", "f5": "bool_value: true", "f6": "", "f7": "", "f90001": "double_value: 5.960464477539063e-08",
		"f93c00": "double_value: 1", "f9fc00": "double_value: -inf", "fa47c35000": "double_value: 100000", "fb3ff199999999999a": "double_value: 1.1",
		"6161": `string_value: "a"`, "4101": `bytes_value: "\x01"`, "7f61616162ff": `string_value: "ab"`, "5f4101ff": `bytes_value: "\x01"`,
		"8201f6": "array_value { values { int_value: 1 } values {} }", "9f20ff": "array_value { values { int_value: -1 } }",
		"a1616101": `kvlist_value { values { key: "a" value { int_value: 1 } } }`, "bf6161f5ff": `kvlist_value { values { key: "a" value { bool_value: true } } }`,
		"c11a514b67b0": "int_value: 1363896240", "a10101": "error", "ff": "error", "82": "error", "1c": "error", "61": "error", "f8ff": "error",
		"7f01ff": "error", "5f": "error", "df00": "error", "a1": "error", "a161": "error", "": "error", "1f": "error", "f97e00": "double_value: nan",
	}
	for item, want := range tests {
		in, _ := hex.DecodeString(item)
		got, err := appendCBOR(nil, in)
		if (err != nil) != (want == "error") {
			t.Errorf("%s: %v", item, err)
		}
		if want != "error" && err == nil {
			expectValue(t, item, got, want)
		}
	}
	if _, err := appendCBOR(nil, bytes.Repeat([]byte{0x81}, 1<<20)); !errors.Is(err, errCBORDeep) {
		t.Errorf("a million arrays in one another: %v", err)
	}
}

func TestStatus(t *testing.T) {
	if got := AppendStatus(nil, 3, 8, "full"); string(got) != "\x08\x03\x10\x08\x1a\x04full" {
		t.Errorf("%x", got)
	}
	if got := AppendStatus(nil, 3, 0, ""); string(got) != "\x08\x03" {
		t.Errorf("%x", got)
	}
}

func expectValue(t *testing.T, item string, got []byte, want string) {
	t.Helper()
	value, wanted := &commonpb.AnyValue{}, &commonpb.AnyValue{}
	if err := proto.Unmarshal(got, value); err != nil {
		t.Fatal(err)
	}
	if err := prototext.Unmarshal([]byte(want), wanted); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(value, wanted) {
		t.Errorf("%s: %v, want %v", item, value, wanted)
	}
}
