package otlpjson

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// tree is a document's values, numbers that stand for the same double equal.
func tree(t require, document []byte) (all any) {
	t.noError(json.Unmarshal(document, &all))
	return all
}

// What is written means the same to google's code (ids aside), to our reader and to the
// Collector's.
func TestFromProtoAgreesWithProtoJSON(t *testing.T) {
	for _, s := range otlp.Signals {
		t.Run(s.String(), rapid.MakeCheck(func(t *rapid.T) {
			r := require{t}
			m := newRequest(s)
			generate(t, m.ProtoReflect(), 9)
			body, err := proto.Marshal(m)
			r.noError(err)
			document, err := FromProto([]byte("kept"), s, body)
			r.noError(err)
			if string(document[:4]) != "kept" || strings.ContainsRune(string(document), '\n') {
				t.Fatalf("dst was lost, or several lines: %s", document)
			}
			document = document[4:]
			want := protoJSON(r, m, protojson.MarshalOptions{UseEnumNumbers: true})
			if got := tree(r, document); !reflect.DeepEqual(got, tree(r, want)) {
				t.Fatalf("\ngot  %s\nwant %s", document, want)
			}
			again, err := ToProto(nil, s, document, Allowance{})
			r.noError(err)
			got := newRequest(s)
			r.noError(proto.Unmarshal(again, got))
			if !proto.Equal(got, m) {
				t.Fatalf("%s\ngot  %v\nwant %v", document, got, m)
			}
			_, err = pdataProto(s, document)
			r.noError(err)
		}))
	}
}

func sub(number protowire.Number, parts ...[]byte) []byte {
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), all)
}

func varint(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

func fixed64(number protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), v)
}

// spanWith, valueWith and pointWith are bodies around the fields of a span, of the value of an
// attribute of a resource, and of a histogram's or an exponential histogram's data point.
func spanWith(parts ...[]byte) []byte { return sub(1, sub(2, sub(2, parts...))) }

func valueWith(parts ...[]byte) []byte { return sub(1, sub(1, sub(1, sub(2, parts...)))) }

func pointWith(data protowire.Number, parts ...[]byte) []byte {
	return sub(1, sub(2, sub(2, sub(data, sub(1, parts...)))))
}

func TestFromProtoOfOddBodies(t *testing.T) {
	const (
		span  = `{"resourceSpans":[{"scopeSpans":[{"spans":[{`
		value = `{"resourceSpans":[{"resource":{"attributes":[{"value":{`
		hist  = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{`
		expo  = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"exponentialHistogram":{"dataPoints":[{`
	)
	doubles := protowire.AppendFixed64(protowire.AppendFixed64(nil, math.Float64bits(1)), math.Float64bits(-0.5))
	tests := []struct {
		name   string
		signal otlp.Signal
		body   []byte
		want   string
	}{
		{"nothing", otlp.Logs, nil, `{}`},
		{"unknown fields", otlp.Traces, spanWith(varint(99, 1), varint(17, 1), sub(5, []byte("n"))), span + `"name":"n"}]}]}]}`},
		{"wrong wire types", otlp.Traces, spanWith(varint(5, 1), sub(7, []byte("x")), varint(9, 3)), span + `}]}]}]}`},
		{"the last scalar counts", otlp.Traces, spanWith(sub(5, []byte("a")), sub(5, []byte("b")), varint(6, 2), varint(6, 0)), span + `"name":"b"}]}]}]}`},
		{"parts of a message", otlp.Traces, spanWith(sub(15, sub(2, []byte("m"))), sub(15, varint(3, 2))), span + `"status":{"message":"m","code":2}}]}]}]}`},
		{"a list in pieces", otlp.Traces, spanWith(sub(11, sub(2, []byte("a"))), sub(5, []byte("n")), sub(11), sub(11, sub(2, []byte("b")))),
			span + `"name":"n","events":[{"name":"a"},{},{"name":"b"}]}]}]}]}`},
		{"the last of a oneof counts", otlp.Traces, valueWith(sub(1, []byte("x")), varint(3, 1<<63)), value + `"intValue":"-9223372036854775808"}}]}}]}`},
		{"zero in a oneof", otlp.Traces, valueWith(varint(2, 0)), value + `"boolValue":false}}]}}]}`},
		{"no value", otlp.Traces, valueWith(), value + `}}]}}]}`},
		{"escapes", otlp.Traces, valueWith(sub(1, []byte("\"\\\n\r\t\x00\x1f/é\u2028"))), value + `"stringValue":"\"\\\n\r\t\u0000\u001f/é` + "\u2028" + `"}}]}}]}`},
		{"packed and not", otlp.Metrics, pointWith(9, sub(7, doubles), fixed64(7, math.Float64bits(math.Inf(1)))), hist + `"explicitBounds":[1,-0.5,"Infinity"]}]}}]}]}]}`},
		{"counts", otlp.Metrics, pointWith(10, sub(8, varint(1, 5), sub(2, []byte{1, 0xff, 1}), varint(2, 7))),
			expo + `"positive":{"offset":-3,"bucketCounts":["1","255","7"]}}]}}]}]}]}`},
		{"a long varint of an int32", otlp.Traces, spanWith(varint(6, 1<<32)), span + `}]}]}]}`},
	}
	for _, tt := range tests {
		got, err := FromProto(nil, tt.signal, tt.body)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", tt.name, err, got, tt.want)
		}
	}
}

