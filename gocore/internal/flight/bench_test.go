package flight

import (
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// BenchmarkUpload is what a batch of 10,000 items costs until it is requests:
//
//	go test ./gocore/internal/flight -run - -bench Upload -cpu 1
//
// "read" is without encoding: arrow-go's reader, and looking at every offset.
func BenchmarkUpload(b *testing.B) {
	for _, signal := range otlp.Signals {
		body := sample.New(1, 1_700_000_000_000_000_000).Body(signal.String(), 10_000)
		batch := batchOf(b, signal, body)
		messages := upload(b, []arrow.RecordBatch{batch})
		for name, full := range map[string]bool{"read": false, "whole": true} {
			b.Run("signal="+signal.String()+"/"+name, func(b *testing.B) {
				for b.Loop() {
					benchUpload(b, signal, messages, full)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch.NumRows()), "ns/item")
			})
		}
	}
}

// listed is a Source of messages as they are.
type listed struct{ messages [][]byte }

func (l *listed) Next() (Data, error) {
	if len(l.messages) == 0 {
		return Data{}, io.EOF
	}
	message := l.messages[0]
	l.messages = l.messages[1:]
	return ParseData(message)
}

func benchUpload(b *testing.B, signal otlp.Signal, messages [][]byte, full bool) {
	u := NewUpload(signal, &listed{messages}, Limits{StreamBytes: 2 * roomy, BatchBytes: roomy}, &purse{})
	defer u.Close()
	if _, err := u.Schema(); err != nil {
		b.Fatal(err)
	}
	var body []byte
	for {
		batch, err := u.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		for from := 0; from < int(batch.NumRows()); {
			rows, _, err := Part(batch, from, roomy)
			if err != nil {
				b.Fatal(err)
			}
			if full {
				part := batch.NewSlice(int64(from), int64(from+rows))
				if body, err = encode.Batch(body[:0], signal, part); err != nil {
					b.Fatal(err)
				}
				part.Release()
			}
			from += rows
		}
	}
}
