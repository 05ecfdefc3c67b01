package decode

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// BenchmarkDecode compares decoding a request of 100 items into a record batch's columns
// with pdata's Unmarshal of the same bytes; with 64 requests in turn what they hold falls out of the
// processor's caches between one and the next:
//
//	go test ./gocore/internal/decode -run '^$' -bench Decode -cpu 1 -count 5
func BenchmarkDecode(b *testing.B) {
	unmarshal := [otlp.Count]func([]byte) error{
		otlp.Traces:  func(body []byte) error { return ptraceotlp.NewExportRequest().UnmarshalProto(body) },
		otlp.Metrics: func(body []byte) error { return pmetricotlp.NewExportRequest().UnmarshalProto(body) },
		otlp.Logs:    func(body []byte) error { return plogotlp.NewExportRequest().UnmarshalProto(body) },
	}
	for _, signal := range otlp.Signals {
		for _, different := range []int{1, 64} {
			maker := sample.New(42, 1_700_000_000_000_000_000)
			bodies := make([][]byte, different)
			for i := range bodies {
				bodies[i] = maker.Body(signal.String(), 100)
			}
			name := fmt.Sprintf("signal=%s/bodies=%d", signal, different)
			b.Run(name+"/by=pdata", func(b *testing.B) { benchmark(b, bodies, unmarshal[signal]) })
			b.Run(name+"/by=columns", func(b *testing.B) { benchmarkColumns(b, signal, bodies) })
		}
	}
}

func benchmarkColumns(b *testing.B, signal otlp.Signal, bodies [][]byte) {
	table := New(signal)
	decode := func(body []byte) error {
		if table.Rows() >= batchRows {
			table.Batch().Release()
			table.Reset()
		}
		return table.Decode(body)
	}
	for i := range batchRows / 100 { // a service's tables have grown by then
		if err := decode(bodies[i%len(bodies)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	benchmark(b, bodies, decode)
}

// batchRows is what a batch has at about 10,000 items a second.
const batchRows = 50_000

func benchmark(b *testing.B, bodies [][]byte, decode func([]byte) error) {
	b.ReportAllocs()
	size := 0
	for i := range b.N {
		body := bodies[i%len(bodies)]
		size += len(body)
		if err := decode(body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/item")
	b.ReportMetric(float64(size)/float64(b.N)/100, "bytes/item")
}
