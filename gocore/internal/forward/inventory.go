package forward

import (
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Inventory is what destinations still want of a dead writer's journal. It is taken while that is read for
// files.
type Inventory struct {
	disk    fsys.FS
	root    string
	writer  string
	cursors map[string]cursor
	wanted  map[string]*[otlp.Count]journal.Tally
	end     uint64 // above the last record
}

// NewInventory reads the cursors that a writer left beside its journal's directory.
func NewInventory(disk fsys.FS, dir string, log *slog.Logger) (*Inventory, error) {
	in := &Inventory{disk: disk, root: filepath.Dir(dir), writer: filepath.Base(dir), wanted: map[string]*[otlp.Count]journal.Tally{}, end: 1}
	cursors, err := loadCursors(disk, in.root, in.writer)
	if cursors == nil && err != nil {
		return nil, err
	}
	if err != nil {
		log.Error("a cursor of forwarding cannot be read", "error", err)
	}
	in.cursors = cursors
	for name := range cursors {
		in.wanted[name] = new([otlp.Count]journal.Tally)
	}
	return in, nil
}

// records is what reads a dead writer's journal.
type records interface {
	Next() (journal.Record, error)
}

// Over gives the records of a reader, and notes them.
func (in *Inventory) Over(reader records) Noted { return Noted{reader, in} }

// Noted are records that are noted when they are read.
type Noted struct {
	records
	in *Inventory
}

// Next is the next record.
func (n Noted) Next() (journal.Record, error) {
	record, err := n.records.Next()
	if err == nil {
		n.in.note(record)
	}
	return record, err
}

func (in *Inventory) note(record journal.Record) {
	in.end = record.Position + 1
	counted := false
	for name, c := range in.cursors {
		if from, ok := c[record.Signal.String()]; !ok || record.Position < from {
			continue
		}
		if !counted {
			record.Items, counted = Items(record.Signal, record.Body), true
		}
		of := &in.wanted[name][record.Signal]
		*of = of.Plus(record.Tally())
	}
}

// Wanting are the destinations that have not had all, sorted.
func (in *Inventory) Wanting() (names []string) {
	for name, signals := range in.wanted {
		for _, one := range signals {
			if one.Requests > 0 {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}

// newest is when the journal was last written to.
func (in *Inventory) newest() (at time.Time) {
	dir := filepath.Join(in.root, in.writer)
	entries, err := in.disk.ReadDir(dir)
	if err != nil {
		return time.Now() // it counts as young
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	return at
}
