package files

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// BenchmarkEncode compares making the messages of a batch with arrow-go's writer:
//
//	go test ./gocore/internal/files -run '^$' -bench Encode -cpu 1 -count 5
func BenchmarkEncode(b *testing.B) {
	for _, signal := range otlp.Signals {
		batch := sampleBatch(b, signal, 20_000)
		for _, compression := range []string{"lz4", "zstd", "none"} {
			name := fmt.Sprintf("signal=%s/compression=%s", signal, compression)
			b.Run(name+"/by=arrow-go", func(b *testing.B) {
				benchmarkEncode(b, batch, func() (int, error) { return arrowGo(compression, batch) })
			})
			b.Run(name+"/by=ours", func(b *testing.B) {
				e, err := newEncoder(compression, schema.Of(signal))
				if err != nil {
					b.Fatal(err)
				}
				benchmarkEncode(b, batch, func() (int, error) {
					made, err := e.encode("", []arrow.RecordBatch{batch})
					return len(made), err
				})
			})
		}
	}
}

func sampleBatch(b *testing.B, signal otlp.Signal, rows int) arrow.RecordBatch {
	b.Helper()
	maker, table := sample.New(42, 1_700_000_000_000_000_000), decode.New(signal)
	for table.Rows() < rows {
		if err := table.Decode(maker.Body(signal.String(), 100)); err != nil {
			b.Fatal(err)
		}
	}
	batch := table.Batch()
	b.Cleanup(batch.Release)
	return batch
}

var arrowGoOptions = map[string][]ipc.Option{"lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}, "none": nil}

func arrowGo(compression string, batch arrow.RecordBatch) (int, error) {
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(arrowGoOptions[compression], ipc.WithSchema(batch.Schema()))...)
	err := errors.Join(w.Write(batch), w.Close())
	return out.Len(), err
}

func benchmarkEncode(b *testing.B, batch arrow.RecordBatch, encode func() (int, error)) {
	size := 0
	for b.Loop() {
		n, err := encode()
		if err != nil {
			b.Fatal(err)
		}
		size = n
	}
	items := float64(batch.NumRows())
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
	b.ReportMetric(float64(size)/items, "bytes/item")
}
