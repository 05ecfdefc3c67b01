package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Tally counts records, what is in them, and the bytes of their bodies.
type Tally struct{ Requests, Items, Bytes uint64 }

// Tally counts the record alone.
func (r Record) Tally() Tally { return Tally{1, uint64(r.Items), uint64(len(r.Body))} }

// Plus adds.
func (a Tally) Plus(b Tally) Tally {
	return Tally{a.Requests + b.Requests, a.Items + b.Items, a.Bytes + b.Bytes}
}

// Minus is what b lacks of a; what b has more counts as nothing.
func (a Tally) Minus(b Tally) Tally {
	return Tally{a.Requests - min(a.Requests, b.Requests), a.Items - min(a.Items, b.Items), a.Bytes - min(a.Bytes, b.Bytes)}
}

// Tail reads one signal's records of a living journal, while it grows: those only that are durable.
//
//	kept segments      segments            Done      what is below may go, for this reader
//	├────┬────┬────┤├────┬────┬───          at       what is below was read, lost, or is of others
//	   Done   at              next
//
// What Release lets go and a Tail still wants is kept, as long as nobody needs the room: see kept.go.
// A Tail is for one goroutine, but for Done and Pending.
type Tail struct {
	j      *Journal
	signal otlp.Signal
	count  func(body []byte) int
	wake   chan struct{}

	done    uint64 // guarded by Journal.mu
	grasped uint64 // likewise: of the signal's records so many need not be in memory for it

	mu   sync.Mutex // taken after Journal.mu; guards read
	read Tally      // all that was read or lost so far

	at    uint64
	salt  uint64 // of the segment that is read, 0 for none
	first uint64 // its first position, or that of the one before
	last  uint64 // position of the last record
	file  fsys.File
	scan  *scanner
	lost  Tally

	behind tail    // where the record ends that came from memory last
	hand   []entry // held, from turn on
	turn   int
	held   *Memory // of the record that was given last
}

// Tail makes a reader of all records of a signal from the first on; count tells the items of a body,
// as Append was told. There is no end to it: what it wants is kept until it is Done with it.
func (j *Journal) Tail(signal otlp.Signal, count func(body []byte) int) *Tail {
	t := &Tail{j: j, signal: signal, count: count, wake: make(chan struct{}, 1), at: 1, done: 1}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tails = append(j.tails, t)
	j.followed[signal] = true
	return t
}

// Wake has something in it when records have come since it was last empty: read until io.EOF, then wait.
func (t *Tail) Wake() <-chan struct{} { return t.wake }

// At is the position below which Next has nothing more to give.
func (t *Tail) At() uint64 { return t.at }

// Pending is what was appended and neither read nor lost.
func (t *Tail) Pending() Tally {
	t.j.mu.Lock()
	defer t.j.mu.Unlock()
	return t.j.totals[t.signal].Minus(t.soFar())
}

// Lost is what was given up since the last call, because its room was needed or it could not be read.
func (t *Tail) Lost() Tally {
	lost := t.lost
	t.lost = Tally{}
	return lost
}

// Done lets go what is below a position.
func (t *Tail) Done(below uint64) {
	t.j.mu.Lock()
	t.done = max(t.done, below)
	t.j.mu.Unlock()
	t.j.reap()
}

// Close closes its file. What it is not Done with stays wanted: by the next process.
func (t *Tail) Close() {
	t.drop()
	t.shut()
}

// Next is the next record, good until the next call, or io.EOF when there is none at present.
func (t *Tail) Next() (Record, error) {
	t.letGo()
	for {
		if record, ok := t.taken(); ok {
			return record, nil
		}
		if t.scan != nil {
			record, err := t.scan.next(t.last)
			if err == nil {
				record.Items = t.count(record.Body)
				t.took(record)
				return record, nil
			}
			if !errors.Is(err, io.EOF) {
				return Record{}, &fault.Error{Kind: fault.IO, Op: "read the journal", Field: t.scan.name, Err: err}
			}
		}
		if more, err := t.advance(); err != nil || !more {
			if err == nil {
				err = io.EOF
			}
			return Record{}, err
		}
	}
}

