package encode_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// The kinds of text columns that writers and readers of Arrow make of one table.
var textTypes = map[string]arrow.DataType{
	"dictionary":      schema.Text,
	"dictionary int8": &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String},
	"plain":           arrow.BinaryTypes.String,
	"large":           arrow.BinaryTypes.LargeString,
}

// batchOf builds a batch of some columns from JSON rows. Their types are the schema's,
// with this one for texts.
func batchOf(t *testing.T, signal otlp.Signal, textType arrow.DataType, json string, names ...string) arrow.RecordBatch {
	t.Helper()
	var fields []arrow.Field
	for _, name := range names {
		f, ok := schema.Of(signal).FieldsByName(name)
		if !ok {
			t.Fatalf("no column %s", name)
		}
		fields = append(fields, arrow.Field{Name: name, Type: retext(f[0].Type, textType), Nullable: true})
	}
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(json))
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func retext(of, text arrow.DataType) arrow.DataType {
	switch of := of.(type) {
	case *arrow.DictionaryType:
		return text
	case *arrow.MapType:
		return arrow.MapOf(text, text)
	case *arrow.ListType:
		return arrow.ListOf(retext(of.Elem(), text))
	case *arrow.StructType:
		var fields []arrow.Field
		for _, f := range of.Fields() {
			fields = append(fields, arrow.Field{Name: f.Name, Type: retext(f.Type, text), Nullable: true})
		}
		return arrow.StructOf(fields...)
	case *arrow.StringType:
		return text
	}
	return of
}

func encoded[M proto.Message](t *testing.T, signal otlp.Signal, batch arrow.RecordBatch, into M) M {
	t.Helper()
	body, err := encode.Batch(nil, signal, batch)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
	return into
}

func str(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func num(n int64) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}
}

func TestSpansOfEqualNeighboursShareContainers(t *testing.T) {
	const rows = `[
		{"span_id": "AQEBAQEBAQE=", "name": "a", "kind": "SERVER", "resource_attributes": [{"key": "r", "value": "1"}],
			"resource_attribute_types": "i", "scope_name": "s", "status_code": "UNSET",
			"events": [{"name": "e", "attributes": [{"key": "x", "value": null}], "attribute_types": "-"}],
			"resource_entity_refs": [{"schema_url": "u", "type": "host", "id_keys": ["r", ""], "description_keys": []}]},
		{"span_id": "AgICAgICAgI=", "name": "b", "kind": "-7", "resource_attributes": [{"key": "r", "value": "1"}],
			"resource_attribute_types": "i", "scope_name": "s",
			"resource_entity_refs": [{"schema_url": "u", "type": "host", "id_keys": ["r", ""], "description_keys": []}]},
		{"name": "c", "resource_attributes": [{"key": "r", "value": "1"}], "resource_attribute_types": "s", "scope_name": "s"}]`
	entity := []*common.EntityRef{{SchemaUrl: "u", Type: "host", IdKeys: []string{"r", ""}}}
	scope := &common.InstrumentationScope{Name: "s"}
	want := &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{
		{
			Resource: &resource.Resource{Attributes: []*common.KeyValue{{Key: "r", Value: num(1)}}, EntityRefs: entity},
			ScopeSpans: []*trace.ScopeSpans{{Scope: scope, Spans: []*trace.Span{
				{
					SpanId: bytes.Repeat([]byte{1}, 8), Name: "a", Kind: 2, Status: &trace.Status{},
					Events: []*trace.Span_Event{{Name: "e", Attributes: []*common.KeyValue{{Key: "x"}}}},
				},
				{SpanId: bytes.Repeat([]byte{2}, 8), Name: "b", Kind: -7},
			}}},
		},
		{
			Resource:   &resource.Resource{Attributes: []*common.KeyValue{{Key: "r", Value: str("1")}}},
			ScopeSpans: []*trace.ScopeSpans{{Scope: scope, Spans: []*trace.Span{{Name: "c"}}}},
		},
	}}
	for name, textType := range textTypes {
		t.Run(name, func(t *testing.T) {
			batch := batchOf(t, otlp.Traces, textType, rows, "span_id", "name", "kind", "resource_attributes",
				"resource_attribute_types", "scope_name", "status_code", "events", "resource_entity_refs")
			got := encoded(t, otlp.Traces, batch, &trace.TracesData{})
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// A slice starts in the middle of its buffers, lists and maps included.
func TestASliceIsEncodedLikeItsRows(t *testing.T) {
	const rows = `[{"body_type": "-", "attributes": [{"key": "a", "value": "1"}], "attribute_types": "i"},
		{"body": "x", "body_type": "s", "attributes": [{"key": "b", "value": "2"}], "attribute_types": "i"},
		{"body": null, "body_type": "n", "attributes": [], "attribute_types": ""}]`
	batch := batchOf(t, otlp.Logs, schema.Text, rows, "body", "body_type", "attributes", "attribute_types").NewSlice(1, 3)
	got := encoded(t, otlp.Logs, batch, &logs.LogsData{})
	want := []*logs.LogRecord{
		{Body: str("x"), Attributes: []*common.KeyValue{{Key: "b", Value: num(2)}}},
		{Body: &common.AnyValue{}},
	}
	if diff := cmp.Diff(want, got.ResourceLogs[0].ScopeLogs[0].LogRecords, protocmp.Transform()); diff != "" {
		t.Fatal(diff)
	}
}

func TestMetricsOfEqualNeighboursShareOneMetric(t *testing.T) {
	const rows = `[{"metric_name": "m", "metric_type": "sum", "aggregation_temporality": "DELTA", "is_monotonic": true, "value": 3, "value_int": 3},
		{"metric_name": "m", "metric_type": "sum", "aggregation_temporality": "DELTA", "is_monotonic": true, "value": 0},
		{"metric_name": "m", "metric_type": "sum", "aggregation_temporality": "DELTA", "is_monotonic": false},
		{"metric_name": "m", "metric_type": "summary", "count": 4, "sum": 1.5, "quantiles": [{"quantile": 0.5, "value": 2}]}]`
	batch := batchOf(t, otlp.Metrics, schema.Text, rows, "metric_name", "metric_type", "aggregation_temporality", "is_monotonic",
		"value", "value_int", "count", "sum", "quantiles")
	got := encoded(t, otlp.Metrics, batch, &metrics.MetricsData{})
	sum := func(monotonic bool, points ...*metrics.NumberDataPoint) *metrics.Metric {
		return &metrics.Metric{Name: "m", Data: &metrics.Metric_Sum{Sum: &metrics.Sum{
			DataPoints: points, AggregationTemporality: 1, IsMonotonic: monotonic,
		}}}
	}
	want := []*metrics.Metric{
		sum(true, &metrics.NumberDataPoint{Value: &metrics.NumberDataPoint_AsInt{AsInt: 3}},
			&metrics.NumberDataPoint{Value: &metrics.NumberDataPoint_AsDouble{}}),
		sum(false, &metrics.NumberDataPoint{}),
		{Name: "m", Data: &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{{
			Count: 4, Sum: 1.5, QuantileValues: []*metrics.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.5, Value: 2}},
		}}}}},
	}
	if diff := cmp.Diff(want, got.ResourceMetrics[0].ScopeMetrics[0].Metrics, protocmp.Transform()); diff != "" {
		t.Fatal(diff)
	}
}

