package otlpjson

import (
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

const (
	traceHex = "5B8EFFF798038103D269B633813FC60C"
	spanHex  = "EEE19B7EC3C1B174"
	inSpan   = "resourceSpans[0].scopeSpans[0].spans[0]"
	inPoint  = "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0]"
)

// The documents around what a case is about.
func asSpan(members string) string {
	return `{"resourceSpans":[{"scopeSpans":[{"spans":[{` + members + `}]}]}]}`
}
func asValue(v string) string { return asSpan(`"attributes":[{"key":"k","value":` + v + `}]`) }
func asMetric(members string) string {
	return `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{` + members + `}]}]}]}`
}
func asGauge(point string) string { return asMetric(`"gauge":{"dataPoints":[{` + point + `}]}`) }
func asHistogram(point string) string {
	return asMetric(`"histogram":{"dataPoints":[{` + point + `}]}`)
}
func asExponential(point string) string {
	return asMetric(`"exponentialHistogram":{"dataPoints":[{` + point + `}]}`)
}
func asLog(members string) string {
	return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{` + members + `}]}]}]}`
}

// The same in protobuf's text format, for what is expected.
func textSpan(m string) string {
	return "resource_spans{scope_spans{spans{" + m + "}}}"
}
func textValue(v string) string { return textSpan(`attributes{key:"k" value{` + v + `}}`) }
func textMetric(m string) string {
	return "resource_metrics{scope_metrics{metrics{" + m + "}}}"
}
func textGauge(p string) string     { return textMetric("gauge{data_points{" + p + "}}") }
func textHistogram(p string) string { return textMetric("histogram{data_points{" + p + "}}") }
func textExponential(p string) string {
	return textMetric("exponential_histogram{data_points{" + p + "}}")
}
func textLog(m string) string { return "resource_logs{scope_logs{log_records{" + m + "}}}" }

// idText is an id's bytes in the text format.
func idText(digits string) string {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	for _, c := range raw {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return `"` + b.String() + `"`
}

func arrays(depth int) string {
	return strings.Repeat(`{"arrayValue":{"values":[`, depth-1) + `{"stringValue":"leaf"}` + strings.Repeat(`]}}`, depth-1)
}

func TestAccepted(t *testing.T) {
	const T, M, L = otlp.Traces, otlp.Metrics, otlp.Logs
	ids := "trace_id:" + idText(traceHex) + " span_id:" + idText(spanHex)
	upper := `"traceId":"` + traceHex + `","spanId":"` + spanHex + `"`
	for _, c := range []struct {
		name     string
		signal   otlp.Signal
		document string
		want     string
	}{
		{"empty object", T, `{}`, ``},
		{"space", T, " \t\r\n{ \"resourceSpans\" :\n[ { } , {} ] }\n\n", `resource_spans{} resource_spans{}`},
		{"id upper", T, asSpan(upper), textSpan(ids)},
		{"id lower", T, asSpan(`"traceId":"` + strings.ToLower(traceHex) + `","spanId":"` + strings.ToLower(spanHex) + `"`), textSpan(ids)},
		{"id escaped", T, asSpan(`"spanId":"\u0045EE19B7EC3C1B174"`), textSpan("span_id:" + idText(spanHex))},
		{"id empty", T, asSpan(`"traceId":"","parentSpanId":""`), textSpan("")},
		{"id null", T, asSpan(`"traceId":null`), textSpan("")},
		{"id in log", L, asLog(upper), textLog(ids)},
		{"id in link", T, asSpan(`"links":[{` + upper + `}]`), textSpan("links{" + ids + "}")},
		{"id in exemplar", M, asGauge(`"exemplars":[{` + upper + `}]`), textGauge("exemplars{" + ids + "}")},
		{"id length in log left to the decoder", L, asLog(`"traceId":"0a0b"`), textLog(`trace_id:"\x0a\x0b"`)},
		{"id length in link left to the decoder", T, asSpan(`"links":[{"spanId":"0a"}]`), textSpan(`links{span_id:"\x0a"}`)},
		{"enum integer", T, asSpan(`"kind":2,"status":{"code":2}`), textSpan("kind:2 status{code:2}")},
		{"enum unknown integer", T, asSpan(`"kind":99`), textSpan("kind:99")},
		{"enum negative", T, asSpan(`"kind":-1`), textSpan("kind:-1")},
		{"enum name", T, asSpan(`"kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"}`), textSpan("kind:2 status{code:2}")},
		{"enum name severity", L, asLog(`"severityNumber":"SEVERITY_NUMBER_FATAL4"`), textLog("severity_number:24")},
		{"enum name temporality", M, asMetric(`"sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","isMonotonic":true}`), textMetric("sum{aggregation_temporality:2 is_monotonic:true}")},
		{"unknown fields", T, asSpan(`"future":{"a":[1,"x\n",null,{"b":{}},true,false,[]],"":-1e300},"name":"n","also":1e999`), textSpan(`name:"n"`)},
		{"unknown field only in value", T, asValue(`{"future":[]}`), textValue("")},
		{"unknown field nested 500", T, `{"f":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`, ``},
		{"int64 string", T, asValue(`{"intValue":"-9223372036854775808"}`), textValue("int_value:-9223372036854775808")},
		{"int64 number", T, asValue(`{"intValue":9223372036854775807}`), textValue("int_value:9223372036854775807")},
		{"int64 exact", T, asValue(`{"intValue":9007199254740993.0}`), textValue("int_value:9007199254740993")},
		{"int exponent", T, asValue(`{"intValue":1e3}`), textValue("int_value:1000")},
		{"int exponent string", T, asValue(`{"intValue":"-1.5E+1"}`), textValue("int_value:-15")},
		{"int negative exponent", T, asValue(`{"intValue":1200e-2}`), textValue("int_value:12")},
		{"int zero with exponent", T, asValue(`{"intValue":0.000e999999999999999999999}`), textValue("int_value:0")},
		{"int minus zero", T, asSpan(`"flags":-0`), textSpan("")},
		{"int many zeros", T, asValue(`{"intValue":1` + strings.Repeat("0", 400) + `e-400}`), textValue("int_value:1")},
		{"fixed64", T, asSpan(`"startTimeUnixNano":"18446744073709551615","endTimeUnixNano":18446744073709551615`), textSpan("start_time_unix_nano:18446744073709551615 end_time_unix_nano:18446744073709551615")},
		{"uint32 and fixed32", T, asSpan(`"droppedAttributesCount":"3","flags":4294967295,"droppedLinksCount":1.0`), textSpan("dropped_attributes_count:3 flags:4294967295 dropped_links_count:1")},
		{"sfixed64", M, asGauge(`"asInt":"-7"`), textGauge("as_int:-7")},
		{"sint32", M, asExponential(`"scale":-3,"positive":{"offset":"2147483647","bucketCounts":["300",1]},"negative":{"offset":-2147483648}`), textExponential("scale:-3 positive{offset:2147483647 bucket_counts:[300,1]} negative{offset:-2147483648}")},
		{"double number", M, asGauge(`"asDouble":-1.5e-7`), textGauge("as_double:-1.5e-7")},
		{"double string", M, asGauge(`"asDouble":"1.5"`), textGauge("as_double:1.5")},
		{"double zero", M, asGauge(`"asDouble":0`), textGauge("as_double:0")},
		{"double underflow", M, asGauge(`"asDouble":1e-400`), textGauge("as_double:0")},
		{"double NaN", M, asGauge(`"asDouble":"NaN"`), textGauge("as_double:nan")},
		{"double words in list", M, asHistogram(`"explicitBounds":[1,"2.5","Infinity","-Infinity"]`), textHistogram("explicit_bounds:[1,2.5,inf,-inf]")},
		{"packed", M, asHistogram(`"bucketCounts":["1",2],"explicitBounds":[]`), textHistogram("bucket_counts:[1,2]")},
		{"bytes standard", T, asValue(`{"bytesValue":"+/+/AA=="}`), textValue(`bytes_value:"\xfb\xff\xbf\x00"`)},
		{"bytes escaped", T, asValue(`{"bytesValue":"+\/+\/AA=="}`), textValue(`bytes_value:"\xfb\xff\xbf\x00"`)},
		{"bytes unpadded", T, asValue(`{"bytesValue":"+/+/AA"}`), textValue(`bytes_value:"\xfb\xff\xbf\x00"`)},
		{"bytes URL-safe", T, asValue(`{"bytesValue":"-_-_AA=="}`), textValue(`bytes_value:"\xfb\xff\xbf\x00"`)},
		{"bytes empty", T, asValue(`{"bytesValue":""}`), textValue(`bytes_value:""`)},
		{"presence in values", T, asSpan(`"attributes":[{"value":{"stringValue":""}},{"value":{"intValue":0}},{"value":{"boolValue":false}},{"value":{"stringValueStrindex":0}},{"value":{"doubleValue":"0"}}]`), textSpan(`attributes{value{string_value:""}} attributes{value{int_value:0}} attributes{value{bool_value:false}} attributes{value{string_value_strindex:0}} attributes{value{double_value:0}}`)},
		{"presence of optional", M, asHistogram(`"sum":0,"min":0.0,"max":"0"`), textHistogram("sum:0 min:0 max:0")},
		{"presence of empty messages", T, asSpan(`"status":{},"attributes":[{"value":{}},{"value":{"arrayValue":{}}},{"value":{"kvlistValue":{"values":[]}}},{}]`), textSpan(`status{} attributes{value{}} attributes{value{array_value{}}} attributes{value{kvlist_value{}}} attributes{}`)},
		{"presence of empty oneof message", M, asMetric(`"gauge":{}`), textMetric("gauge{}")},
		{"presence of resource", T, `{"resourceSpans":[{"resource":{}}]}`, `resource_spans{resource{}}`},
		{"entity refs", T, `{"resourceSpans":[{"resource":{"entityRefs":[{"type":"t","idKeys":["a","","b"]}]}}]}`, `resource_spans{resource{entity_refs{type:"t" id_keys:["a","","b"]}}}`},
		{"string index", T, asSpan(`"attributes":[{"keyStrindex":-1,"value":{"stringValueStrindex":1}}]`), textSpan(`attributes{key_strindex:-1 value{string_value_strindex:1}}`)},
		{"null everywhere", T, asSpan(`"kind":null,"traceState":null,"flags":null,"startTimeUnixNano":null,"status":null,"events":null`), textSpan("")},
		{"null value", T, asValue(`null`), textSpan(`attributes{key:"k"}`)},
		{"null double value", T, asValue(`{"doubleValue":null}`), textValue("")},
		{"null in oneof", M, asGauge(`"asInt":null,"asDouble":1`), textGauge("as_double:1")},
		{"null optional", M, asHistogram(`"sum":null,"bucketCounts":null`), textHistogram("")},
		{"null after a value", T, asSpan(`"kind":1,"kind":null`), textSpan("kind:1")},
		{"null list of the request", T, `{"resourceSpans":null}`, ``},
		{"escapes", T, asSpan(`"name":"\" \\ \/ \b \f \n \r \t \u00fc \ud83d\ude00 \u0000"`), textSpan(`name:"\" \\ / \b \f \n \r \t ü 😀 \x00"`)},
		{"unicode", T, asSpan(`"name":"grüße 😀"`), textSpan(`name:"grüße 😀"`)},
		{"escaped key", T, asSpan(`"\u006bind":2`), textSpan("kind:2")},
		{"scalar twice, the last wins", T, asSpan(`"kind":1,"kind":2,"name":"a","name":""`), textSpan(`kind:2`)},
		{"scalar twice, zero wins", T, asSpan(`"kind":1,"kind":0,"traceId":"` + traceHex + `","traceId":""`), textSpan(``)},
		{"original names", L, asLog(`"trace_id":"` + traceHex + `","observed_time_unix_nano":5`), textLog("trace_id:" + idText(traceHex) + " observed_time_unix_nano:5")},
		{"other case is unknown", T, asSpan(`"Kind":{},"TRACEID":1`), textSpan("")},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := newRequest(c.signal)
			text := strings.NewReplacer(`\b`, `\x08`, `\f`, `\x0c`).Replace(c.want)
			if err := prototext.Unmarshal([]byte(text), want); err != nil {
				t.Fatalf("the case itself: %v", err)
			}
			got := mustTranscode(t, c.signal, []byte(c.document))
			if !proto.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// mustTranscode reads a document into the message it stands for.
func mustTranscode(t testing.TB, s otlp.Signal, document []byte) proto.Message {
	t.Helper()
	body, err := ToProto([]byte("kept"), s, document, Allowance{})
	if err != nil {
		t.Fatal(err)
	}
	got := newRequest(s)
	if err := proto.Unmarshal(body[len("kept"):], got); err != nil || string(body[:4]) != "kept" {
		t.Fatalf("%v in %q", err, body)
	}
	return got
}

func TestRefused(t *testing.T) {
	const T, M, L = otlp.Traces, otlp.Metrics, otlp.Logs
	value := inSpan + ".attributes[0].value"
	for _, c := range []struct {
		name     string
		signal   otlp.Signal
		document string
		field    string
		message  string // a part of it
	}{
		{"id not hex", T, asSpan(`"traceId":"z` + traceHex[1:] + `"`), inSpan + ".traceId", "not hexadecimal"},
		{"id odd", T, asSpan(`"traceId":"` + traceHex[1:] + `"`), inSpan + ".traceId", "want 32"},
		{"id short", T, asSpan(`"traceId":"` + spanHex + `"`), inSpan + ".traceId", "want 32"},
		{"id long", T, asSpan(`"parentSpanId":"` + traceHex + `"`), inSpan + ".parentSpanId", "want 16"},
		{"id base64", T, asSpan(`"traceId":"W47/95gDgQPSabYzgT/GDA=="`), inSpan + ".traceId", "want 32"},
		{"id number", T, asSpan(`"traceId":12345678901234567890123456789012`), inSpan + ".traceId", "want a string, found a number"},
		{"id in link", T, asSpan(`"links":[{},{"traceId":"zz"}]`), inSpan + ".links[1].traceId", "not hexadecimal"},
		{"id in log", L, asLog(`"traceId":"abc"`), "resourceLogs[0].scopeLogs[0].logRecords[0].traceId", "even number"},
		{"id in exemplar", M, asGauge(`"exemplars":[{"spanId":"xyzz"}]`), inPoint + ".exemplars[0].spanId", "not hexadecimal"},
		{"int fraction", T, asValue(`{"intValue":1.5}`), value + ".intValue", "not an integer"},
		{"int long fraction", T, asValue(`{"intValue":1.00000000000000000000000000001}`), value + ".intValue", "not an integer"},
		{"int small", T, asValue(`{"intValue":1e-1}`), value + ".intValue", "not an integer"},
		{"int word", T, asValue(`{"intValue":"seven"}`), value + ".intValue", `"seven": not a number`},
		{"int empty", T, asValue(`{"intValue":""}`), value + ".intValue", "not a number"},
		{"int space", T, asValue(`{"intValue":" 5 "}`), value + ".intValue", "not a number"},
		{"int plus", T, asValue(`{"intValue":"+5"}`), value + ".intValue", "not a number"},
		{"int hex", T, asValue(`{"intValue":"0x5"}`), value + ".intValue", "not a number"},
		{"int leading zero in string", T, asValue(`{"intValue":"05"}`), value + ".intValue", "not a number"},
		{"int bool", T, asValue(`{"intValue":true}`), value + ".intValue", "want a number, found 't'"},
		{"int NaN", T, asValue(`{"intValue":"NaN"}`), value + ".intValue", "not a number"},
		{"int64 overflow", T, asValue(`{"intValue":"9223372036854775808"}`), value + ".intValue", "out of range"},
		{"int64 underflow", T, asValue(`{"intValue":-9223372036854775809}`), value + ".intValue", "out of range"},
		{"int64 exponent", T, asValue(`{"intValue":1e99999999999999999999}`), value + ".intValue", "out of range"},
		{"fixed64 overflow", T, asSpan(`"startTimeUnixNano":"18446744073709551616"`), inSpan + ".startTimeUnixNano", "out of range"},
		{"fixed64 negative", T, asSpan(`"startTimeUnixNano":"-1"`), inSpan + ".startTimeUnixNano", "out of range"},
		{"uint32 overflow", T, asSpan(`"flags":4294967296`), inSpan + ".flags", "out of range"},
		{"enum overflow", T, asSpan(`"kind":3000000000`), inSpan + ".kind", "out of range"},
		{"enum unknown name", T, asSpan(`"kind":"SPAN_KIND_OTHER"`), inSpan + ".kind", "unknown name"},
		{"enum short name", T, asSpan(`"kind":"SERVER"`), inSpan + ".kind", "unknown name"},
		{"enum quoted integer", T, asSpan(`"kind":"2"`), inSpan + ".kind", "unknown name"},
		{"double empty", M, asGauge(`"asDouble":""`), inPoint + ".asDouble", "not a number"},
		{"double overflow", M, asGauge(`"asDouble":1e400`), inPoint + ".asDouble", "out of range"},
		{"double word", M, asGauge(`"asDouble":"nan"`), inPoint + ".asDouble", "not a number"},
		{"double bare NaN", M, asGauge(`"asDouble":NaN`), inPoint + ".asDouble", "found 'N'"},
		{"bool string", T, asValue(`{"boolValue":"true"}`), value + ".boolValue", "true or false"},
		{"bytes bad", T, asValue(`{"bytesValue":"!!!!"}`), value + ".bytesValue", "not base64"},
		{"bytes wrong padding", T, asValue(`{"bytesValue":"AAA=="}`), value + ".bytesValue", "not base64"},
		{"bytes of length 1", T, asValue(`{"bytesValue":"A"}`), value + ".bytesValue", "not base64"},
		{"bytes both alphabets", T, asValue(`{"bytesValue":"+_AA"}`), value + ".bytesValue", "not base64"},
		{"bytes line break", T, asValue(`{"bytesValue":"AA\nAA"}`), value + ".bytesValue", "not base64"},
		{"type string", T, asSpan(`"name":5`), inSpan + ".name", "want a string, found a number"},
		{"type message", T, asSpan(`"status":"ok"`), inSpan + ".status", "want an object, found a string"},
		{"type list", T, asSpan(`"attributes":{}`), inSpan + ".attributes", "want an array, found an object"},
		{"type list item", T, asSpan(`"events":[{},"event"]`), inSpan + ".events[1]", "want an object, found a string"},
		{"null in list", T, asSpan(`"events":[null]`), inSpan + ".events[0]", "null in a list"},
		{"null in values", T, asValue(`{"arrayValue":{"values":[{},null]}}`), value + ".arrayValue.values[1]", "null in a list"},
		{"null in packed list", M, asHistogram(`"bucketCounts":[1,null]`), "resourceMetrics[0].scopeMetrics[0].metrics[0].histogram.dataPoints[0].bucketCounts[1]", "null in a list"},
		{"oneof twice", T, asValue(`{"stringValue":"a","intValue":"1"}`), value + ".intValue", "stringValue is given already"},
		{"oneof same twice", T, asValue(`{"stringValue":"a","stringValue":"b"}`), value + ".stringValue", "duplicate field"},
		{"message twice", T, asSpan(`"status":{},"status":{}`), inSpan + ".status", "duplicate field"},
		{"list twice", T, `{"resourceSpans":[],"resource_spans":[]}`, "resourceSpans", "duplicate field"},
		{"values too deep", T, asValue(arrays(201)), value + strings.Repeat(".arrayValue.values[0]", 200), "more than 200 values"},
		{"unknown field too deep", T, `{"f":` + strings.Repeat("[", 501) + strings.Repeat("]", 501) + `}`, "", "more than 500 levels"},
		{"unknown field of a million brackets", T, `{"f":` + strings.Repeat("[", 1e6), "", "more than 500 levels"},
		{"unknown field of a million objects", T, `{"f":` + strings.Repeat(`{"":`, 1e6), "", "more than 500 levels"},
		{"a million brackets", T, strings.Repeat("[", 1e6), "", "want an object, found an array"},
		{"document empty", T, ``, "", "ends too early"},
		{"document of space", T, "  \n", "", "ends too early"},
		{"document truncated", T, `{"resourceSpans":[{}`, "resourceSpans", "ends too early"},
		{"document truncated in a string", T, `{"resourceSp`, "", "ends too early"},
		{"document null", T, `null`, "", "want an object"},
		{"document array", T, `[{}]`, "", "want an object"},
		{"document number", T, `1`, "", "found a number"},
		{"text after it", T, `{} x`, "", "text after the document at byte 3"},
		{"two documents", T, `{}{}`, "", "text after"},
		{"NUL after it", T, "{}\x00", "", "text after"},
		{"byte-order mark", T, "\xEF\xBB\xBF{}", "", "byte-order mark"},
		{"UTF-16 with mark", T, "\xFF\xFE{\x00}\x00", "", "not UTF-8"},
		{"UTF-16 without", T, "\x00{\x00}", "", "not UTF-8"},
		{"single quotes", T, `{'resourceSpans':[]}`, "", "want a key"},
		{"comment", T, `{"resourceSpans":[] /* none */}`, "", "found '/'"},
		{"trailing comma in object", T, `{"resourceSpans":[],}`, "", "want a key"},
		{"trailing comma in list", T, `{"resourceSpans":[{},]}`, "resourceSpans[1]", "want an object"},
		{"leading comma", T, `{,"resourceSpans":[]}`, "", "want a key"},
		{"no colon", T, `{"resourceSpans" []}`, "", "want ':'"},
		{"no comma", T, `{"a":1 "b":2}`, "", "want ',' or '}'"},
		{"wrong bracket", T, `{"a":[1}}`, "", "want ',' or ']'"},
		{"leading zero", T, asSpan(`"kind":02`), "resourceSpans[0].scopeSpans[0].spans[0]", "found a number"},
		{"bare minus", T, `{"a":-}`, "", "want a value"},
		{"bare point", T, `{"a":1.}`, "", "want a value"},
		{"bare exponent", T, `{"a":1e+}`, "", "want a value"},
		{"cut word", T, `{"a":nul}`, "", "want a value"},
		{"long word", T, `{"a":nulll}`, "", "found 'l'"},
		{"control character", T, asSpan("\"name\":\"a\nb\""), inSpan + ".name", "control character 0x0A"},
		{"bad escape", T, asSpan(`"name":"\x41"`), inSpan + ".name", "unknown escape"},
		{"bad unicode escape", T, asSpan(`"name":"\u12g4"`), inSpan + ".name", "unknown escape"},
		{"lone high surrogate", T, asSpan(`"name":"\ud800"`), inSpan + ".name", "surrogate"},
		{"lone low surrogate", T, asSpan(`"name":"\udc00\ud800"`), inSpan + ".name", "surrogate"},
		{"two high surrogates", T, `{"future":"\ud800\ud800"}`, "", "surrogate"},
		{"UTF-8 in value", T, asSpan("\"name\":\"\xff\xfe\""), inSpan + ".name", "not UTF-8"},
		{"UTF-8 surrogate", T, asSpan("\"name\":\"\xed\xa0\x80\""), inSpan + ".name", "not UTF-8"},
		{"UTF-8 in key", T, "{\"\xc3\x28\":1}", "", "not UTF-8"},
		{"UTF-8 outside strings", T, "{\u00a0}", "", "found byte 0xC2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst, err := ToProto([]byte("kept"), c.signal, []byte(c.document), Allowance{})
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Op != "decode JSON" || string(dst) != "kept" {
				t.Fatalf("%q, %v", dst, err)
			}
			if f.Field != c.field || !strings.Contains(f.Err.Error(), c.message) {
				t.Errorf("%s: %v\nwant %s: %s", f.Field, f.Err, c.field, c.message)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	for _, depth := range []int{1, 100, 200} {
		got := mustTranscode(t, otlp.Traces, []byte(asValue(arrays(depth))))
		if n := strings.Count(prototext.Format(got), "values:"); n != depth-1 {
			t.Errorf("%d levels became %d", depth, n+1)
		}
	}
}

// A large leaf under many levels makes every length around it wide.
func TestWideLengths(t *testing.T) {
	for _, size := range []int{0, 100, 127, 128, 16383, 16384, 1 << 21} {
		leaf := strings.Repeat("x", size)
		document := strings.Replace(asValue(arrays(150)), "leaf", leaf, 1)
		document = strings.Replace(document, `]}]}]}`, `,{"name":"`+leaf+`"},{}]},{}]},{}]}`, 1)
		got := mustTranscode(t, otlp.Traces, []byte(document))
		canonical, err := proto.MarshalOptions{Deterministic: true}.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := ToProto(nil, otlp.Traces, []byte(document), Allowance{})
		if string(body) != string(canonical) {
			t.Errorf("leaf of %d bytes: the encoding is not canonical", size)
		}
	}
}

func TestUnknownSignal(t *testing.T) {
	if _, err := ToProto(nil, otlp.Count, []byte(`{}`), Allowance{}); fault.KindOf(err) != fault.Internal || err == nil {
		t.Errorf("got %v", err)
	}
}

// paid is an allowance that counts what is taken.
type paid struct{ taken, left int64 }

var errPaid = fault.New(fault.Overloaded, "", "no more")

func (p *paid) take(bytes int64) error {
	if bytes > p.left {
		return errPaid
	}
	p.taken, p.left = p.taken+bytes, p.left-bytes
	return nil
}

// growers are the documents that become larger, or that take memory beside the message.
func growers() map[string]string {
	return map[string]string{
		"counts":  asHistogram(`"bucketCounts":[` + strings.Repeat("0,", 1<<18) + `0]`),
		"lengths": asLog(`"body":` + arrays(150) + `,"attributes":[` + strings.Repeat(`{"key":"`+strings.Repeat("k", 200)+`"},`, 2000) + `{}]`),
		"escapes": asLog(`"severityText":"\n` + strings.Repeat("x", 1<<20) + `"`),
		"number":  asHistogram(`"sum":0.` + strings.Repeat("1", 1<<20)),
		"nested":  `{"resourceLogs":[` + strings.Repeat(`{"scopeLogs":[{"logRecords":[{"body":`+arrays(180)+`}]}]},`, 100) + `{}]}`,
	}
}

func signalOf(document string) otlp.Signal {
	if strings.Contains(document, "resourceMetrics") {
		return otlp.Metrics
	}
	return otlp.Logs
}

// TestAllowanceIsTakenBeforeMemory: what is allocated was asked for, and no sooner.
func TestAllowanceIsTakenBeforeMemory(t *testing.T) {
	for name, document := range growers() {
		t.Run(name, func(t *testing.T) {
			p, data := paid{left: 1 << 40}, []byte(document)
			var body []byte
			var err error
			allocated := allocations(func() {
				body, err = ToProto(nil, signalOf(document), data, Allowance{Limit: 1 << 40, Take: p.take})
			})
			if err != nil {
				t.Fatal(err)
			}
			if allocated > p.taken+p.taken/4+64<<10 {
				t.Errorf("%d bytes were allocated, %d paid for", allocated, p.taken)
			}
			if p.taken > 3*int64(len(body))+3*int64(len(data)) {
				t.Errorf("%d bytes were paid for %d of a document of %d", p.taken, len(body), len(data))
			}
			for _, part := range []int64{1, 10, 100} {
				p := paid{left: p.taken - max(1, p.taken/part)}
				dst, err := ToProto([]byte("kept"), signalOf(document), data, Allowance{Limit: 1 << 40, Take: p.take})
				if !errors.Is(err, errPaid) || string(dst) != "kept" {
					t.Errorf("with less: %v", err)
				}
			}
		})
	}
}

func allocations(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestAllowanceLimitsTheMessage: to the byte, and whatever the buffer could hold.
func TestAllowanceLimitsTheMessage(t *testing.T) {
	for name, document := range growers() {
		whole, err := ToProto(nil, signalOf(document), []byte(document), Allowance{})
		if err != nil {
			t.Fatal(err)
		}
		size := int64(len(whole))
		for _, roomy := range []int{0, 4 << 20} {
			for limit, want := range map[int64]fault.Kind{size: fault.Internal, size - 1: fault.TooLarge, size / 2: fault.TooLarge, 10: fault.TooLarge} {
				dst := append(make([]byte, 0, roomy), "kept"...)
				body, err := ToProto(dst, signalOf(document), []byte(document), Allowance{Limit: limit})
				if (err == nil) != (limit == size) || err != nil && fault.KindOf(err) != want || string(body[:4]) != "kept" {
					t.Errorf("%s, %d bytes with a limit of %d: %v", name, size, limit, err)
				}
			}
		}
	}
}