func (t *Tail) took(record Record) {
	t.last, t.at = record.Position, record.Position+1
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read = t.read.Plus(record.Tally())
}

func (t *Tail) soFar() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read
}

func (t *Tail) skipTo(read Tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read = read
}

// advance goes where the next record may be, and tells whether there may be one.
func (t *Tail) advance() (bool, error) {
	s, more := t.look()
	if s == nil {
		return more, nil
	}
	file, err := t.j.disk.OpenFile(s.path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		t.salt = 0 // given up just now, or removed by somebody: the next look counts it
		return true, nil
	}
	if err != nil {
		t.first = s.first - 1 // this one again
		t.shut()
		return false, &fault.Error{Kind: fault.IO, Op: "read the journal", Field: s.path, Err: err}
	}
	t.file = file
	t.scan = &scanner{
		window: window{file: file, size: s.end}, name: s.path, salt: s.salt, offset: s.begin, end: s.end,
		skip: func(h recordHead) bool { return h.signal != t.signal }, report: t.damaged,
	}
	return true, nil
}

func (t *Tail) damaged(d Damage) {
	t.j.log.Error("a part of the journal cannot be read", "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes, "reason", d.Reason)
}

// sight is a segment as it was when it was looked at.
type sight struct {
	path        string
	salt, first uint64
	begin, end  int64 // of what is still to be read
}

// look gives the next segment to be opened, or tells whether the one that is open has more.
func (t *Tail) look() (*sight, bool) {
	j := t.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if t.scan == nil && t.soFar().Requests == j.totals[t.signal].Requests {
		t.settleLocked()
		return nil, false
	}
	if s := j.bySaltLocked(t.salt); s != nil {
		switch end := j.durableLocked(s); {
		case t.scan == nil && end > t.beginning(s):
			return t.openLocked(s), true
		case t.scan != nil && end > t.scan.end:
			t.scan.end, t.scan.size = end, end
			return nil, true
		}
		if !s.sealed || j.config.Sync && s.pending() {
			t.settleLocked()
			return nil, false
		}
		t.finishLocked(s)
	}
	t.shut()
	if s := j.followingLocked(t.first, t.signal); s != nil {
		return t.openLocked(s), true
	}
	t.missLocked(j.totals[t.signal])
	t.settleLocked()
	return nil, false
}

// openLocked goes to a segment. What is missing before it was given up.
func (t *Tail) openLocked(s *segment) *sight {
	t.missLocked(s.before[t.signal])
	t.salt, t.first = s.salt, s.first
	return &sight{path: s.path, salt: s.salt, first: s.first, begin: t.beginning(s), end: t.j.durableLocked(s)}
}

// beginning is where a segment's file is to be read from.
func (t *Tail) beginning(s *segment) int64 {
	if t.behind.salt == s.salt {
		return t.behind.end
	}
	return headerSize
}

// finishLocked leaves a segment that was read to its end. What a failed sync took was never acknowledged.
func (t *Tail) finishLocked(s *segment) {
	after := s.before[t.signal].Plus(s.tally[t.signal])
	if s.failed != nil {
		t.skipTo(after)
	}
	t.missLocked(after)
}

// missLocked notes that all up to here will not come any more.
func (t *Tail) missLocked(upTo Tally) {
	read := t.soFar()
	if gap := upTo.Minus(read); gap.Requests > 0 {
		t.lost = t.lost.Plus(gap)
	}
	if upTo.Requests >= read.Requests {
		t.skipTo(upTo)
	}
}

// settleLocked notes that nothing of the signal is below the end, if that is so.
func (t *Tail) settleLocked() {
	if t.soFar().Requests == t.j.totals[t.signal].Requests {
		t.at = t.j.next.Load()
	}
}

func (t *Tail) shut() {
	if t.file != nil {
		_ = t.file.Close() // only read
	}
	t.file, t.scan, t.salt = nil, nil, 0
}
