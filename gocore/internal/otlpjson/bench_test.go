package otlpjson

import (
	"fmt"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

const benchItems = 1000

const benchAttributes = `"attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}},` +
	`{"key":"http.response.status_code","value":{"intValue":"200"}},` +
	`{"key":"url.full","value":{"stringValue":"https://example.com/cart/items?page=3"}}]`

var benchDocuments = [otlp.Count]string{
	otlp.Traces: `{"resourceSpans":[{"resource":{` + benchAttributes + `},"scopeSpans":[{"spans":[` +
		repeat(`{"traceId":"`+traceHex+`","spanId":"`+spanHex+`","name":"GET /cart","kind":2,`+
			`"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000001000000",`+
			benchAttributes+`,"status":{}}`) + `]}]}]}`,
	otlp.Metrics: asMetric(`"name":"m","gauge":{"dataPoints":[` +
		repeat(`{"timeUnixNano":"1700000000000000000","asDouble":12.345,`+benchAttributes+`}`) + `]}`),
	otlp.Logs: `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` +
		repeat(`{"timeUnixNano":"1700000000000000000","severityNumber":9,"severityText":"INFO",`+
			`"body":{"stringValue":"request \"cart\" took 12 ms\n"},`+benchAttributes+`}`) + `]}]}]}`,
}

func repeat(item string) string { return strings.TrimSuffix(strings.Repeat(item+",", benchItems), ",") }

// go test -run '^$' -bench ToProto ./gocore/internal/otlpjson/
func BenchmarkToProto(b *testing.B) {
	for _, s := range otlp.Signals {
		document := []byte(benchDocuments[s])
		b.Run(fmt.Sprintf("signal=%s", s), func(b *testing.B) {
			b.SetBytes(int64(len(document)))
			b.ReportAllocs()
			var buffer []byte
			for b.Loop() {
				var err error
				if buffer, err = ToProto(buffer[:0], s, document, Allowance{}); err != nil {
					b.Fatal(err)
				}
			}
			perItem := float64(b.N) * benchItems
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/perItem, "ns/item")
			b.ReportMetric(float64(len(buffer))/benchItems, "bytes/item")
		})
	}
}
