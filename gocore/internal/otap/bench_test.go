//go:build unix

package otap

import (
	"math"
	"runtime"
	"syscall"
	"testing"
	"time"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/config"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	logsotlp "github.com/open-telemetry/otel-arrow/go/pkg/otel/logs/otlp"
	metricsotlp "github.com/open-telemetry/otel-arrow/go/pkg/otel/metrics/otlp"
	tracesarrow "github.com/open-telemetry/otel-arrow/go/pkg/otel/traces/arrow"
	tracesotlp "github.com/open-telemetry/otel-arrow/go/pkg/otel/traces/otlp"
	"github.com/open-telemetry/otel-arrow/go/pkg/record_message"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

const (
	benchItems   = 500 // a batch
	benchBatches = 20  // a stream, so that dictionaries have grown
)

// benchStream is a stream of batches of the reference Producer's.
func benchStream(b *testing.B, signal otlp.Signal, options ...config.Option) (stream [][]byte) {
	producer, maker := arrow_record.NewProducerWithOptions(options...), sample.New(42, 1_700_000_000_000_000_000)
	defer producer.Close()
	for range benchBatches {
		stream = append(stream, produce(b, producer, signal, maker.Body(signal.String(), benchItems)))
	}
	return stream
}

// BenchmarkConsume turns streams of OTAP batches into OTLP bytes, here and as the reference does,
// in turn:
//
//	whole    from a message's bytes on: the reference Consumer's TracesFrom, and marshalling
//	records  without what comes before the reference's Arrow records: TracesFrom of these, and
//	         marshalling, beside what we do with columns that are not compressed
//
//	go test -run - -bench Consume -cpu 1 -benchtime 20x ./gocore/internal/otap
//
// Processor time, the garbage collector's included: the lowest that a stream took.
func BenchmarkConsume(b *testing.B) {
	for _, signal := range otlp.Signals {
		for _, part := range []struct {
			name            string
			option          config.Option
			ours, reference func(*testing.B, otlp.Signal, [][]byte) time.Duration
		}{{"whole", config.WithZstd(), oursWhole, referenceWhole}, {"records", config.WithNoZstd(), oursDecode, referenceDecode}} {
			stream := benchStream(b, signal, part.option)
			b.Run("signal="+signal.String()+"/part="+part.name, func(b *testing.B) {
				ours, reference := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
				for b.Loop() {
					ours = min(ours, warm(b, signal, stream, part.ours))
					reference = min(reference, warm(b, signal, stream, part.reference))
				}
				b.ReportMetric(float64(ours)/(benchItems*benchBatches), "ours-ns/item")
				b.ReportMetric(float64(reference)/(benchItems*benchBatches), "reference-ns/item")
				b.ReportMetric(float64(reference)/float64(ours), "times")
			})
		}
	}
}

// warm times the second of two streams: the first one pays for the memory that the other side's
// garbage has left to the operating system.
func warm(b *testing.B, signal otlp.Signal, stream [][]byte, run func(*testing.B, otlp.Signal, [][]byte) time.Duration) time.Duration {
	runtime.GC()
	run(b, signal, stream)
	return run(b, signal, stream)
}

// cpuTime is what the process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func oursWhole(b *testing.B, signal otlp.Signal, stream [][]byte) time.Duration {
	begun := cpuTime(b)
	c := NewConsumer(signal, testLimits, nil)
	defer c.Close()
	for _, message := range stream {
		if _, _, err := c.Consume(message); err != nil {
			b.Fatal(err)
		}
	}
	return cpuTime(b) - begun
}

// oursDecode times what Consume does after it has read a batch's schemas and dictionaries.
func oursDecode(b *testing.B, signal otlp.Signal, stream [][]byte) (spent time.Duration) {
	c := NewConsumer(signal, testLimits, nil)
	defer c.Close()
	for _, message := range stream {
		batch, err := parseBatch(message)
		if bad, full := c.check(batch); bad != nil || full != nil || err != nil {
			b.Fatal(bad, full, err)
		}
		records, err := c.readAll(batch, nil)
		if err != nil {
			b.Fatal(err)
		}
		begun := cpuTime(b)
		if _, err := c.decode(records); err != nil {
			b.Fatal(err)
		}
		spent += cpuTime(b) - begun
		c.packed.out.reset(keepBytes)
	}
	return spent
}

func referenceWhole(b *testing.B, signal otlp.Signal, stream [][]byte) time.Duration {
	begun := cpuTime(b)
	c := arrow_record.NewConsumer()
	defer func() { _ = c.Close() }()
	for _, message := range stream {
		var batch arrowpb.BatchArrowRecords
		if err := proto.Unmarshal(message, &batch); err != nil {
			b.Fatal(err)
		}
		if err := referenceOTLP(c, signal, &batch); err != nil {
			b.Fatal(err)
		}
	}
	return cpuTime(b) - begun
}

func referenceOTLP(c *arrow_record.Consumer, signal otlp.Signal, batch *arrowpb.BatchArrowRecords) error {
	switch signal {
	case otlp.Traces:
		all, err := c.TracesFrom(batch)
		for _, one := range all {
			_, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(one)
		}
		return err
	case otlp.Logs:
		all, err := c.LogsFrom(batch)
		for _, one := range all {
			_, err = (&plog.ProtoMarshaler{}).MarshalLogs(one)
		}
		return err
	}
	all, err := c.MetricsFrom(batch)
	for _, one := range all {
		_, err = (&pmetric.ProtoMarshaler{}).MarshalMetrics(one)
	}
	return err
}

func referenceDecode(b *testing.B, signal otlp.Signal, stream [][]byte) (spent time.Duration) {
	c := arrow_record.NewConsumer()
	defer func() { _ = c.Close() }()
	for _, message := range stream {
		var batch arrowpb.BatchArrowRecords
		if err := proto.Unmarshal(message, &batch); err != nil {
			b.Fatal(err)
		}
		records, err := c.Consume(&batch)
		if err != nil {
			b.Fatal(err)
		}
		begun := cpuTime(b)
		if err := recordsOTLP(signal, records); err != nil {
			b.Fatal(err)
		}
		spent += cpuTime(b) - begun
	}
	return spent
}

func recordsOTLP(signal otlp.Signal, records []*record_message.RecordMessage) error {
	switch signal {
	case otlp.Traces:
		related, root, err := tracesotlp.RelatedDataFrom(records, tracesarrow.DefaultConfig())
		if err != nil {
			return err
		}
		data, err := tracesotlp.TracesFrom(root.Record(), related)
		if err != nil {
			return err
		}
		_, err = (&ptrace.ProtoMarshaler{}).MarshalTraces(data)
		return err
	case otlp.Logs:
		related, root, err := logsotlp.RelatedDataFrom(records)
		if err != nil {
			return err
		}
		data, err := logsotlp.LogsFrom(root.Record(), related)
		if err != nil {
			return err
		}
		_, err = (&plog.ProtoMarshaler{}).MarshalLogs(data)
		return err
	}
	related, root, err := metricsotlp.RelatedDataFrom(records)
	if err != nil {
		return err
	}
	data, err := metricsotlp.MetricsFrom(root.Record(), related)
	if err != nil {
		return err
	}
	_, err = (&pmetric.ProtoMarshaler{}).MarshalMetrics(data)
	return err
}
