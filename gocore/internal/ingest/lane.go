package ingest

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

const (
	maxShards = 8
	// A batch is sealed early when it takes about this many bytes, or has this many rows:
	// large enough to compress well, small enough for caches and to keep memory low.
	sealBytes = 24 << 20
	sealRows  = 1 << 15
	// A table that one giant request made larger than this is not used again: it would keep
	// that memory for ever.
	keepBytes = 2 * sealBytes
)

// shard is a table that one request at a time is decoded into.
type shard struct {
	mu    sync.Mutex // guards table
	table *decode.Table
}

// lane is a signal's way from Accept to the sink.
type lane struct {
	signal otlp.Signal
	config Config
	sink   Sink
	log    *slog.Logger
	shards []*shard
	closed atomic.Bool
	wake   chan struct{}
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once

	mu      sync.Mutex // guards what follows
	pending []*decode.Table
	bytes   int64
	pool    []*decode.Table
	sealed  uint64 // batches that were made
	written uint64 // batches that reached the sink
	advance chan struct{}
	failure error // of the last write, nil when it went well
}

func newLane(s otlp.Signal, config Config, sink Sink, log *slog.Logger, shards int) *lane {
	l := &lane{
		signal: s, config: config, sink: sink, log: log.With("signal", s.String()),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), advance: make(chan struct{}),
	}
	for range shards {
		l.shards = append(l.shards, &shard{table: l.newTable()})
	}
	go l.write()
	return l
}

func (l *lane) newTable() *decode.Table {
	table := decode.New(l.signal, l.config.Promoted...)
	table.MaxGrowth = int(l.config.MaxGrowthBytes)
	return table
}

func (l *lane) accept(body []byte) error {
	if err := l.admit(int64(len(body))); err != nil {
		return err
	}
	sh := l.take()
	defer sh.mu.Unlock()
	// Checked under the lock that close's flush takes: what is accepted after this line is flushed.
	if l.closed.Load() {
		return &fault.Error{Kind: fault.Closed, Op: "accept", Err: errClosed}
	}
	if err := l.decodeLocked(sh, body); err != nil {
		return err
	}
	if sh.table.Size() >= sealBytes || sh.table.Rows() >= sealRows {
		l.sealLocked(sh)
	}
	return nil
}

// decodeLocked adds a request to a shard's rows; the shard's lock is held.
func (l *lane) decodeLocked(sh *shard, body []byte) (err error) {
	defer func() {
		if cause := recover(); cause != nil { // not even taking the request back went well
			l.log.Error("rows were lost to an internal error", "rows", sh.table.Rows(), "panic", cause, "stack", string(debug.Stack()))
			sh.table = l.newTable()
			err = fault.New(fault.Internal, "accept", "internal error, told in the log")
		}
	}()
	err = sh.table.Decode(body)
	if err != nil && fault.KindOf(err) == fault.Internal {
		l.log.Error("a request was refused for an internal error", "error", err)
	}
	if err != nil && sh.table.Rows() == 0 && sh.table.Peak() > keepBytes {
		sh.table = l.newTable()
	}
	return err
}

// admit refuses while too much waits to be written.
func (l *lane) admit(bytes int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes > 0 && l.bytes+bytes > l.config.MaxPendingBytes {
		cause := fault.New(fault.Overloaded, "accept", "the queue of %s is full", l.signal)
		cause.RetryAfter = retryAfter
		return cause
	}
	return nil
}

// take locks the first free shard, or waits for the last.
func (l *lane) take() *shard {
	for _, sh := range l.shards {
		if sh.mu.TryLock() {
			return sh
		}
	}
	sh := l.shards[len(l.shards)-1]
	sh.mu.Lock()
	return sh
}

