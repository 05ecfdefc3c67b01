package encode_test

import (
	"fmt"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// go test -bench Batch -count 10 ./gocore/internal/encode | benchstat -
func BenchmarkBatch(b *testing.B) {
	const spans = 1000
	table := decode.New(otlp.Traces)
	if err := table.Decode(httpSpans(b, spans)); err != nil {
		b.Fatal(err)
	}
	batch := table.Batch()
	b.Run("signal=traces", func(b *testing.B) {
		var body []byte
		var err error
		b.ReportAllocs()
		for b.Loop() {
			if body, err = encode.Batch(body[:0], otlp.Traces, batch); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/spans, "ns/item")
		b.ReportMetric(float64(len(body))/spans, "bytes/item")
	})
}

// httpSpans is a body like that of a web server: ten attributes a span, two resources.
func httpSpans(b *testing.B, count int) []byte {
	b.Helper()
	var all []*trace.ResourceSpans
	for r := range 2 {
		var spans []*trace.Span
		for i := range count / 2 {
			id := fmt.Appendf(nil, "%016d", i)
			spans = append(spans, &trace.Span{
				TraceId: id, SpanId: id[8:], Name: "GET /items", Kind: 2, Attributes: httpAttributes(i),
				StartTimeUnixNano: 1700000000000000000 + uint64(i), EndTimeUnixNano: 1700000000001000000 + uint64(i),
			})
		}
		all = append(all, &trace.ResourceSpans{
			Resource:   &resource.Resource{Attributes: []*common.KeyValue{{Key: "service.name", Value: str(fmt.Sprint("shop", r))}}},
			ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "net/http"}, Spans: spans}},
		})
	}
	body, err := proto.Marshal(&trace.TracesData{ResourceSpans: all})
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func httpAttributes(i int) []*common.KeyValue {
	attributes := []*common.KeyValue{
		{Key: "http.response.status_code", Value: num(200)},
		{Key: "url.path", Value: str(fmt.Sprint("/items/", i))},
	}
	for a := range 8 {
		attributes = append(attributes, &common.KeyValue{Key: fmt.Sprint("attribute.", a), Value: str("value")})
	}
	return attributes
}
