package forward

import (
	"context"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// tail reads one signal of what is acknowledged, while it comes: see journal.Tail.
type tail interface {
	feed
	// Wake has something in it when there may be more.
	Wake() <-chan struct{}
}

// Store is where what was acknowledged can be read.
type Store interface {
	// Next is the position of what comes next.
	Next() uint64
	follow(signal otlp.Signal) tail
}

// FromJournal is the store of a node that keeps a journal.
func FromJournal(j *journal.Journal) Store { return journalStore{j} }

type journalStore struct{ *journal.Journal }

func (j journalStore) follow(s otlp.Signal) tail {
	return j.Tail(s, func(body []byte) int { return Items(s, body) })
}

// Ring is the store of a node without a journal: memory, of which the oldest goes when there is no room.
// It is an ingest.Journal that never refuses and has nothing to wait for.
type Ring struct {
	most int64

	mu      sync.Mutex       // guards what follows
	records []journal.Record // oldest first
	bytes   int64
	next    uint64
	totals  [otlp.Count]journal.Tally
	tails   []*ringTail
}

// NewRing makes one of so many bytes.
func NewRing(most int64) *Ring { return &Ring{most: most, next: 1} }

// Append keeps a copy of a body.
func (r *Ring) Append(signal otlp.Signal, items int, body []byte) (uint64, error) {
	copied := slices.Clone(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	position := r.next
	r.next++
	record := journal.Record{Position: position, Signal: signal, Body: copied, Items: items}
	r.totals[signal] = r.totals[signal].Plus(record.Tally())
	r.records = append(r.records, record)
	r.bytes += int64(len(body))
	for r.bytes > r.most && len(r.records) > 0 {
		r.dropLocked()
	}
	for _, t := range r.tails {
		if t.signal == signal {
			poke(t.wake)
		}
	}
	return position, nil
}

// dropLocked lets the oldest record go: who still wanted it has lost it.
func (r *Ring) dropLocked() {
	oldest := r.records[0]
	r.records[0] = journal.Record{}
	r.records = r.records[1:]
	r.bytes -= int64(len(oldest.Body))
	for _, t := range r.tails {
		if t.signal == oldest.Signal && oldest.Position >= t.at {
			t.lost = t.lost.Plus(oldest.Tally())
			t.at = oldest.Position + 1
		}
	}
}

// Wait is of ingest.Journal.
func (r *Ring) Wait(context.Context, uint64) error { return nil }

// Next is of ingest.Journal and Store.
func (r *Ring) Next() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// Release is of ingest.Journal: files hold nothing here.
func (r *Ring) Release(uint64) {}

// Size is of ingest.Journal: it never fills.
func (r *Ring) Size() int64 { return 0 }

// Capacity is of ingest.Journal.
func (r *Ring) Capacity() int64 { return r.most }

func (r *Ring) follow(s otlp.Signal) tail {
	t := &ringTail{of: r, signal: s, wake: make(chan struct{}, 1), at: 1, done: 1}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tails = append(r.tails, t)
	return t
}

// ringTail's fields but the first three are guarded by Ring.mu.
type ringTail struct {
	of     *Ring
	signal otlp.Signal
	wake   chan struct{}
	at     uint64
	done   uint64
	read   journal.Tally
	lost   journal.Tally // not asked for yet
	missed journal.Tally // asked for
}

func (t *ringTail) Wake() <-chan struct{} { return t.wake }

func (t *ringTail) Next() (journal.Record, error) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	from, _ := slices.BinarySearchFunc(t.of.records, t.at, func(k journal.Record, at uint64) int {
		return int(int64(k.Position) - int64(at)) // positions are far from the ends of int64
	})
	for _, k := range t.of.records[from:] {
		if k.Signal == t.signal {
			t.at = k.Position + 1
			t.read = t.read.Plus(k.Tally())
			return k, nil
		}
	}
	t.at = t.of.next
	return journal.Record{}, io.EOF
}

func (t *ringTail) At() uint64 {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	return t.at
}

func (t *ringTail) Pending() journal.Tally {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	return t.of.totals[t.signal].Minus(t.read.Plus(t.lost).Plus(t.missed))
}

func (t *ringTail) Lost() journal.Tally {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	lost := t.lost
	t.missed = t.missed.Plus(lost)
	t.lost = journal.Tally{}
	return lost
}

// Done lets go what no tail wants.
func (t *ringTail) Done(below uint64) {
	r := t.of
	r.mu.Lock()
	defer r.mu.Unlock()
	t.done = max(t.done, below)
	low := uint64(math.MaxUint64)
	for _, other := range r.tails {
		low = min(low, other.done)
	}
	for len(r.records) > 0 && r.records[0].Position < low {
		r.bytes -= int64(len(r.records[0].Body))
		r.records[0] = journal.Record{}
		r.records = r.records[1:]
	}
}

func (t *ringTail) Close() {}
