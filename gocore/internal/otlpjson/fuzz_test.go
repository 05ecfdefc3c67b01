package otlpjson

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// FuzzToProto: no panic; what is accepted is JSON, becomes a request in google's eyes
// and is bounded by the document and the allowance; what is refused leaves the buffer alone and has an
// error that can be sent.
func FuzzToProto(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, "\xEF\xBB\xBF{}", `{"resourceSpans":[{},{"resource":{}}]}`,
		asSpan(`"traceId":"` + traceHex + `","kind":"SPAN_KIND_SERVER","name":"\ud83d\ude00\n","status":{"code":2}`),
		asValue(arrays(5)), asValue(`{"bytesValue":"-_-_AA=="}`), asValue(`{"intValue":"-1.50e1"}`),
		asValue(`{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":false}},{}]}}`),
		asHistogram(`"sum":0,"bucketCounts":["1",2],"explicitBounds":["NaN",1e-5]`),
		asExponential(`"scale":-3,"positive":{"offset":"4","bucketCounts":[300]}`),
		asGauge(`"asInt":null,"asDouble":1,"exemplars":[{"asInt":"5"}]`),
		asLog(`"severityNumber":9,"body":{"stringValue":"x"},"future":[{"a":[null,true,-0.5E+3]}]`),
	} {
		for _, s := range otlp.Signals {
			f.Add(uint8(s), []byte(seed))
		}
	}
	reused := make([]byte, 0, 1<<16)
	f.Fuzz(func(t *testing.T, signal uint8, document []byte) {
		s := otlp.Signal(signal % otlp.Count)
		reused = append(reused[:0], "kept"...)
		body, err := ToProto(reused, s, document, Allowance{})
		if string(body[:4]) != "kept" {
			t.Fatal("dst was overwritten")
		}
		if err != nil {
			checkRefusal(t, body, err)
			return
		}
		if !json.Valid(document) || !utf8.Valid(document) {
			t.Fatal("accepted what is not JSON")
		}
		if len(body) > 16+5*len(document) {
			t.Fatalf("%d bytes became %d", len(document), len(body))
		}
		fitting, err := ToProto(nil, s, document, Allowance{Limit: int64(len(body) - 4)})
		if err != nil || string(fitting) != string(body[4:]) {
			t.Fatalf("with just the room that it needs: %v", err)
		}
		if err := proto.Unmarshal(body[4:], newRequest(s)); err != nil {
			t.Fatal(err)
		}
	})
}

func checkRefusal(t *testing.T, dst []byte, err error) {
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Invalid || len(dst) != 4 {
		t.Fatalf("%v, %d bytes", err, len(dst))
	}
	if !utf8.ValidString(err.Error()) || len(err.Error()) > 1<<15 {
		t.Fatalf("cannot be sent: %q", err)
	}
}
