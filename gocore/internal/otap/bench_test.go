package otap

import (
	"testing"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

const (
	benchItems   = 500 // a batch
	benchBatches = 20  // a stream, so that dictionaries have grown
)

// benchStream is a stream of batches of the reference Producer's.
func benchStream(b *testing.B, signal otlp.Signal) (stream [][]byte) {
	producer, maker := arrow_record.NewProducer(), sample.New(42, 1_700_000_000_000_000_000)
	defer producer.Close()
	for range benchBatches {
		stream = append(stream, produce(b, producer, signal, maker.Body(signal.String(), benchItems)))
	}
	return stream
}

// BenchmarkConsume turns OTAP into OTLP bytes, from the message's bytes on, here and as the
// reference Consumer does it, with the marshalling that it takes to have bytes:
//
//	go test -run - -bench Consume -cpu 1 ./gocore/internal/otap
func BenchmarkConsume(b *testing.B) {
	for _, signal := range otlp.Signals {
		stream := benchStream(b, signal)
		b.Run("signal="+signal.String()+"/by=ours", func(b *testing.B) {
			benchItem(b, func() {
				c := NewConsumer(signal, testLimits, nil)
				for _, message := range stream {
					if _, _, err := c.Consume(message); err != nil {
						b.Fatal(err)
					}
				}
				c.Close()
			})
		})
		b.Run("signal="+signal.String()+"/by=reference", func(b *testing.B) {
			benchItem(b, func() {
				c := arrow_record.NewConsumer()
				for _, message := range stream {
					if err := reference(c, signal, message); err != nil {
						b.Fatal(err)
					}
				}
				_ = c.Close()
			})
		})
	}
}

func benchItem(b *testing.B, run func()) {
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(benchItems*benchBatches), "ns/item")
}

func reference(c *arrow_record.Consumer, signal otlp.Signal, message []byte) error {
	var batch arrowpb.BatchArrowRecords
	if err := proto.Unmarshal(message, &batch); err != nil {
		return err
	}
	switch signal {
	case otlp.Traces:
		all, err := c.TracesFrom(&batch)
		for _, one := range all {
			_, err = ptraceotlp.NewExportRequestFromTraces(one).MarshalProto()
		}
		return err
	case otlp.Logs:
		all, err := c.LogsFrom(&batch)
		for _, one := range all {
			_, err = plogotlp.NewExportRequestFromLogs(one).MarshalProto()
		}
		return err
	}
	all, err := c.MetricsFrom(&batch)
	for _, one := range all {
		_, err = pmetricotlp.NewExportRequestFromMetrics(one).MarshalProto()
	}
	return err
}
