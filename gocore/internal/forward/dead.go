package forward

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// feed is what a pipe reads: a living journal, a ring or a dead writer's journal.
type feed interface {
	// Next is the next record of the signal, good until the next call; io.EOF when there is none at present.
	Next() (journal.Record, error)
	// At is the position below which Next has nothing more to give.
	At() uint64
	// Lost is what was given up since the last call without being read.
	Lost() journal.Tally
	// Pending is what is still to be read.
	Pending() journal.Tally
	// Done lets go what is below a position.
	Done(below uint64)
	Close()
}

// Dead is a dead writer's journal that is in files and that destinations still want. Its lock is held.
type Dead struct {
	*Inventory
	reader *journal.Reader
	log    *slog.Logger
	last   time.Time // when it was written to

	mu    sync.Mutex // guards what follows
	open  int        // feeds that are not through
	feeds []*deadFeed
	gone  func() error
}

// left notes that a feed is through; the last one removes the journal.
func (d *Dead) left() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open--; d.open > 0 {
		return
	}
	if err := d.gone(); err != nil {
		d.log.Error("a journal that was forwarded cannot be removed; the next start tries it again", "writer", d.writer, "error", err)
		_ = d.reader.Close() // the first error counts
		return
	}
	d.log.Info("a dead process's journal was forwarded", "writer", d.writer)
}

// deadFeed reads one signal of a dead writer's journal for one destination. Pending may be asked by others.
type deadFeed struct {
	dead   *Dead
	name   string
	signal otlp.Signal
	from   uint64
	reader *journal.Reader // nil before the first record is asked for
	at     uint64
	acked  atomic.Uint64 // the destination wants nothing below

	mu      sync.Mutex // guards pending
	pending journal.Tally
}

func (d *Dead) feed(name string, s otlp.Signal) *deadFeed {
	from := d.cursors[name][s.String()]
	f := &deadFeed{dead: d, name: name, signal: s, from: from, at: from, pending: d.wanted[name][s]}
	f.acked.Store(from)
	d.feeds = append(d.feeds, f)
	return f
}

func (f *deadFeed) Next() (journal.Record, error) {
	if f.reader == nil {
		reader, err := journal.Look(f.dead.disk, filepath.Join(f.dead.root, f.dead.writer), slog.New(slog.DiscardHandler))
		if err != nil {
			return journal.Record{}, err
		}
		f.reader = reader
	}
	for {
		record, err := f.reader.Next()
		if errors.Is(err, io.EOF) {
			f.at = f.dead.end
		}
		if err != nil {
			return journal.Record{}, err
		}
		if record.Signal != f.signal || record.Position < f.from {
			continue
		}
		f.at = record.Position + 1
		record.Items = Items(f.signal, record.Body)
		f.mu.Lock()
		f.pending = f.pending.Minus(record.Tally())
		f.mu.Unlock()
		return record, nil
	}
}

func (f *deadFeed) At() uint64          { return f.at }
func (f *deadFeed) Lost() journal.Tally { return journal.Tally{} } // damage was told when it came into files
func (f *deadFeed) Done(uint64)         {}

func (f *deadFeed) Pending() journal.Tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pending
}

func (f *deadFeed) Close() {
	if f.reader != nil {
		_ = f.reader.Close() // it only looked
	}
}
