package query

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// idle is a Sink that forgets.
type idle struct{ memory []byte }

func (*idle) Schema([]byte) error { return nil }

func (s *idle) Room(_ context.Context, sizes ...flight.Size) (frames []*flight.Frame, err error) {
	for _, size := range sizes {
		if len(s.memory) < size.Frame() {
			s.memory = make([]byte, size.Frame())
		}
		memory := s.memory[:size.Frame()]
		frames = append(frames, flight.NewFrame(&memory, size))
	}
	return frames, nil
}

func (*idle) Drop(*flight.Frame)       {}
func (*idle) Send(*flight.Frame) error { return nil }

// BenchmarkRead is what reading costs without the network, as stored and by columns:
//
//	go test ./gocore/internal/query -run - -bench Read -cpu 1
func BenchmarkRead(b *testing.B) {
	for _, rows := range []int{10, 1_000, 20_000} {
		dir, items := b.TempDir(), 100_000
		if rows == 10 {
			items = 5_000
		}
		w, err := files.New(files.Default(), fsys.OS{}, dir, files.Options{Writer: files.NewID(time.Now())}, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			b.Fatal(err)
		}
		table := decode.New(otlp.Traces)
		if err := table.Decode(sample.New(1, 1).Body("traces", rows)); err != nil {
			b.Fatal(err)
		}
		for range items / rows {
			if err := w.Write(otlp.Traces, 0, table.Batch()); err != nil {
				b.Fatal(err)
			}
		}
		list, err := w.Files(otlp.Traces)
		if err != nil {
			b.Fatal(err)
		}
		tables := New(fsys.OS{}, frozen{list}, nil)
		for name, columns := range map[string][]string{"stored": nil, "columns": {"name", "duration_nano"}} {
			b.Run(fmt.Sprintf("rows=%d/%s", rows, name), func(b *testing.B) {
				for b.Loop() {
					if err := tables.Read(b.Context(), flight.Selection{Signal: otlp.Traces, Columns: columns}, &idle{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(items), "ns/item")
			})
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
