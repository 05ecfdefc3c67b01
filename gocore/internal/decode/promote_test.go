package decode

import (
	"fmt"
	"strings"
	"testing"

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
	}
	return &commonpb.KeyValue{Key: key, Value: v}
}

func TestPromotedColumns(t *testing.T) {
	promoted, faults := schema.Promotions([]string{"s", "i:int", "d:double", "b:bool", "resource/r:int"})
	if faults != nil {
		t.Fatal(faults)
	}
	request := func(resource int, spans ...[]*commonpb.KeyValue) []byte {
		scope := &tracepb.ScopeSpans{}
		for _, attributes := range spans {
			scope.Spans = append(scope.Spans, &tracepb.Span{Attributes: attributes})
		}
		body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
			Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{pair("r", resource)}}, ScopeSpans: []*tracepb.ScopeSpans{scope}}}})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
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
			array := batch.Column(batch.Schema().FieldIndices(column)[0])
			var got []string
			for i := range array.Len() {
				got = append(got, array.ValueStr(i))
			}
			if text := strings.Join(got, " "); text != want {
				t.Errorf("%s: %s, want %s", column, text, want)
			}
		}
		batch.Release()
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