// sealLocked moves a shard's rows to the queue; the shard's lock is held.
func (l *lane) sealLocked(sh *shard) {
	if sh.table.Rows() == 0 {
		return
	}
	l.mu.Lock()
	l.pending = append(l.pending, sh.table)
	l.bytes += int64(sh.table.Size())
	l.sealed++
	if n := len(l.pool); n > 0 {
		sh.table, l.pool = l.pool[n-1], l.pool[:n-1]
	} else {
		sh.table = l.newTable()
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) seal() {
	for _, sh := range l.shards {
		sh.mu.Lock()
		l.sealLocked(sh)
		sh.mu.Unlock()
	}
}

// write is the lane's writer: it ends when quit is closed.
func (l *lane) write() {
	defer close(l.done)
	tick := time.NewTicker(time.Duration(l.config.WriteIntervalSecs) * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-tick.C:
			l.seal()
		case <-l.wake:
		}
		for l.writeNext() {
		}
	}
}

// writeNext writes the oldest pending batch; after an error it waits before the next try.
func (l *lane) writeNext() bool {
	l.mu.Lock()
	if len(l.pending) == 0 {
		l.mu.Unlock()
		return false
	}
	table := l.pending[0]
	l.mu.Unlock()
	err := l.put(table)
	if ours, ok := errors.AsType[*fault.Error](err); ok && ours.Kind == fault.Internal {
		err = l.setAside(table, err)
	}
	l.finish(table, err)
	if err == nil {
		return true
	}
	select {
	case <-l.quit:
		return false
	case <-time.After(retryAfter):
		return true
	}
}

// put writes a table's rows.
func (l *lane) put(table *decode.Table) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New(fault.Internal, "write", "panic: %v\n%s", cause, debug.Stack())
		}
	}()
	batch := table.Batch()
	defer batch.Release()
	return l.sink.Write(l.signal, batch)
}

// setAside keeps rows that cannot be written, for a fault of ours, as the request that they
// came from, so that they hold up nothing and nothing is deleted.
func (l *lane) setAside(table *decode.Table, cause error) (err error) {
	body, err := l.encode(table)
	if err != nil {
		l.log.Error("a batch could neither be written nor set aside", "rows", table.Rows(), "error", errors.Join(cause, err))
		return nil
	}
	path, err := l.sink.Aside(l.signal, body)
	if err == nil {
		l.log.Error("a batch could not be written and was set aside as an OTLP request", "path", path, "error", cause)
	}
	return err
}

func (l *lane) encode(table *decode.Table) (body []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New(fault.Internal, "set aside", "panic: %v", cause)
		}
	}()
	batch := table.Batch()
	defer batch.Release()
	return encode.Batch(nil, l.signal, batch)
}

// finish takes a written batch off the queue and tells who waits for it, or of the error.
func (l *lane) finish(table *decode.Table, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteLocked(err)
	if err == nil {
		l.pending = l.pending[1:]
		size := table.Size()
		l.bytes -= int64(size)
		l.written++
		if len(l.pool) < len(l.shards) && table.Peak() <= keepBytes {
			table.Reset()
			l.pool = append(l.pool, table)
		}
	}
	close(l.advance)
	l.advance = make(chan struct{})
}

// noteLocked logs a lasting failure once, and its end once.
func (l *lane) noteLocked(err error) {
	switch {
	case err != nil && l.failure == nil:
		l.log.Error("a batch could not be written; it is kept and tried again", "error", err)
	case err == nil && l.failure != nil:
		l.log.Info("writing goes on")
	}
	l.failure = err
}

// sealAll seals what was accepted and gives the count that written must reach.
func (l *lane) sealAll() uint64 {
	l.seal()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sealed
}

// await waits until that many batches have been written.
func (l *lane) await(ctx context.Context, goal uint64) error {
	for {
		l.mu.Lock()
		written, advance, failure := l.written, l.advance, l.failure
		l.mu.Unlock()
		if written >= goal {
			return nil
		}
		select {
		case <-advance:
		case <-ctx.Done():
			if failure != nil {
				return failure
			}
			return &fault.Error{Kind: fault.Timeout, Op: "flush " + l.signal.String(), Err: ctx.Err()}
		}
	}
}

func (l *lane) close() { l.closed.Store(true) }

func (l *lane) stop() {
	l.once.Do(func() { close(l.quit) })
	<-l.done
}
