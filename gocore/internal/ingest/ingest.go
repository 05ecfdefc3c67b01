// Package ingest is the one door: Accept decodes a request into a shard of its signal, and
// what gathers there is sealed and handed to the sink as batches.
//
//	Accept ─> shard 0 ┐            ┌ write_interval_secs, or when large
//	Accept ─> shard 1 ┼─ seal ─> pending ─> Sink.Write ─> table goes back to the pool
//	          ...     ┘            └ bounded: full means "try later"
//
// A request takes the first free shard counting from 0, so that an idle node makes one
// batch and not many tiny ones. With durability "memory" an acknowledgement means decoded.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Config is the stage's settings.
type Config struct {
	// WriteIntervalSecs is how long a batch gathers.
	WriteIntervalSecs int64
	// MaxPendingBytes bounds, for each signal, what waits to be written.
	MaxPendingBytes int64
	// MaxGrowthBytes bounds what one request may become.
	MaxGrowthBytes int64
	// MaxBodyBytes bounds a request; receivers that bound theirs share its setting.
	MaxBodyBytes int64
	// Promoted are attributes with a column of their own, checked by whose settings they are.
	Promoted []schema.Promotion
}

// maxGrowth keeps a column within Arrow's 32-bit offsets: what gathers before a request is
// sealed far below the rest of 2 GiB.
const maxGrowth = 1 << 30

// Validate lists every fault of the settings by the user's keys.
func (c Config) Validate() []error {
	var faults []error
	if n := c.WriteIntervalSecs; n < 1 || n > 3600 {
		faults = append(faults, fmt.Errorf("write_interval_secs: %d is not within 1 to 3600", n))
	}
	if n := c.MaxPendingBytes; n < 1<<20 || n > 1<<40 {
		faults = append(faults, fmt.Errorf("queue.max_bytes: %d is not within %d to %d", n, 1<<20, 1<<40))
	}
	if n := c.MaxGrowthBytes; n < 1<<20 || n > maxGrowth {
		faults = append(faults, fmt.Errorf("limits.max_decoded_bytes: %d is not within %d to %d", n, 1<<20, maxGrowth))
	}
	return faults
}

// Sink takes sealed batches.
type Sink interface {
	// Write takes a batch, which is good until it returns. A fault of kind Internal says that
	// trying again is in vain.
	Write(signal otlp.Signal, batch arrow.RecordBatch) error
	// Aside keeps the request that such a batch stands for, and says where.
	Aside(signal otlp.Signal, body []byte) (path string, err error)
}

// Ingest is the stage.
type Ingest struct {
	lanes   [otlp.Count]*lane
	maxBody int64
}

var errClosed = errors.New("shutting down")

// New makes the stage and starts a writer for each signal; Shutdown ends them.
func New(config Config, sink Sink, log *slog.Logger) *Ingest {
	in := &Ingest{maxBody: config.MaxBodyBytes}
	for _, s := range otlp.Signals {
		in.lanes[s] = newLane(s, config, sink, log, min(runtime.GOMAXPROCS(0), maxShards))
	}
	return in
}

// Accept takes one Export request. The body is not kept.
func (in *Ingest) Accept(_ context.Context, signal otlp.Signal, body []byte) error {
	if signal >= otlp.Count {
		return fault.New(fault.Invalid, "accept", "unknown signal %d", signal)
	}
	if limit := in.maxBody; int64(len(body)) > limit {
		return fault.New(fault.TooLarge, "accept", "the request has %d bytes, more than max_request_bytes, %d", len(body), limit)
	}
	return in.lanes[signal].accept(body)
}

// Flush returns when all that was accepted before the call has reached the sink. Every
// signal is sealed before any is waited for, so that one that fails does not hold up another.
func (in *Ingest) Flush(ctx context.Context, signals ...otlp.Signal) error {
	goals := make([]uint64, len(signals))
	for i, s := range signals {
		if s >= otlp.Count {
			return fault.New(fault.Invalid, "flush", "unknown signal %d", s)
		}
		goals[i] = in.lanes[s].sealAll()
	}
	var first error
	for i, s := range signals {
		if err := in.lanes[s].await(ctx, goals[i]); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Failure is why writing does not go on at present; nil when it does.
func (in *Ingest) Failure() error {
	for _, lane := range in.lanes {
		lane.mu.Lock()
		failure := lane.failure
		lane.mu.Unlock()
		if failure != nil {
			return failure
		}
	}
	return nil
}

// Shutdown refuses what comes from now on and writes what was accepted. It may be called
// twice, and again after its deadline passed.
func (in *Ingest) Shutdown(ctx context.Context) error {
	for _, lane := range in.lanes {
		lane.close()
	}
	err := in.Flush(ctx, otlp.Signals[:]...)
	if err != nil {
		return err
	}
	for _, lane := range in.lanes {
		lane.stop()
	}
	return nil
}

// retryAfter is what a refused client is told, and how long the writer waits after an error.
const retryAfter = time.Second
