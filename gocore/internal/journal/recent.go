package journal

import (
	"math/bits"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// What was appended last is in memory as well, up to Config.Recent bytes of each signal that has Tails. One
// that keeps up takes it from there: nothing is read, checked or copied.
//
//	Memory   ├ record │ record │ record ┼ free ┤ ├ record ...    as in the file, which is written from here
//	entries      n       n+1      n+2              n+3           the signal's records by their number
//	             └ goes when all Tails have had it, or when there are too many bytes
//
// Memory is used again once no entry is in it, nothing is added and no reader holds it.

const (
	// memoryBytes fits into a processor's own cache, more than once.
	memoryBytes = 256 << 10
	// maxMemoryBytes is the largest record, with header and mark, that is kept: each size is twice the one before.
	maxMemoryBytes = memoryBytes << (memorySizes - 1)
	memorySizes    = 5
	// maxHand is how many records a Tail takes at a time.
	maxHand = 64
)

// Memory holds the bodies of some records. It is good as long as it is held.
type Memory struct {
	buf  []byte
	used int
	refs atomic.Int32
	home *sync.Pool
}

// Hold keeps what is in it until Release is called as often.
func (m *Memory) Hold() { m.refs.Add(1) }

// Release ends a Hold.
func (m *Memory) Release() {
	if m.refs.Add(-1) == 0 {
		m.used = 0
		m.home.Put(m)
	}
}

// entry is a record in memory.
type entry struct {
	record  Record
	number  uint64 // of the signal's records were before it
	segment *segment
	end     int64 // of it in the segment
	size    int64
}

// recent is what is in memory of a signal.
type recent struct {
	entries []entry // oldest first
	filling *Memory // nil: the next record begins another
	bytes   int64
}

// from is the index of the entry with a number, or of the first beyond.
func (r *recent) from(number uint64) int {
	return sort.Search(len(r.entries), func(i int) bool { return r.entries[i].number >= number })
}

// forget drops the first entries.
func (r *recent) forget(n int) {
	for i := range n {
		r.bytes -= r.entries[i].size
		r.entries[i].record.Memory.Release()
		r.entries[i] = entry{}
	}
	r.entries = r.entries[n:]
}

// spaceLocked is where a record may be composed so that Tails find it; nil where it is not to be kept.
func (j *Journal) spaceLocked(s otlp.Signal, size int64) *Memory {
	if !j.followed[s] || size > min(j.config.Recent, maxMemoryBytes) {
		return nil
	}
	if size > memoryBytes {
		return j.memory(size)
	}
	r := &j.recent[s]
	if r.filling != nil && int64(len(r.filling.buf)-r.filling.used) < size {
		r.filling.Release()
		r.filling = nil
	}
	if r.filling == nil {
		r.filling = j.memory(memoryBytes)
	}
	r.filling.Hold()
	return r.filling
}

// memory is of at least a size, and held.
func (j *Journal) memory(size int64) *Memory {
	class := bits.Len64(uint64((size - 1) / memoryBytes))
	pool := &j.pools[class]
	m, ok := pool.Get().(*Memory)
	if !ok {
		m = &Memory{buf: make([]byte, memoryBytes<<class), home: pool}
	}
	m.refs.Store(1)
	return m
}

// rememberLocked makes what was composed in held memory an entry.
func (j *Journal) rememberLocked(s *segment, head recordHead, m *Memory) {
	size := recordSize(head.length)
	begin := m.used + recordHeader
	m.used += int(size)
	r := &j.recent[head.signal]
	r.entries = append(r.entries, entry{
		record: Record{
			Position: head.position, Signal: head.signal, Items: head.items, Memory: m, Body: m.buf[begin : begin+int(head.length) : begin+int(head.length)],
		},
		number: j.totals[head.signal].Requests, segment: s, end: s.end + size, size: size,
	})
	r.bytes += size
	n := 0
	for over := r.bytes - j.config.Recent; over > 0; n++ {
		over -= r.entries[n].size
	}
	r.forget(n)
}

// grasp takes in hand what comes next, as far as it is in memory and durable.
func (t *Tail) grasp() {
	next := t.soFar().Requests
	j := t.j
	j.mu.Lock()
	defer j.mu.Unlock()
	r := &j.recent[t.signal]
	t.hand = t.hand[:0]
	for _, e := range r.entries[r.from(next):] {
		if len(t.hand) == maxHand || e.number != next || e.record.Position < t.at || !j.durableIsLocked(e) {
			break
		}
		e.record.Memory.Hold()
		t.hand = append(t.hand, e)
		next++
	}
	t.grasped = next
	j.forgetLocked(t.signal)
}

func (j *Journal) durableIsLocked(e entry) bool {
	return !j.config.Sync || e.record.Position <= e.segment.synced
}

// forgetLocked drops what all Tails of a signal have had.
func (j *Journal) forgetLocked(s otlp.Signal) {
	r := &j.recent[s]
	low := j.totals[s].Requests
	for _, t := range j.tails {
		if t.signal == s {
			low = min(low, t.grasped)
		}
	}
	r.forget(r.from(low))
}

// taken is the next record if it is in memory. Then the file is closed, and opened again behind that record
// when the next one is not.
func (t *Tail) taken() (record Record, ok bool) {
	if t.turn == len(t.hand) {
		t.grasp()
		t.turn = 0
	}
	if len(t.hand) == 0 {
		return record, false
	}
	e := t.hand[t.turn]
	t.hand[t.turn] = entry{}
	t.turn++
	t.held = e.record.Memory
	t.shut()
	t.salt, t.first, t.behind = e.segment.salt, e.segment.first, tail{e.segment.salt, e.end}
	t.took(e.record)
	return e.record, true
}

// letGo ends the hold on the record that was given last.
func (t *Tail) letGo() {
	if t.held != nil {
		t.held.Release()
		t.held = nil
	}
}

// drop ends all holds.
func (t *Tail) drop() {
	t.letGo()
	for _, e := range t.hand[t.turn:] {
		e.record.Memory.Release()
	}
	t.hand, t.turn = nil, 0
}