func TestDuplicatesComeBackWhereTheyWere(t *testing.T) {
	const rows = `[{"body_type": "-", "attributes": [{"key": "b", "value": "1"}, {"key": "a", "value": "2"}], "attribute_types": "ii",
		"resource_attributes": [{"key": "r", "value": "3"}], "resource_attribute_types": "i",
		"duplicate_attributes": "[{\"column\":\"attributes\",\"place\":2,\"key\":\"a\",\"type\":\"-\",\"value\":null},{\"column\":\"resource_attributes\",\"item\":0,\"place\":0,\"key\":\"r\",\"type\":\"s\",\"value\":\"é\"},{\"column\":\"attributes\",\"place\":0,\"key\":\"a\",\"type\":\"a\",\"value\":\"[]\"}]"},
		{"body_type": "-", "resource_attributes": [{"key": "r", "value": "3"}], "resource_attribute_types": "i"}]`
	batch := batchOf(t, otlp.Logs, schema.Text, rows, "body_type", "attributes", "attribute_types", "resource_attributes",
		"resource_attribute_types", "duplicate_attributes")
	got := encoded(t, otlp.Logs, batch, &logs.LogsData{})
	empty := &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{}}}
	want := []*common.KeyValue{{Key: "a", Value: empty}, {Key: "b", Value: num(1)}, {Key: "a"}, {Key: "a", Value: num(2)}}
	if diff := cmp.Diff(want, got.ResourceLogs[0].ScopeLogs[0].LogRecords[0].Attributes, protocmp.Transform()); diff != "" {
		t.Fatal(diff)
	}
	if len(got.ResourceLogs) != 2 || len(got.ResourceLogs[0].Resource.Attributes) != 2 {
		t.Fatalf("a resource with a duplicate is not the one without: %v", got)
	}
}

