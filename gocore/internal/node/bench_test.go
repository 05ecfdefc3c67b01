package node

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// leave makes the journal of a process that died with so many requests of 100 spans unwritten.
func leave(b *testing.B, dir string, requests int) (bytes int) {
	b.Helper()
	root := journals(dir)
	j, err := journal.Create(fsys.OS{}, filepath.Join(root, "00000000000000000000a"), journal.Config{MaxBytes: 1 << 30}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	maker := sample.New(1, 1_700_000_000_000_000_000)
	for range requests {
		body := maker.Body("traces", 100)
		if _, err := j.Append(otlp.Traces, 0, body); err != nil {
			b.Fatal(err)
		}
		bytes += len(body)
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	return bytes
}

// BenchmarkRecovery is a start that adopts a journal of 1,000 requests of 100 spans, beside plainly
// decoding them:
//
//	go test ./gocore/internal/node -run '^$' -bench Recovery -cpu 1 -benchtime 5x
func BenchmarkRecovery(b *testing.B) {
	const requests = 1000
	b.Run("by=decode", func(b *testing.B) {
		dir := b.TempDir()
		b.SetBytes(int64(leave(b, dir, requests)))
		table := decode.New(otlp.Traces)
		for b.Loop() {
			decodeAll(b, dir, table)
		}
	})
	b.Run("by=start", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			dir := b.TempDir()
			b.SetBytes(int64(leave(b, dir, requests)))
			c := crashConfig(config.Write)
			c.OutputDir = dir
			b.StartTimer()
			n, err := Start(c, slog.New(slog.DiscardHandler))
			b.StopTimer()
			if err != nil {
				b.Fatal(err)
			}
			if err := n.Shutdown(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}

func decodeAll(b *testing.B, dir string, table *decode.Table) {
	b.Helper()
	reader, err := journal.Open(fsys.OS{}, filepath.Join(journals(dir), "00000000000000000000a"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		if table.Rows() > 1<<14 {
			table.Reset()
		}
		if err := table.Decode(record.Body); err != nil {
			b.Fatal(err)
		}
	}
}
