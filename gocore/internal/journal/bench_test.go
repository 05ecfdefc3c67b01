package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// go test ./gocore/internal/journal -run '^$' -bench . -count 6 | benchstat -

var sizes = []struct {
	name  string
	bytes int
}{{"512", 512}, {"50K", 50 << 10}, {"1M", 1 << 20}}

// BenchmarkAppend releases what it wrote, as followers do.
func BenchmarkAppend(b *testing.B) {
	for _, size := range sizes {
		for _, mode := range []string{"write", "fsync"} {
			b.Run(fmt.Sprintf("size=%s/mode=%s", size.name, mode), func(b *testing.B) {
				benchmarkAppend(b, size.bytes, mode == "fsync", 1)
			})
		}
		b.Run(fmt.Sprintf("size=%s/mode=fsync/parallel=64", size.name), func(b *testing.B) {
			benchmarkAppend(b, size.bytes, true, 64)
		})
	}
}

func benchmarkAppend(b *testing.B, size int, sync bool, parallel int) {
	j, err := Create(fsys.OS{}, filepath.Join(b.TempDir(), "root", "writer"), Config{Sync: sync}, quiet())
	noError(b, err)
	defer j.Close()
	content := body(1, size)
	b.SetBytes(int64(size))
	b.SetParallelism(max(1, parallel/2))
	store := func() {
		position, err := j.Append(otlp.Traces, 0, content)
		if err == nil {
			err = j.Wait(context.Background(), position)
		}
		if err != nil {
			b.Error(err)
		}
		if position%64 == 0 {
			j.Release(position)
		}
	}
	b.ReportAllocs()
	if parallel == 1 {
		for b.Loop() {
			store()
		}
		return
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			store()
		}
	})
}

// BenchmarkPlainWrite is what the journal is measured against: one write after the other into
// files of the same size, which are removed.
func BenchmarkPlainWrite(b *testing.B) {
	for _, size := range sizes {
		b.Run("size="+size.name, func(b *testing.B) {
			dir, content := b.TempDir(), body(1, size.bytes)
			var file *os.File
			written := maxSegmentBytes
			b.SetBytes(int64(size.bytes))
			for b.Loop() {
				if written >= maxSegmentBytes {
					written = 0
					if file != nil {
						noError(b, file.Close())
						noError(b, os.Remove(file.Name()))
					}
					var err error
					file, err = os.CreateTemp(dir, "plain")
					noError(b, err)
				}
				n, err := file.Write(content)
				noError(b, err)
				written += n
			}
			noError(b, file.Close())
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range sizes {
		b.Run("size="+size.name, func(b *testing.B) {
			disk := memfs.New()
			j, err := Create(disk, where, Config{}, quiet())
			noError(b, err)
			content := body(1, size.bytes)
			records := (8 << 20) / size.bytes
			for range records {
				_, err := j.Append(otlp.Traces, 0, content)
				noError(b, err)
			}
			noError(b, j.Close())
			b.SetBytes(int64(size.bytes) * int64(records))
			b.ReportAllocs()
			for b.Loop() {
				r, err := Open(disk, where, quiet())
				noError(b, err)
				for range records {
					_, err := r.Next()
					noError(b, err)
				}
				noError(b, r.Close())
			}
		})
	}
}
