package ingest

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
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
	// Empty tables that are kept beside one for each shard, for groups that wait.
	spareTables = 2
	// Groups that may wait, and bytes in them, before requests are held up; and for how long at most in
	// a step of the writer: one that takes longer lacks no processor, but a disk.
	maxBehind   = 1
	behindBytes = sealBytes / 2 // flushes make small groups
	maxPace     = 100 * time.Millisecond
)

// shard is a table that one request at a time is decoded into.
type shard struct {
	mu    sync.Mutex // guards table
	table *decode.Table
}

// group is what was in all shards at one moment: all records of the signal below a position and
// above that of the group before.
type group struct {
	tables []*decode.Table
	below  uint64
}

func (g group) size() (bytes int64) {
	for _, table := range g.tables {
		bytes += int64(table.Size())
	}
	return bytes
}

// lane is a signal's way from Accept to the sink.
type lane struct {
	signal otlp.Signal
	config Config
	sink   Sink
	of     *Ingest
	log    *slog.Logger
	shards []*shard
	closed atomic.Bool
	wake   chan struct{}
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
	drops  drops

	mu      sync.Mutex // guards what follows
	pending []group
	bytes   int64
	pool    []*decode.Table
	sealed  uint64 // groups that were made
	written uint64 // groups that reached the sink
	below   uint64 // all records of the signal below it have reached the sink
	advance chan struct{}
	begun   time.Time // of the last write
	failure error     // of the last write, nil when it went well
	lacking int64     // what the last refused request had needed, 0 once another was admitted
}

func newLane(s otlp.Signal, config Config, sink Sink, of *Ingest, log *slog.Logger, shards int) *lane {
	l := &lane{
		signal: s, config: config, sink: sink, of: of, log: log.With("signal", s.String()),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), advance: make(chan struct{}),
	}
	for range shards {
		l.shards = append(l.shards, &shard{table: l.newTable()})
	}
	return l
}

func (l *lane) newTable() *decode.Table {
	table := decode.New(l.signal, l.config.Promoted...)
	table.MaxGrowth = int(l.config.MaxGrowthBytes)
	return table
}

func (l *lane) accept(ctx context.Context, body []byte) (items int, err error) {
	behind, err := l.admit(int64(len(body)))
	if err != nil {
		return 0, err
	}
	if behind != nil {
		if err := pace(ctx, behind); err != nil {
			return 0, err
		}
	}
	sh := l.take()
	position, items, full, err := l.addLocked(sh, body)
	sh.mu.Unlock()
	if err != nil {
		if fault.KindOf(err) == fault.Overloaded {
			l.makeRoom()
		}
		return 0, err
	}
	if full {
		l.seal()
	} else {
		l.makeRoom()
	}
	if position == 0 {
		return items, nil
	}
	return items, l.of.journal.Wait(ctx, position)
}

// makeRoom seals what gathered while the journal is half full, so that it can be written and
// the journal can forget it. It does nothing while the writer has something to do.
func (l *lane) makeRoom() {
	if j := l.of.journal; j == nil || j.Size() <= j.Capacity()/2 {
		return
	}
	for _, lane := range l.of.lanes {
		lane.mu.Lock()
		busy := len(lane.pending) > 0
		lane.mu.Unlock()
		if !busy {
			lane.seal()
		}
	}
}

