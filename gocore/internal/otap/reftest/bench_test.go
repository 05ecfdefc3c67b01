//go:build unix

package reftest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"runtime"
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

// reference prepares making a batch of a body: what it must unmarshal before is not counted.
func reference(b testing.TB, p *arrow_record.Producer, signal otlp.Signal, body []byte) func() int {
	var make func() (*arrowpb.BatchArrowRecords, error)
	var err error
	switch signal {
	case otlp.Traces:
		var td ptrace.Traces
		td, err = (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
		make = func() (*arrowpb.BatchArrowRecords, error) { return p.BatchArrowRecordsFromTraces(td) }
	case otlp.Metrics:
		var md pmetric.Metrics
		md, err = (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(body)
		make = func() (*arrowpb.BatchArrowRecords, error) { return p.BatchArrowRecordsFromMetrics(md) }
	default:
		var ld plog.Logs
		ld, err = (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
		make = func() (*arrowpb.BatchArrowRecords, error) { return p.BatchArrowRecordsFromLogs(ld) }
	}
	if err != nil {
		b.Fatal(err)
	}
	return func() int {
		bar, err := make()
		if err != nil {
			b.Fatal(err)
		}
		message, err := proto.Marshal(bar)
		if err != nil {
			b.Fatal(err)
		}
		return len(message)
	}
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
		jobs := jobsOf(b, signal, by, bodies)
		for _, job := range jobs[:warm] {
			first += job()
		}
		runtime.GC()
		b.StartTimer()
		begun := cpuTime(b)
		for _, job := range jobs[warm:] {
			size += job()
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

// jobsOf are what makes of bodies so many bytes.
func jobsOf(b *testing.B, signal otlp.Signal, by string, bodies [][]byte) (jobs []func() int) {
	theirs := arrow_record.NewProducer()
	b.Cleanup(func() { _ = theirs.Close() })
	ours, err := otap.NewProducer(signal, otap.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, body := range bodies {
		switch by {
		case "gzip":
			jobs = append(jobs, func() int { return gzipped(body) })
		case "zstd":
			jobs = append(jobs, func() int { return zstded(body) })
		case "reference":
			jobs = append(jobs, reference(b, theirs, signal, body))
		default:
			jobs = append(jobs, func() int { return produce(b, ours, body) })
		}
	}
	return jobs
}

func produce(b *testing.B, p *otap.Producer, body []byte) (size int) {
	batches, _, err := p.Produce(body)
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		size += len(batch.Message)
	}
	return size
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
