package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// pipe takes one signal to one destination, in order and one request at a time.
type pipe struct {
	of     *destination
	signal otlp.Signal
	log    *slog.Logger
	limits limits
	memory buffers
	counts counts
	stop   <-chan struct{} // closed: send what there is, and end at the first failure
	kick   chan struct{}   // bounds have changed, or there is another dead writer's journal

	acked  atomic.Uint64 // of the live feed: the destination wants nothing below
	recent atomic.Int64  // bytes since the journal was told, about
	old    atomic.Uint64 // live positions below are beyond max_age
	over   atomic.Bool   // more than max_bytes waited when it was looked at last

	// Of the pipe's goroutine.
	live    tail
	carry   *journal.Record        // was read and did not fit
	reading bool                   // a read failed, which was told
	given   [Reasons]journal.Tally // not told yet

	mu   sync.Mutex // guards dead
	dead []*deadFeed
}

func newPipe(d *destination, s otlp.Signal) *pipe {
	// What is given up, is by batches.
	most := limits{int(min(d.Batch.MaxBytes, d.queue/4)), int(d.Batch.MaxItems)}
	p := &pipe{of: d, signal: s, log: d.log.With("signal", s.String()), limits: most, kick: make(chan struct{}, 1)}
	p.memory.most = 2 * most.bytes
	p.acked.Store(1)
	return p
}

// nudge makes the pipe look at what has changed.
func (p *pipe) nudge() { poke(p.kick) }

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run ends with ctx, or when there is nothing left or the destination fails after stop is closed.
func (p *pipe) run(ctx context.Context) {
	defer p.live.Close()
	for {
		last := p.stopping()
		if f := p.oldest(); f != nil {
			if !p.pump(ctx, f) {
				f.Close()
				return
			}
			p.leave(f)
			continue
		}
		if !p.pump(ctx, p.live) || last || !p.idle(ctx) {
			return
		}
	}
}

func (p *pipe) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// oldest is the next dead writer's journal.
func (p *pipe) oldest() *deadFeed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.dead) == 0 {
		return nil
	}
	return p.dead[0]
}

func (p *pipe) leave(f *deadFeed) {
	f.Close()
	p.mu.Lock()
	p.dead = p.dead[1:]
	p.mu.Unlock()
	f.dead.left()
}

// idle waits until there may be more.
func (p *pipe) idle(ctx context.Context) bool {
	select {
	case <-p.live.Wake():
	case <-p.kick:
	case <-p.stop:
	case <-ctx.Done():
		return false
	}
	return true
}

const (
	// enoughBytes are sent at once: larger requests save nothing, and what has just been appended is in memory.
	enoughBytes = 1 << 20
	// lingerStep is how often it is looked whether that much waits.
	lingerStep = 5 * time.Millisecond
)

// linger waits for what is about to come, so that few requests are sent and not many tiny ones; false when the
// pipe has to end.
func (p *pipe) linger(ctx context.Context) bool {
	enough := uint64(min(enoughBytes, p.limits.bytes))
	for left := time.Duration(p.of.Batch.FlushInterval); left > 0; left -= lingerStep {
		waiting := p.live.Pending().Plus(p.counts.held()).Bytes
		if waiting >= enough || p.stopping() || !p.sleep(ctx, min(left, lingerStep)) {
			break
		}
	}
	return ctx.Err() == nil
}

// sleep is false when the pipe has to end at once. stop cuts it short.
func (p *pipe) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.stop:
	case <-ctx.Done():
		return false
	}
	return true
}

// readRetry is how long a journal that cannot be read is left alone.
const readRetry = time.Second

// pump sends what a feed has at present; false when the pipe has to end.
func (p *pipe) pump(ctx context.Context, f feed) bool {
	for ctx.Err() == nil {
		if f == feed(p.live) && !p.linger(ctx) {
			return false
		}
		b, err := p.gather(f)
		if err != nil {
			if !p.reading {
				p.log.Error("the journal cannot be read for a destination; it is tried again", "error", err)
			}
			p.reading = true
			if p.stopping() || !p.sleep(ctx, readRetry) {
				return false
			}
			continue
		}
		p.reading = false
		if b.empty() {
			p.advance(f, b.below)
			return true
		}
		if !p.deliver(ctx, f, b) {
			return false
		}
	}
	return false
}

