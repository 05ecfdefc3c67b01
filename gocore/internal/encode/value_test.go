package encode

import (
	"bytes"
	"math"
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

func str(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func num(n int64) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}
}

func TestValuesFromText(t *testing.T) {
	kv := func(values ...*common.KeyValue) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: values}}}
	}
	array := func(values ...*common.AnyValue) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: values}}}
	}
	double := func(f float64) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: f}}
	}
	octets := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte(s)}}
	}
	yes := &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}
	none := &common.AnyValue{}
	for _, c := range []struct {
		letter byte
		text   string
		want   *common.AnyValue
	}{
		{'s', "", str("")},
		{'s', "a\x00", str("a\x00")},
		{'i', "-9223372036854775808", num(math.MinInt64)},
		{'d', "1e+30", double(1e30)},
		{'d', "-0.0", double(math.Copysign(0, -1))},
		{'d', "NaN", double(math.NaN())},
		{'d', "-Infinity", double(math.Inf(-1))},
		{'b', "true", yes},
		{'y', "aGk=", octets("hi")},
		{'y', "", octets("")},
		{'a', `[]`, array()},
		{'a', ` [ 1 , 1.0,1e2,-0.0, "x" ,true,null,[[]],{}] `, array(num(1), double(1), double(100), double(math.Copysign(0, -1)),
			str("x"), yes, none, array(array()), kv())},
		{'a', `[{"$bytes":"aGk="},{"$double":"NaN"},{"$double":"Infinity"}]`, array(octets("hi"), double(math.NaN()), double(math.Inf(1)))},
		{'a', `["\"\\\/\u00e9\ud83d\ude00\n","\u0000"]`, array(str("\"\\/é😀\n"), str("\x00"))},
		{'k', `{}`, kv()},
		{'k', `{"b":1,"a":null,"":{"c":[2]}}`, kv(&common.KeyValue{Key: "b", Value: num(1)}, &common.KeyValue{Key: "a", Value: none},
			&common.KeyValue{Value: kv(&common.KeyValue{Key: "c", Value: array(num(2))})})},
		{'k', `{"$kvlist":[["$bytes","x"],["a"],["a",null]]}`, kv(&common.KeyValue{Key: "$bytes", Value: str("x")},
			&common.KeyValue{Key: "a"}, &common.KeyValue{Key: "a", Value: none})},
		{'k', `{"$kvlist":[]}`, kv()},
	} {
		b, err := appendOneof(nil, c.letter, c.text)
		if err != nil {
			t.Errorf("%c %s: %v", c.letter, c.text, err)
			continue
		}
		got := &common.AnyValue{}
		if err := proto.Unmarshal(b, got); err != nil {
			t.Fatal(err)
		}
		wantBytes, _ := proto.Marshal(c.want)
		gotBytes, _ := proto.Marshal(got)
		if !bytes.Equal(wantBytes, gotBytes) {
			t.Errorf("%c %s: %v, want %v", c.letter, c.text, got, c.want)
		}
	}
}

func TestTextsThatAreNoValue(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+1)
	for _, c := range []struct {
		letter byte
		text   string
	}{
		{'i', ""}, {'i', "1.0"}, {'i', "9223372036854775808"}, {'d', "x"}, {'b', "TRUE"}, {'y', "aGk"}, {'?', ""},
		{'a', ""}, {'a', "{}"}, {'k', "[]"}, {'k', `{"$bytes":"aGk="}`}, {'a', "[1]2"}, {'a', "[1 2]"}, {'a', "[1,]"}, {'a', "[,]"},
		{'a', "[nul]"}, {'a', "[Infinity]"}, {'a', `["a]`}, {'a', `["\x"]`}, {'a', "[9223372036854775808]"}, {'a', "[1]\x00"}, {'a', deep},
		{'k', `{"a"}`}, {'k', `{"a":}`}, {'k', `{1:2}`}, {'k', `{"$other":1}`}, {'k', `{"$kvlist":[["a",1,2]]}`}, {'k', `{"$kvlist":[[]]}`},
		{'k', `{"$kvlist":[],"a":1}`}, {'k', `{"$kvlist":{}}`}, {'a', `[{"$double":"y"}]`},
	} {
		if b, err := appendOneof(nil, c.letter, c.text); err == nil {
			t.Errorf("%c %s became %x", c.letter, c.text, b)
		}
	}
}

// Whatever the text, the reader ends, and what it takes is a well-formed AnyValue.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`[1,2.5,null]`, `{"$kvlist":[["a",{"b":[]}],["c"]]}`, `[{"$bytes":"aGk="}]`, `{"a":"\u00e9"}`, `["\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, letter := range []byte("ak") {
			b, err := appendJSON([]byte("kept"), letter, text)
			if string(b[:4]) != "kept" {
				t.Fatal("wrote over what was there")
			}
			if err == nil && !strings.Contains(strings.ToValidUTF8(text, "\ufffd"), "\ufffd") {
				if err := proto.Unmarshal(b[4:], &common.AnyValue{}); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
			}
		}
	})
}
