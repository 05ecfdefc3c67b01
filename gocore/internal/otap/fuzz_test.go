package otap

import (
	"bytes"
	"testing"

	"github.com/open-telemetry/otel-arrow/go/pkg/config"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// FuzzConsume changes real batches: whatever comes, there is a body or a fault, nothing is held
// after Close, and a batch that was good before is good after it on a stream of its own.
func FuzzConsume(f *testing.F) {
	for _, signal := range otlp.Signals {
		for _, option := range []config.Option{config.WithZstd(), config.WithNoZstd()} {
			producer, maker := arrow_record.NewProducerWithOptions(option), sample.New(1, 1)
			for range 2 {
				f.Add(uint8(signal), produce(f, producer, signal, maker.Body(signal.String(), 3)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, message []byte) {
		signal := otlp.Signal(which % otlp.Count)
		budget := &purse{limit: 8 << 20}
		c := NewConsumer(signal, Limits{StreamBytes: 4 << 20, BatchBytes: 1 << 20}, budget)
		first := consumeOrFault(t, c, message)
		again := NewConsumer(signal, Limits{StreamBytes: 4 << 20, BatchBytes: 1 << 20}, nil)
		if second := consumeOrFault(t, again, message); !bytes.Equal(first, second) {
			t.Errorf("%x the first time, %x the second", first, second)
		}
		consumeOrFault(t, c, message)
		c.Close()
		again.Close()
		if budget.held != 0 {
			t.Errorf("%d bytes are held after Close", budget.held)
		}
	})
}

func consumeOrFault(t *testing.T, c *Consumer, message []byte) []byte {
	_, body, err := c.Consume(message)
	if err != nil {
		if kind := fault.KindOf(err); kind == fault.Internal || body != nil {
			t.Errorf("%v of kind %v, with a body of %d bytes", err, kind, len(body))
		}
		return nil
	}
	return bytes.Clone(body)
}