// advance notes that the destination wants nothing below a position.
func (p *pipe) advance(f feed, below uint64) {
	if d, dead := f.(*deadFeed); dead {
		d.acked.Store(below)
		return
	}
	p.acked.Store(below)
}

// doneBytes is after how much the journal is told early what may go: its files are written over, and what is
// kept is room that others may need.
const doneBytes = 4 << 20

func (p *pipe) progress(bytes int) {
	if p.recent.Add(int64(bytes)) > doneBytes {
		p.recent.Store(0)
		poke(p.of.passed)
	}
}

// gather makes the next batch. An error comes only where nothing was gathered.
func (p *pipe) gather(f feed) (b *batch, err error) {
	b = &batch{joined: joined{memory: &p.memory}}
	defer p.tellGiven()
	for {
		record, err := p.next(f)
		if err != nil {
			if b.below = f.At(); b.empty() && !errors.Is(err, io.EOF) {
				return b, err
			}
			return b, nil
		}
		switch {
		case p.limits.fit(b.size+len(record.Body), b.items()+record.Items):
			b.add(record)
		case b.empty():
			b.split = split(p.signal, record.Body, p.limits)
			b.sum, b.last, b.below = record.Tally(), record.Position, record.Position+1
			return b, nil
		default:
			p.carry, b.below = record, record.Position
			return b, nil
		}
	}
}

// next is the next record that is within bounds. What is not is counted.
func (p *pipe) next(f feed) (*journal.Record, error) {
	if record := p.carry; record != nil {
		p.carry = nil
		return record, nil
	}
	for {
		record, err := f.Next()
		if lost := f.Lost(); lost.Requests > 0 {
			p.giveUpUnread(Room, lost)
		}
		if err != nil {
			return nil, err
		}
		n := record.Tally()
		p.counts.took(n)
		why, given := p.exceeds(f, record.Position, journal.Tally{})
		if !given {
			return &record, nil
		}
		p.giveUpUnread(why, n)
	}
}

// exceeds tells whether what is at a position is beyond the queue's bounds. held is what was read and
// counts as waiting.
func (p *pipe) exceeds(f feed, position uint64, held journal.Tally) (Reason, bool) {
	if d, dead := f.(*deadFeed); dead {
		return p.exceedsDead(d)
	}
	switch {
	case position < p.old.Load():
		return MaxAge, true
	case p.over.Load() && p.live.Pending().Plus(held).Bytes > uint64(p.of.queue):
		return MaxBytes, true
	}
	return 0, false
}

// exceedsDead is for a dead writer's journal: as old as its last record, and bounded together with others.
func (p *pipe) exceedsDead(d *deadFeed) (Reason, bool) {
	if age := time.Duration(p.of.SendingQueue.MaxAge); age > 0 && p.of.now().Sub(d.dead.last) > age {
		return MaxAge, true
	}
	return MaxBytes, p.deadPending().Bytes > uint64(p.of.queue)
}

func (p *pipe) deadPending() (sum journal.Tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.dead {
		sum = sum.Plus(f.Pending())
	}
	return sum
}

// giveUpUnread counts what the destination does not get; it is told when the batch is full, in one line.
func (p *pipe) giveUpUnread(why Reason, n journal.Tally) {
	p.counts.gaveUp(why, n)
	p.given[why] = p.given[why].Plus(n)
}

func (p *pipe) tellGiven() {
	for why, n := range p.given {
		if n.Requests > 0 {
			p.tell(Reason(why), n, p.of.trouble())
			p.given[why] = journal.Tally{}
		}
	}
}

// giveUp counts what the destination does not get, and tells it.
func (p *pipe) giveUp(why Reason, n journal.Tally, cause error) {
	p.counts.gaveUp(why, n)
	p.tell(why, n, cause)
}

func (p *pipe) tell(why Reason, n journal.Tally, cause error) {
	p.log.Error("data is given up for a destination", "reason", why.String(), "requests", n.Requests, "items", n.Items, "bytes", n.Bytes, "error", cause)
}
