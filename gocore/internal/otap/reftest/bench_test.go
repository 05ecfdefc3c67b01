package reftest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// reference makes a batch of a body as the Collector's exporter does, from bytes to bytes.
func reference(b testing.TB, p *arrow_record.Producer, signal otlp.Signal, body []byte) []byte {
	var bar *arrowpb.BatchArrowRecords
	var err error
	switch signal {
	case otlp.Traces:
		td, e := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
		if e != nil {
			b.Fatal(e)
		}
		bar, err = p.BatchArrowRecordsFromTraces(td)
	case otlp.Metrics:
		md, e := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(body)
		if e != nil {
			b.Fatal(e)
		}
		bar, err = p.BatchArrowRecordsFromMetrics(md)
	default:
		ld, e := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
		if e != nil {
			b.Fatal(e)
		}
		bar, err = p.BatchArrowRecordsFromLogs(ld)
	}
	if err != nil {
		b.Fatal(err)
	}
	message, err := proto.Marshal(bar)
	if err != nil {
		b.Fatal(err)
	}
	return message
}

// go test -run - -bench Produce -count 6 -cpu 1 . | benchstat -col /by -
//
// A stream of requests that never repeat. Its first ones, which bring schemas and
// dictionaries, are not counted.
func BenchmarkProduce(b *testing.B) {
	for _, signal := range otlp.Signals {
		for _, n := range []int{100, 1000} {
			bodies := make([][]byte, 40)
			made := sample.New(1, 1700000000000000000)
			for i := range bodies {
				bodies[i] = made.Body(signal.String(), n)
			}
			for _, by := range []string{"reference", "ours", "gzip", "zstd"} {
				b.Run(fmt.Sprintf("signal=%s/items=%d/by=%s", signal, n, by), func(b *testing.B) { stream(b, signal, bodies, n, by) })
			}
		}
	}
}

const warm = 8

func stream(b *testing.B, signal otlp.Signal, bodies [][]byte, n int, by string) {
	size, first := 0, 0
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		one := by2func(b, signal, by)
		for _, body := range bodies[:warm] {
			first += one(body)
		}
		b.StartTimer()
		begun := cpuTime(b)
		for _, body := range bodies[warm:] {
			size += one(body)
		}
		cpu += cpuTime(b) - begun
	}
	items := float64(b.N * n * (len(bodies) - warm))
	b.ReportMetric(float64(cpu.Nanoseconds())/items, "cpu-ns/item")
	b.ReportMetric(float64(first)/float64(b.N*n*warm), "first-bytes/item")
	b.ReportMetric(float64(size)/items, "bytes/item")
}

// cpuTime is what the process has used so far, the garbage collector included: other work on
// the machine disturbs it less than the clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// by2func is what makes of a body so many bytes.
func by2func(b *testing.B, signal otlp.Signal, by string) func(body []byte) int {
	switch by {
	case "gzip":
		return gzipped
	case "zstd":
		return zstded
	case "reference":
		p := arrow_record.NewProducer()
		b.Cleanup(func() { _ = p.Close() })
		return func(body []byte) int { return len(reference(b, p, signal, body)) }
	}
	p, err := otap.NewProducer(signal, otap.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return func(body []byte) (size int) {
		batches, _, err := p.Produce(body)
		if err != nil {
			b.Fatal(err)
		}
		for _, batch := range batches {
			size += len(batch.Message)
		}
		return size
	}
}

func gzipped(body []byte) int {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Len()
}

var zstdEncoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))

func zstded(body []byte) int { return len(zstdEncoder.EncodeAll(body, nil)) }
