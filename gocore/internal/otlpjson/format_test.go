package otlpjson

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestFromProtoRoundTrip: what is read back is what was written, whatever it is.
func TestFromProtoRoundTrip(t *testing.T) {
	for _, s := range otlp.Signals {
		t.Run(s.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				body, err := proto.Marshal(otlpgen.Request(t, s))
				if err != nil {
					t.Fatal(err)
				}
				roundTrip(t, s, body)
			})
		})
	}
}

// fatal is what testing.T and rapid.T share.
type fatal interface {
	Fatalf(format string, args ...any)
	Helper()
}

func roundTrip(t fatal, s otlp.Signal, body []byte) {
	t.Helper()
	document, err := FromProto(nil, s, body)
	if err != nil || !json.Valid(document) {
		t.Fatalf("%v: %s", err, document)
	}
	again, err := ToProto(nil, s, document, Allowance{})
	if err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	want, got := newRequest(s), newRequest(s)
	if err := errors.Join(proto.Unmarshal(body, want), proto.Unmarshal(again, got)); err != nil {
		t.Fatalf("%v", err)
	}
	if !proto.Equal(want, got) {
		t.Fatalf("%v became\n%s", want, document)
	}
}

// TestFromProto: the rules of OTLP JSON.
func TestFromProto(t *testing.T) {
	body, err := proto.Marshal(&trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{{
		TraceId: []byte{0: 0xAB, 15: 1}, SpanId: []byte{0: 0xCD, 7: 2}, Name: "a\"b\\\n\u00e4\u2028", Kind: trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: math.MaxUint64, Flags: 257, Attributes: []*common.KeyValue{
			{Key: "i", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -5}}},
			{Key: "d", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: math.Inf(-1)}}},
			{Key: "n", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: math.NaN()}}},
			{Key: "y", Value: &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{255}}}},
			{Key: "f", Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{}}},
		},
	}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromProto([]byte("before"), otlp.Traces, body)
	want := `before{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"ab000000000000000000000000000001","spanId":"cd00000000000002",` +
		`"flags":257,"name":"a\"b\\\u000a` + "\u00e4\u2028" + `","kind":2,"startTimeUnixNano":"18446744073709551615","attributes":[` +
		`{"key":"i","value":{"intValue":"-5"}},{"key":"d","value":{"doubleValue":"-Infinity"}},{"key":"n","value":{"doubleValue":"NaN"}},` +
		`{"key":"y","value":{"bytesValue":"/w=="}},{"key":"f","value":{"boolValue":false}}]}]}]}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\n%s", err, got, want)
	}
}

// TestFromProtoWire: what other writers of protobuf may do.
func TestFromProtoWire(t *testing.T) {
	span := func(fields string) []byte {
		scope := "\x12" + string(rune(len(fields))) + fields
		resource := "\x12" + string(rune(len(scope))) + scope
		return []byte("\x0a" + string(rune(len(resource))) + resource)
	}
	for fields, want := range map[string]string{
		"\x2a\x01a\x2a\x01b":                `{"name":"b"}`,                                  // the last counts
		"\x7a\x02\x18\x01\x7a\x03\x12\x01m": `{"status":{"message":"m","code":1}}`,           // messages merge
		"\x28\x01\x2a\x01b":                 `{"name":"b"}`,                                  // another wire type is another field
		"\x4a\x06\x12\x04\x18\x05\x10\x01":  `{"attributes":[{"value":{"boolValue":true}}]}`, // the last of a oneof
		"\x5a\x00\x2a\x01b\x5a\x00":         `{"name":"b","events":[{},{}]}`,                 // a list with others between
		"\x2a\x02\xff\x41":                  "{\"name\":\"\uFFFDA\"}",                        // no UTF-8
	} {
		got, err := FromProto(nil, otlp.Traces, span(fields))
		if full := `{"resourceSpans":[{"scopeSpans":[{"spans":[` + want + `]}]}]}`; err != nil || string(got) != full {
			t.Errorf("%q: %v\n%s\n%s", fields, err, got, full)
		}
	}
	unpacked, err := FromProto(nil, otlp.Metrics, nested(1, 2, 2, 10, 1, 8, "\x10\x05\x10\x06"))
	if err != nil || !strings.Contains(string(unpacked), `{"bucketCounts":["5","6"]}`) {
		t.Errorf("%v, %s", err, unpacked)
	}
	for _, broken := range []string{"\x0a", "\x0a\x02\x12"} {
		if _, err := FromProto(nil, otlp.Traces, []byte(broken)); err == nil {
			t.Errorf("%q is written", broken)
		}
	}
	deep := "\x08\x01"
	for range maxFormatDepth {
		deep = string(nested(1, 5, deep))
	}
	if _, err := FromProto(nil, otlp.Logs, nested(1, 2, 2, 5, 5, deep)); !errors.Is(err, errDeep) {
		t.Errorf("%v", err)
	}
}

// nested wraps a text in message fields, the outermost first.
func nested(fields ...any) []byte {
	inner := []byte(fields[len(fields)-1].(string))
	for i := len(fields) - 2; i >= 0; i-- {
		outer := []byte{byte(fields[i].(int))<<3 | 2}
		for n := len(inner); ; n >>= 7 {
			if n < 0x80 {
				outer = append(outer, byte(n))
				break
			}
			outer = append(outer, byte(n)|0x80)
		}
		inner = append(outer, inner...)
	}
	return inner
}

func FuzzFromProto(f *testing.F) {
	maker := sample.New(1, 1)
	for _, s := range otlp.Signals {
		f.Add(uint8(s), maker.Body(s.String(), 3))
	}
	f.Fuzz(func(t *testing.T, signal uint8, body []byte) {
		if document, err := FromProto(nil, otlp.Signals[signal%otlp.Count], body); err == nil && !json.Valid(document) {
			t.Fatalf("%q became %s", body, document)
		}
	})
}

func BenchmarkFromProto(b *testing.B) {
	body := sample.New(1, 1).Body("traces", 100)
	b.SetBytes(int64(len(body)))
	var document []byte
	for b.Loop() {
		document, _ = FromProto(document[:0], otlp.Traces, body)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/item")
}
