package node

import (
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// written is what reached a signal's files.
type written struct {
	items, batches, failures, aside atomic.Uint64
	seconds, rows                   *obs.Histogram
}

func (w *written) init() {
	w.seconds = obs.NewHistogram(obs.Seconds()...)
	w.rows = obs.NewHistogram(1, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
}

// counted is a sink that counts.
type counted struct {
	ingest.Sink
	of *[otlp.Count]written
}

// Write is of ingest.Sink.
func (c counted) Write(s otlp.Signal, below uint64, batches ...arrow.RecordBatch) error {
	begin, w := time.Now(), &c.of[s]
	if err := c.Sink.Write(s, below, batches...); err != nil {
		w.failures.Add(1)
		return err
	}
	if len(batches) > 0 {
		w.seconds.Observe(time.Since(begin).Seconds())
	}
	for _, b := range batches {
		w.batches.Add(1)
		w.items.Add(uint64(b.NumRows()))
		w.rows.Observe(float64(b.NumRows()))
	}
	return nil
}

// Aside is of ingest.Sink.
func (c counted) Aside(s otlp.Signal, body []byte) (path string, err error) {
	if path, err = c.Sink.Aside(s, body); err == nil {
		c.of[s].aside.Add(1)
	}
	return path, err
}
