package otap

import (
	"runtime"
	"slices"
	"testing"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/config"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// produce has the reference Producer make a batch of an Export request's body.
func produce(t fataler, p *arrow_record.Producer, signal otlp.Signal, body []byte) []byte {
	t.Helper()
	batch, err := produced(p, signal, body)
	if err != nil {
		t.Fatal(err)
	}
	message, err := proto.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// produceOrSkip passes over requests that make the reference Producer panic, as it does with
// some exponential histograms.
func produceOrSkip(t *rapid.T, p *arrow_record.Producer, signal otlp.Signal, body []byte) []byte {
	var message []byte
	if panics(func() { message = produce(t, p, signal, body) }) {
		t.Skip("the reference Producer panics")
	}
	return message
}

func panics(f func()) (panicked bool) {
	defer func() {
		if value := recover(); value != nil {
			if _, ours := value.(runtime.Error); !ours {
				panic(value) // rapid's own
			}
			panicked = true
		}
	}()
	f()
	return false
}

func produced(p *arrow_record.Producer, signal otlp.Signal, body []byte) (*arrowpb.BatchArrowRecords, error) {
	switch signal {
	case otlp.Traces:
		data, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
		if err != nil {
			return nil, err
		}
		return p.BatchArrowRecordsFromTraces(data)
	case otlp.Logs:
		data, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
		if err != nil {
			return nil, err
		}
		return p.BatchArrowRecordsFromLogs(data)
	}
	data, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(body)
	if err != nil {
		return nil, err
	}
	return p.BatchArrowRecordsFromMetrics(data)
}

// fataler is a test, or one of many that rapid makes of it.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

var testLimits = Limits{StreamBytes: 64 << 20, BatchBytes: 64 << 20}

func testConsumer(t testing.TB, signal otlp.Signal) *Consumer {
	c := NewConsumer(signal, testLimits, nil)
	t.Cleanup(c.Close)
	return c
}

// TestTheReferenceProducersBatches has streams of several batches, so that dictionaries grow and
// schemas change.
func TestTheReferenceProducersBatches(t *testing.T) {
	producers := map[string][]config.Option{
		"default":         nil,
		"no dictionaries": {config.WithNoDictionary()},
		"no zstd":         {config.WithNoZstd()},
	}
	for name, options := range producers {
		for _, signal := range otlp.Signals {
			t.Run(name+" "+signal.String(), func(t *testing.T) {
				rapid.Check(t, func(rt *rapid.T) {
					producer := arrow_record.NewProducerWithOptions(options...)
					defer producer.Close()
					consumer := NewConsumer(signal, testLimits, nil)
					defer consumer.Close()
					for range rapid.IntRange(1, 4).Draw(rt, "batches") {
						request := otlpgen.Request(rt, signal)
						tame(request.ProtoReflect())
						body, _ := proto.Marshal(request)
						_, got, err := consumer.Consume(produceOrSkip(rt, producer, signal, body))
						if err != nil {
							rt.Fatal(err)
						}
						if want, got := canon(rt, signal, body), canon(rt, signal, got); !slices.Equal(want, got) {
							rt.Fatalf("got\n%q\nwant\n%q", got, want)
						}
					}
				})
			})
		}
	}
}
