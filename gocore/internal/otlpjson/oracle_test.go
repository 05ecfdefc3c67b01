package otlpjson

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// generate fills a message with anything its descriptor allows, ids of good lengths.
func generate(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		deep := fd.Message() != nil && depth <= 0
		if deep || fd.ContainingOneof() != nil && m.WhichOneof(fd.ContainingOneof()) != nil || rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			continue
		}
		if !fd.IsList() {
			m.Set(fd, generateValue(t, fd, m.NewField(fd), depth))
			continue
		}
		l := m.Mutable(fd).List()
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			l.Append(generateValue(t, fd, l.NewElement(), depth))
		}
	}
}

func generateValue(t *rapid.T, fd protoreflect.FieldDescriptor, zero protoreflect.Value, depth int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		generate(t, zero.Message(), depth-1)
		return zero
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.ToValidUTF8(rapid.String().Draw(t, "s"), ""))
	case protoreflect.BytesKind:
		if size := idSize(fd); size > 0 {
			size *= rapid.IntRange(0, 1).Draw(t, "id set")
			return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "id"))
		}
		return protoreflect.ValueOfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "b"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "o"))
	case protoreflect.DoubleKind:
		special := rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64})
		return protoreflect.ValueOfFloat64(rapid.OneOf(rapid.Float64(), special).Draw(t, "d"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(0, 5).Draw(t, "e")))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "i"))
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "l"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "u"))
	default:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "v"))
	}
}

// idSize is the length of an id, 0 for other bytes.
func idSize(fd protoreflect.FieldDescriptor) int {
	switch fd.Name() {
	case "trace_id":
		return 16
	case "span_id", "parent_span_id":
		return 8
	}
	return 0
}

// protoJSON is google's writer with the ids rewritten from base64 to hex.
func protoJSON(t require, m proto.Message, options protojson.MarshalOptions) []byte {
	text, err := options.Marshal(m)
	t.noError(err)
	var tree any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	t.noError(decoder.Decode(&tree))
	rewriteIDs(t, tree)
	text, err = json.Marshal(tree)
	t.noError(err)
	return text
}

func rewriteIDs(t require, tree any) {
	switch node := tree.(type) {
	case []any:
		for _, element := range node {
			rewriteIDs(t, element)
		}
	case map[string]any:
		for key, value := range node {
			text, isText := value.(string)
			switch key {
			case "traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id":
				if isText {
					raw, err := base64.StdEncoding.DecodeString(text)
					t.noError(err)
					node[key] = hex.EncodeToString(raw)
				}
			default:
				rewriteIDs(t, value)
			}
		}
	}
}

type fataler interface{ Fatal(args ...any) }

// require ends a test or a rapid case at the first error.
type require struct{ fataler }

func (r require) noError(err error) {
	if err != nil {
		r.Fatal(err)
	}
}

func TestAgreesWithProtoJSON(t *testing.T) {
	for _, s := range otlp.Signals {
		for _, options := range []protojson.MarshalOptions{{}, {UseEnumNumbers: true, EmitUnpopulated: true}, {UseProtoNames: true}} {
			t.Run(s.String(), rapid.MakeCheck(func(t *rapid.T) {
				want := newRequest(s)
				generate(t, want.ProtoReflect(), 9)
				document := protoJSON(require{t}, want, options)
				body, err := ToProto(nil, s, document, Allowance{})
				require{t}.noError(err)
				got := newRequest(s)
				require{t}.noError(proto.Unmarshal(body, got))
				if !proto.Equal(got, want) {
					t.Fatalf("%s\ngot  %v\nwant %v", document, got, want)
				}
			}))
		}
	}
}

// pdataJSON reads a body with the Collector's code and writes it as its exporters do.
func pdataJSON(s otlp.Signal, body []byte) ([]byte, error) {
	switch s {
	case otlp.Traces:
		data, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
		if err != nil {
			return nil, err
		}
		return (&ptrace.JSONMarshaler{}).MarshalTraces(data)
	case otlp.Metrics:
		data, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(body)
		if err != nil {
			return nil, err
		}
		return (&pmetric.JSONMarshaler{}).MarshalMetrics(data)
	default:
		data, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
		if err != nil {
			return nil, err
		}
		return (&plog.JSONMarshaler{}).MarshalLogs(data)
	}
}

// pdataProto reads a document with the Collector's code.
func pdataProto(s otlp.Signal, document []byte) ([]byte, error) {
	switch s {
	case otlp.Traces:
		data, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(document)
		if err != nil {
			return nil, err
		}
		return (&ptrace.ProtoMarshaler{}).MarshalTraces(data)
	case otlp.Metrics:
		data, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(document)
		if err != nil {
			return nil, err
		}
		return (&pmetric.ProtoMarshaler{}).MarshalMetrics(data)
	default:
		data, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(document)
		if err != nil {
			return nil, err
		}
		return (&plog.ProtoMarshaler{}).MarshalLogs(data)
	}
}

// Both readers make the same of what the Collector writes. What they make is compared
// after pdata read it once more, since pdata always writes its non-pointer messages.
func TestAgreesWithPdata(t *testing.T) {
	for _, s := range otlp.Signals {
		t.Run(s.String(), rapid.MakeCheck(func(t *rapid.T) {
			r := require{t}
			m := newRequest(s)
			generate(t, m.ProtoReflect(), 9)
			body, err := proto.Marshal(m)
			r.noError(err)
			document, err := pdataJSON(s, body)
			r.noError(err)
			theirs, err := pdataProto(s, document)
			r.noError(err)
			ours, err := ToProto(nil, s, document, Allowance{})
			r.noError(err)
			want, err := pdataJSON(s, theirs)
			r.noError(err)
			got, err := pdataJSON(s, ours)
			r.noError(err)
			if string(got) != string(want) {
				t.Fatalf("%s\ngot  %s\nwant %s", document, got, want)
			}
		}))
	}
}
