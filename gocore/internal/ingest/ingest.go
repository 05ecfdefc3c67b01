// Package ingest is the one door: Accept decodes a request into a shard of its signal and
// appends it to the journal, and what gathers in the shards is sealed and handed to the sink.
//
//	Accept ─> shard 0 ┐            ┌ write_interval_secs, or when large
//	Accept ─> shard 1 ┼─ seal ─> pending ─> Sink.Write ─> tables go back to the pool
//	          ...     ┘    │       └ bounded: full means "try later"
//	   └─> journal         └ all shards are locked: "all records of the signal
//	         │                below P" are exactly what is in the tables
//	         └─ Release(lowest P that every signal's sink has)
//
// A request takes the first free shard counting from 0, so that an idle node makes one
// batch and not many tiny ones. Without a journal an acknowledgement means decoded.
//
// The records of a dead writer's journal come in by Replay.
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
	// Write takes batches, good until it returns, that are all records of the signal below a
	// position and above that of the call before; all of them or none. A fault of kind Internal
	// says that trying again is in vain.
	Write(signal otlp.Signal, below uint64, batches ...arrow.RecordBatch) error
	// Aside keeps the request that such a batch stands for, and says where.
	Aside(signal otlp.Signal, body []byte) (path string, err error)
}

// Journal keeps what was acknowledged until the sink has it, see package journal.
type Journal interface {
	Append(signal otlp.Signal, items int, body []byte) (position uint64, err error)
	Wait(ctx context.Context, position uint64) error
	Next() uint64
	Release(below uint64)
	Size() int64
	Capacity() int64
}

// Ingest is the stage.
type Ingest struct {
	lanes   [otlp.Count]*lane
	maxBody int64
	journal Journal // nil keeps nothing
}

var errClosed = errors.New("shutting down")

// New makes the stage and starts a writer for each signal; Shutdown ends them. Without a
// journal, which may be nil, what was acknowledged lives in memory only.
func New(config Config, sink Sink, journal Journal, log *slog.Logger) *Ingest {
	in := &Ingest{maxBody: config.MaxBodyBytes, journal: journal}
	for _, s := range otlp.Signals {
		in.lanes[s] = newLane(s, config, sink, in, log, min(runtime.GOMAXPROCS(0), maxShards))
	}
	for _, lane := range in.lanes {
		go lane.write()
	}
	return in
}

// Accept takes one Export request. The body is not kept.
func (in *Ingest) Accept(ctx context.Context, signal otlp.Signal, body []byte) error {
	_, err := in.Take(ctx, signal, body)
	return err
}

// Take is Accept that also tells how many items were accepted.
func (in *Ingest) Take(ctx context.Context, signal otlp.Signal, body []byte) (items int, err error) {
	if signal >= otlp.Count {
		return 0, fault.New(fault.Invalid, "accept", "unknown signal %d", signal)
	}
	if limit := in.maxBody; int64(len(body)) > limit {
		return 0, fault.New(fault.TooLarge, "accept", "the request has %d bytes, more than max_request_bytes, %d", len(body), limit)
	}
	return in.lanes[signal].accept(ctx, body)
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
	in.release()
	return nil
}

// release lets the journal forget what every signal's sink has. A signal that has nothing
// waiting, or little while the journal fills, must not hold it back.
func (in *Ingest) release() {
	if in.journal == nil {
		return
	}
	crowded := in.journal.Size() > in.journal.Capacity()/2
	low := in.journal.Next()
	for _, lane := range in.lanes {
		below, idle := lane.progress()
		if !idle && crowded {
			lane.seal()
		}
		low = min(low, below)
	}
	in.journal.Release(low)
}

// retryAfter is what a refused client is told, and how long the writer waits after an error.
const retryAfter = time.Second