func TestFromProtoRefuses(t *testing.T) {
	deep := sub(1, []byte("x"))
	for range maxValueDepth {
		deep = sub(5, sub(1, deep))
	}
	tests := []struct {
		name   string
		signal otlp.Signal
		body   []byte
		want   string
	}{
		{"cut", otlp.Traces, []byte{10, 5}, "encode JSON: truncated at byte 2"},
		{"cut below", otlp.Traces, spanWith(sub(5, []byte("n")), sub(9, []byte{10, 9})), "resourceSpans[0].scopeSpans[0].spans[0].attributes[0]: truncated"},
		{"text", otlp.Traces, spanWith(sub(5, []byte{0xff})), "spans[0].name: text that is not UTF-8"},
		{"id", otlp.Traces, spanWith(sub(1, []byte("short"))), "spans[0].traceId: 5 bytes, want 0 or 16"},
		{"span id", otlp.Traces, spanWith(sub(2, []byte("short"))), "spans[0].spanId: 5 bytes, want 0 or 8"},
		{"depth", otlp.Traces, valueWith(deep), "more than 200 values inside one another"},
		{"half a number", otlp.Metrics, pointWith(9, sub(7, []byte("1234567812"))), "dataPoints[0].explicitBounds[0]: truncated at byte 8"},
		{"varints", otlp.Metrics, pointWith(10, sub(8, sub(2, []byte{1, 0xff}))), "positive.bucketCounts[0]: truncated"},
		{"signal", otlp.Count, nil, "unknown signal(3)"},
	}
	for _, tt := range tests {
		got, err := FromProto([]byte("kept"), tt.signal, tt.body)
		if err == nil || !strings.Contains(err.Error(), tt.want) || string(got) != "kept" {
			t.Errorf("%s: %v, %s; want %q", tt.name, err, got, tt.want)
		}
		if kind := fault.KindOf(err); kind != fault.Invalid && tt.signal < otlp.Count {
			t.Errorf("%s: is %v", tt.name, kind)
		}
	}
}

// FuzzFromProto: no panic; what is written is JSON that reads back to what google's code
// makes of the body; what is refused leaves the buffer alone.
func FuzzFromProto(f *testing.F) {
	for _, seed := range [][]byte{nil, spanWith(sub(5, []byte("n")), sub(15), sub(11), varint(6, 3)), valueWith(sub(5, sub(1, varint(2, 0)))),
		pointWith(9, sub(7, make([]byte, 16)), fixed64(5, 1)), pointWith(10, sub(8, varint(1, 5), sub(2, []byte{1, 2}))), {10, 0, 10, 5}} {
		for _, s := range otlp.Signals {
			f.Add(uint8(s), seed)
		}
	}
	reused := make([]byte, 0, 1<<16)
	f.Fuzz(func(t *testing.T, signal uint8, body []byte) {
		s := otlp.Signal(signal % otlp.Count)
		reused = append(reused[:0], "kept"...)
		document, err := FromProto(reused, s, body)
		if string(document[:4]) != "kept" {
			t.Fatal("dst was overwritten")
		}
		if err != nil {
			if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Invalid || len(document) != 4 {
				t.Fatalf("%v, %d bytes", err, len(document))
			}
			return
		}
		want, got := newRequest(s), newRequest(s)
		if proto.Unmarshal(body, want) != nil {
			return // unknown fields are only passed over here
		}
		again, err := ToProto(nil, s, document[4:], Allowance{})
		if err != nil {
			t.Fatalf("%s: %v", document[4:], err)
		}
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, want); err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(again, got); err != nil || !proto.Equal(got, want) {
			t.Fatalf("%v\n%s\ngot  %v\nwant %v", err, document[4:], got, want)
		}
	})
}

// go test -run '^$' -bench FromProto ./gocore/internal/otlpjson/
func BenchmarkFromProto(b *testing.B) {
	for _, s := range otlp.Signals {
		body, err := ToProto(nil, s, []byte(benchDocuments[s]), Allowance{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("signal="+s.String(), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var buffer []byte
			for b.Loop() {
				if buffer, err = FromProto(buffer[:0], s, body); err != nil {
					b.Fatal(err)
				}
			}
			perItem := float64(b.N) * benchItems
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/perItem, "ns/item")
			b.ReportMetric(float64(len(buffer))/benchItems, "bytes/item")
		})
	}
}