// addLocked adds a request to a shard's rows and to the journal; the shard's lock is held, so
// that seal finds it in both or in neither. The position is 0 where there is nothing to keep.
func (l *lane) addLocked(sh *shard, body []byte) (position uint64, items int, full bool, err error) {
	// Checked under the lock that close's flush takes: what is accepted after this line is flushed.
	if l.closed.Load() {
		return 0, 0, false, &fault.Error{Kind: fault.Closed, Op: "accept", Err: errClosed}
	}
	before, stats := sh.table.Rows(), sh.table.Stats
	if err := l.decodeLocked(sh, body); err != nil {
		return 0, 0, false, err
	}
	if items = sh.table.Rows() - before; l.of.journal != nil && items > 0 {
		if position, err = l.of.journal.Append(l.signal, items, body); err != nil {
			sh.table.Undo()
			return 0, 0, false, err
		}
	}
	if sh.table.Stats != stats {
		l.drops.add(stats, sh.table.Stats)
	}
	return position, items, sh.table.Size() >= sealBytes || sh.table.Rows() >= sealRows, nil
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

// admit refuses while too much waits to be written. Where the writer is behind, but at work, it gives
// the channel that its next step closes.
func (l *lane) admit(bytes int64) (behind <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fullLocked(bytes) {
		l.lacking = bytes
		cause := fault.New(fault.Overloaded, "accept", "the queue of %s is full", l.signal)
		cause.RetryAfter = retryAfter
		return nil, cause
	}
	l.lacking = 0
	if len(l.pending) > maxBehind && l.bytes > behindBytes && l.failure == nil && time.Since(l.begun) < maxPace {
		return l.advance, nil
	}
	return nil, nil
}

// pace holds a request up for a moment, in which the writer has the processors: without it many
// connections fill one table after another, each cold memory, faster than one writer gets its turn.
// What its sender gave up meanwhile is not taken: it comes again.
func pace(ctx context.Context, behind <-chan struct{}) error {
	patience := time.NewTimer(maxPace)
	defer patience.Stop()
	select {
	case <-behind:
	case <-patience.C:
	case <-ctx.Done():
		return &fault.Error{Kind: fault.Timeout, Op: "accept", Err: ctx.Err()}
	}
	return nil
}

func (l *lane) fullLocked(bytes int64) bool {
	return l.bytes > 0 && l.bytes+bytes > l.config.MaxPendingBytes
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

// seal moves the rows of all shards to the queue, as one group.
func (l *lane) seal() {
	for _, sh := range l.shards {
		sh.mu.Lock()
		defer sh.mu.Unlock()
	}
	g := group{}
	if l.of.journal != nil {
		g.below = l.of.journal.Next()
	}
	l.mu.Lock()
	for _, sh := range l.shards {
		if sh.table.Rows() > 0 {
			g.tables = append(g.tables, sh.table)
			sh.table = l.freshLocked(sh.table)
		}
	}
	if len(g.tables) > 0 {
		l.pending = append(l.pending, g)
		l.bytes += g.size()
		l.sealed++
	} else if len(l.pending) == 0 {
		l.below = g.below
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// freshLocked is an empty table, to take the place of another; mu is held.
func (l *lane) freshLocked(full *decode.Table) (table *decode.Table) {
	n := len(l.pool)
	if n == 0 {
		table = l.newTable()
		if full.Peak() <= keepBytes {
			table.Reserve(full)
		}
		return table
	}
	table, l.pool = l.pool[n-1], l.pool[:n-1]
	return table
}

// progress tells how far the sink has the signal's records, and whether there are no others.
func (l *lane) progress() (below uint64, idle bool) {
	idle = true
	for _, sh := range l.shards {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		idle = idle && sh.table.Rows() == 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if idle = idle && len(l.pending) == 0; idle {
		l.below = l.of.journal.Next()
	}
	return l.below, idle
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

// writeNext writes the oldest pending group; after an error it waits before the next try.
func (l *lane) writeNext() bool {
	l.mu.Lock()
	if len(l.pending) == 0 {
		l.mu.Unlock()
		return false
	}
	g := l.pending[0]
	l.begun = time.Now()
	l.mu.Unlock()
	err := write(l.sink, l.signal, g, l.log)
	l.finish(g, err)
	if err == nil {
		l.of.release()
		return true
	}
	select {
	case <-l.quit:
		return false
	case <-time.After(retryAfter):
		return true
	}
}

// finish takes a written group off the queue and tells who waits for it, or of the error.
func (l *lane) finish(g group, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteLocked(err)
	if err == nil {
		l.pending = l.pending[1:]
		l.bytes -= g.size()
		l.written++
		l.below = g.below
		for _, table := range g.tables {
			if len(l.pool) < len(l.shards)+spareTables && table.Peak() <= keepBytes {
				table.Reset()
				l.pool = append(l.pool, table)
			}
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
