package convert

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// go test -run '^$' -bench File -benchtime 1x ./gocore/internal/convert/
//
// peak-MB is the largest heap while a file of that many spans is converted: it does not grow
// with the file.
func BenchmarkFile(b *testing.B) {
	for _, to := range []string{"a.json", "a.arrows", "a.parquet", "a.otap"} {
		for _, spans := range []int{200_000, 800_000} {
			b.Run("to="+to+"/spans="+strconv.Itoa(spans), func(b *testing.B) {
				src, dst := spansFile(b, spans), filepath.Join(b.TempDir(), to)
				var peak uint64
				for b.Loop() {
					runtime.GC()
					_, err := File(b.Context(), fsys.OS{}, src, dst, Options{Force: true, Progress: func(int64, int64) {
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						peak = max(peak, m.HeapAlloc)
					}})
					if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed())/float64(time.Nanosecond)/float64(b.N*spans), "ns/item")
				b.ReportMetric(float64(peak)/1e6, "peak-MB")
			})
		}
	}
}

// spansFile repeats 20 requests, so that making it takes little.
func spansFile(b *testing.B, spans int) string {
	b.Helper()
	const each, different = 1000, 20
	var bodies [][]byte
	for maker := sample.New(1, 1_700_000_000_000_000_000); len(bodies) < different; {
		bodies = append(bodies, maker.Body("traces", each))
	}
	path := filepath.Join(b.TempDir(), "traces.pb")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for n := range spans / each {
		body := bodies[n%different]
		if _, err := file.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
			b.Fatal(err)
		}
	}
	return path
}
