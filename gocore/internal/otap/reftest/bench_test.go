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

// BenchmarkProduce sends a stream of requests that never repeat, ours and the reference's in turn:
//
//	go test -run - -bench Produce -cpu 1 -benchtime 10x ./gocore/internal/otap/reftest
//
// The first requests, which bring schemas and dictionaries, are not counted, nor is what the
// reference must unmarshal before. Processor time, the garbage collector's included: the lowest
// that a stream took. Bytes are of the BatchArrowRecords message, beside the request's in gzip
// and zstd.
func BenchmarkProduce(b *testing.B) {
	for _, signal := range otlp.Signals {
		for _, n := range []int{100, 1000} {
			bodies := make([][]byte, 40)
			made := sample.New(1, 1700000000000000000)
			for i := range bodies {
				bodies[i] = made.Body(signal.String(), n)
			}
			b.Run(fmt.Sprintf("signal=%s/items=%d", signal, n), func(b *testing.B) { compare(b, signal, bodies, float64(n)) })
		}
	}
}

const warm = 8

func compare(b *testing.B, signal otlp.Signal, bodies [][]byte, items float64) {
	cpu, size := map[string]time.Duration{}, map[string]int{}
	for b.Loop() {
		for _, by := range []string{"reference", "ours"} {
			spent, bytes := stream(b, signal, bodies, by)
			if least, known := cpu[by]; !known || spent < least {
				cpu[by] = spent
			}
			size[by] = bytes
		}
	}
	for _, body := range bodies[warm:] {
		size["gzip"] += gzipped(body)
		size["zstd"] += zstded(body)
	}
	items *= float64(len(bodies) - warm)
	for by, spent := range cpu {
		b.ReportMetric(float64(spent.Nanoseconds())/items, by+"-ns/item")
	}
	for by, bytes := range size {
		b.ReportMetric(float64(bytes)/items, by+"-B/item")
	}
	b.ReportMetric(float64(cpu["ours"])/float64(cpu["reference"]), "ours/reference")
}

// stream is one stream's time and bytes.
func stream(b *testing.B, signal otlp.Signal, bodies [][]byte, by string) (spent time.Duration, size int) {
	jobs, done := jobsOf(b, signal, by, bodies)
	defer done()
	for _, job := range jobs[:warm] {
		job()
	}
	runtime.GC()
	begun := cpuTime(b)
	for _, job := range jobs[warm:] {
		size += job()
	}
	return cpuTime(b) - begun, size
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
func jobsOf(b *testing.B, signal otlp.Signal, by string, bodies [][]byte) (jobs []func() int, done func()) {
	if by == "ours" {
		p, err := otap.NewProducer(signal, otap.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for _, body := range bodies {
			jobs = append(jobs, func() int { return produce(b, p, body) })
		}
		return jobs, func() {}
	}
	p := arrow_record.NewProducer()
	for _, body := range bodies {
		jobs = append(jobs, reference(b, p, signal, body))
	}
	return jobs, func() { _ = p.Close() }
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
