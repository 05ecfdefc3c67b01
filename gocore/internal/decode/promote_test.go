package decode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

func pair(key string, value any) *commonpb.KeyValue {
	v := &commonpb.AnyValue{}
	switch value := value.(type) {
	case string:
		v.Value = &commonpb.AnyValue_StringValue{StringValue: value}
	case int:
		v.Value = &commonpb.AnyValue_IntValue{IntValue: int64(value)}
	case float64:
		v.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: value}
	case bool:
		v.Value = &commonpb.AnyValue_BoolValue{BoolValue: value}
	case []string:
		list := &commonpb.ArrayValue{}
		for _, each := range value {
			list.Values = append(list.Values, pair("", each).Value)
		}
		v.Value = &commonpb.AnyValue_ArrayValue{ArrayValue: list}
	}
	return &commonpb.KeyValue{Key: key, Value: v}
}

// spansOf is a request of spans with these attributes; the resource has r.
func spansOf(t *testing.T, r int, spans ...[]*commonpb.KeyValue) []byte {
	t.Helper()
	scope := &tracepb.ScopeSpans{}
	for _, attributes := range spans {
		scope.Spans = append(scope.Spans, &tracepb.Span{Attributes: attributes})
	}
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{pair("r", r)}}, ScopeSpans: []*tracepb.ScopeSpans{scope}}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// valuesOf are a column's values as text.
func valuesOf(batch arrow.RecordBatch, column string) string {
	array := batch.Column(batch.Schema().FieldIndices(column)[0])
	var got []string
	for i := range array.Len() {
		got = append(got, array.ValueStr(i))
	}
	return strings.Join(got, " ")
}

func TestPromotedColumns(t *testing.T) {
	promoted, faults := schema.Promotions([]string{"s", "i:int", "d:double", "b:bool", "resource/r:int"})
	if faults != nil {
		t.Fatal(faults)
	}
	request := func(resource int, spans ...[]*commonpb.KeyValue) []byte { return spansOf(t, resource, spans...) }
	table := New(otlp.Traces, promoted...)
	for range 2 { // a table is used again, and what it remembers of keys with it
		table.Reset()
		for _, body := range [][]byte{
			request(7, []*commonpb.KeyValue{pair("s", "x"), pair("i", 1), pair("d", 0.5), pair("b", true)}, nil),
			request(8, []*commonpb.KeyValue{pair("i", "1"), pair("s", 1), pair("d", 1), pair("b", "true")}), // of other types
			request(9, []*commonpb.KeyValue{pair("other", 1), pair("s", "first"), pair("b", false), pair("s", "last")}),
		} {
			if err := table.Decode(body); err != nil {
				t.Fatal(err)
			}
			if err := table.Decode(append(body, 0xff)); err == nil {
				t.Fatal("a broken request was accepted")
			}
		}
		batch := table.Batch()
		for column, want := range map[string]string{
			"s": "x (null) (null) last", "i": "1 (null) (null) (null)", "d": "0.5 (null) (null) (null)",
			"b": "true (null) (null) false", "r": "7 7 8 9",
		} {
			if text := valuesOf(batch, column); text != want {
				t.Errorf("%s: %s, want %s", column, text, want)
			}
		}
		batch.Release()
	}
}

// TestPromotedOlderNames: an older name counts where the present one is absent, whatever their order; and it
// may have a column of its own.
func TestPromotedOlderNames(t *testing.T) {
	promoted, faults := schema.Promotions([]string{"new|old:int", "other|old:int", "old:int"})
	if faults != nil {
		t.Fatal(faults)
	}
	table := New(otlp.Traces, promoted...)
	body := spansOf(t, 1,
		[]*commonpb.KeyValue{pair("old", 1)}, []*commonpb.KeyValue{pair("new", 2)},
		[]*commonpb.KeyValue{pair("old", 3), pair("new", 4)}, []*commonpb.KeyValue{pair("new", 5), pair("old", 6)},
		[]*commonpb.KeyValue{pair("new", "of another type"), pair("old", 7)}, nil)
	if err := table.Decode(body); err != nil {
		t.Fatal(err)
	}
	batch := table.Batch()
	defer batch.Release()
	for column, want := range map[string]string{
		"new": "1 2 4 5 (null) (null)", "other": "1 (null) 3 6 7 (null)", "old": "1 (null) 3 6 7 (null)",
	} {
		if text := valuesOf(batch, column); text != want {
			t.Errorf("%s: %s, want %s", column, text, want)
		}
	}
}

// TestManyPromotedColumns: each has its own attribute's values, however many there are.
func TestManyPromotedColumns(t *testing.T) {
	const many = 600
	var promoted []schema.Promotion
	var attributes []*commonpb.KeyValue
	for i := range many {
		name := fmt.Sprintf("k%d", i)
		promoted = append(promoted, schema.Promotion{Column: name, Attribute: name, Kind: 'i'})
		attributes = append(attributes, pair(name, i))
	}
	table := New(otlp.Traces, promoted...)
	if err := table.Decode(spansOf(t, 1, attributes)); err != nil {
		t.Fatal(err)
	}
	batch := table.Batch()
	defer batch.Release()
	for i, p := range promoted {
		if got := valuesOf(batch, p.Column); got != fmt.Sprint(i) {
			t.Errorf("%s: %s, want %d", p.Column, got, i)
		}
	}
}

// TestPromotedAny: values of all types, as their text in the map.
func TestPromotedAny(t *testing.T) {
	promoted, _ := schema.Promotions([]string{"x:any"})
	table := New(otlp.Traces, promoted...)
	var spans [][]*commonpb.KeyValue
	for _, value := range []any{"stop", 1, 0.5, true, []string{"stop", "length"}, nil} {
		spans = append(spans, []*commonpb.KeyValue{pair("x", value)})
	}
	if err := table.Decode(spansOf(t, 1, spans...)); err != nil {
		t.Fatal(err)
	}
	batch := table.Batch()
	defer batch.Release()
	if got, want := valuesOf(batch, "x"), `stop 1 0.5 true ["stop","length"] (null)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPromotedColumnsOfEverySignal(t *testing.T) {
	promoted, _ := schema.Promotions([]string{"http", "resource/host.name"})
	for _, s := range otlp.Signals {
		t.Run(s.String(), func(t *testing.T) {
			table := New(s, promoted...)
			if err := table.Decode(sample.New(1, 1).Body(s.String(), 30)); err != nil {
				t.Fatal(err)
			}
			batch := table.Batch()
			defer batch.Release()
			for _, column := range []string{"http_request_method", "http_response_status_code", "host_name"} {
				if array := batch.Column(batch.Schema().FieldIndices(column)[0]); array.Len() != 30 || array.NullN() != 0 {
					t.Errorf("%s has %d values, %d of them null", column, array.Len(), array.NullN())
				}
			}
			if fields := fmt.Sprint(batch.Schema()); !strings.Contains(fields, "promoted_from") {
				t.Errorf("no source in %s", fields)
			}
		})
	}
}