func TestBadBatchesAreRefusedWithColumnAndRow(t *testing.T) {
	for name, c := range map[string]struct {
		columns, row, want string
	}{
		"types too short":   {"body_type attributes attribute_types", `{"body_type": "-", "attributes": [{"key": "a", "value": "1"}], "attribute_types": ""}`, `encode logs: attributes[1]: 1 entries but types ""`},
		"no number":         {"body_type attributes attribute_types", `{"body_type": "-", "attributes": [{"key": "a", "value": "x"}], "attribute_types": "i"}`, `key "a": strconv.ParseInt`},
		"unknown type":      {"body_type attributes attribute_types", `{"body_type": "-", "attributes": [{"key": "a", "value": "x"}], "attribute_types": "?"}`, `unknown attribute type '?'`},
		"null text":         {"body_type body", `{"body_type": "s", "body": null}`, "body[1]: the value is null"},
		"text of none":      {"body_type body", `{"body_type": "-", "body": "x"}`, "body[1]: the value has a text"},
		"no body type":      {"body_type body", `{"body_type": "", "body": "x"}`, "body_type[1]"},
		"broken JSON":       {"body_type body", `{"body_type": "a", "body": "[1,"}`, "the JSON ends too early"},
		"duplicate nowhere": {"body_type duplicate_attributes", `{"body_type": "-", "duplicate_attributes": "[{\"column\":\"x\",\"key\":\"k\",\"type\":\"n\"}]"}`, "belongs to no attributes"},
		"duplicate too far": {"body_type attributes attribute_types duplicate_attributes", `{"body_type": "-", "duplicate_attributes": "[{\"column\":\"attributes\",\"place\":1,\"key\":\"k\",\"type\":\"n\"}]"}`, "place 1"},
		"not a log":         {"severity_number", `{"severity_number": 1}`, "no column body_type"},
	} {
		t.Run(name, func(t *testing.T) {
			good := `{"body_type": "-"}`
			if name == "not a log" {
				good = `{"severity_number": 2}`
			}
			batch := batchOf(t, otlp.Logs, schema.Text, "["+good+","+c.row+"]", strings.Fields(c.columns)...)
			body, err := encode.Batch([]byte("kept"), otlp.Logs, batch)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if string(body) != "kept" {
				t.Fatalf("dst became %q", body)
			}
		})
	}
}

func TestAColumnOfAnotherTypeIsRefused(t *testing.T) {
	for _, f := range []arrow.Field{
		{Name: "time_unix_nano", Type: arrow.FixedWidthTypes.Timestamp_us},
		{Name: "time_unix_nano", Type: arrow.PrimitiveTypes.Int64},
		{Name: "event_name", Type: arrow.PrimitiveTypes.Int32},
		{Name: "event_name", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.PrimitiveTypes.Int32}},
		{Name: "attributes", Type: arrow.ListOf(arrow.BinaryTypes.String)},
		{Name: "attributes", Type: arrow.BinaryTypes.String},
		{Name: "resource_entity_refs", Type: arrow.ListOf(arrow.BinaryTypes.String)},
	} {
		s := arrow.NewSchema([]arrow.Field{{Name: "body_type", Type: schema.Text}, f}, nil)
		b := array.NewRecordBuilder(memory.DefaultAllocator, s)
		_, err := encode.Batch(nil, otlp.Logs, b.NewRecordBatch())
		if err == nil || !strings.Contains(err.Error(), f.Name+": a type") {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestIndicesBeyondTheDictionaryAreAFault(t *testing.T) {
	indices := array.NewInt32Builder(memory.DefaultAllocator)
	indices.Append(0)
	good := indices.NewArray()
	indices.Append(7)
	bad := indices.NewArray()
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.Append("-")
	dict := texts.NewArray()
	s := arrow.NewSchema([]arrow.Field{{Name: "body_type", Type: schema.Text}}, nil)
	column := array.NewDictionaryArray(schema.Text, good, dict)
	data := bad.Data().(*array.Data)
	beyond := array.NewDataWithDictionary(schema.Text, 1, data.Buffers(), 0, 0, dict.Data().(*array.Data))
	for _, c := range []struct {
		column arrow.Array
		ok     bool
	}{{column, true}, {array.NewDictionaryData(beyond), false}} {
		_, err := encode.Batch(nil, otlp.Logs, array.NewRecordBatch(s, []arrow.Array{c.column}, 1))
		if (err == nil) != c.ok || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("ok %v: %v", c.ok, err)
		}
	}
}

// Containers that differ only in the earlier value of a repeated key do not merge.
func TestDuplicatesKeepScopesAndMetricsApart(t *testing.T) {
	const rows = `[{"metric_type": "gauge", "C": [{"key": "k", "value": "1"}], "T": "i",
			"duplicate_attributes": "[{\"column\":\"C\",\"place\":0,\"key\":\"k\",\"type\":\"n\",\"value\":null}]"},
		{"metric_type": "gauge", "C": [{"key": "k", "value": "1"}], "T": "i"}]`
	for _, column := range []string{"scope_attributes", "metric_metadata"} {
		types := map[string]string{"scope_attributes": "scope_attribute_types", "metric_metadata": "metric_metadata_types"}[column]
		json := strings.NewReplacer(`"C"`, `"`+column+`"`, `\"C\"`, `\"`+column+`\"`, `"T"`, `"`+types+`"`).Replace(rows)
		batch := batchOf(t, otlp.Metrics, schema.Text, json, "metric_type", column, types, "duplicate_attributes")
		got := encoded(t, otlp.Metrics, batch, &metrics.MetricsData{}).ResourceMetrics[0].ScopeMetrics
		if len(got)+len(got[0].Metrics) != 3 {
			t.Errorf("%s: %v", column, got)
		}
	}
}
