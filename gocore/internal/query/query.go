// Package query reads a signal's table: the rows of its files, and those that were acknowledged
// and are not in a file yet.
//
//	flush ─> list of files and lengths ─> plan ─┬─> messages as they stand in the file
//	 what is in      one moment,                ├─> some buffers of them, for some columns
//	 memory goes     under one lock             └─> decode ─> rows, columns ─> encode
//	 to the files                                    for some rows, or columns that a file lacks
//
// What is in memory is written before the files are listed, so that one list has each
// acknowledged row exactly once; docs/decisions/0010-flight.md tells why. A file that is
// compacted while it is waited for has the same rows, and one that is removed has none.
//
// Tables may be used by several goroutines.
package query

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Store has the rows.
type Store interface {
	// Flush brings what was accepted before the call into files.
	Flush(ctx context.Context, signals ...otlp.Signal) error
	// Files lists a signal's files.
	Files(signal otlp.Signal) ([]files.File, error)
}

// Tables reads the tables of all signals.
type Tables struct {
	disk     fsys.FS
	store    Store
	promoted []schema.Promotion
	patience time.Duration // for a flush
	gates    [otlp.Count]gate
	decoding chan struct{} // a place for each batch that is decoded at a time

	mu      sync.Mutex // guards what follows
	layouts [otlp.Count]map[string]*layout
}

// New makes Tables of a store's files, which are on disk; promoted are the columns that it
// writes now beside those of the signals.
func New(disk fsys.FS, store Store, promoted []schema.Promotion) *Tables {
	return &Tables{disk: disk, store: store, promoted: promoted, patience: flushPatience, decoding: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// flushPatience is how long a read waits for what is in memory to come into files: it takes as
// long as a write, and for ever while the disk is full.
const flushPatience = 30 * time.Second

// Schema is the message of the schema that Read would begin with, with its framing.
func (t *Tables) Schema(_ context.Context, s flight.Selection) ([]byte, error) {
	list, err := t.store.Files(s.Signal)
	if err != nil {
		return nil, err
	}
	p, err := t.plan(s, list)
	if err != nil {
		return nil, err
	}
	return p.head, nil
}

// Read gives the rows that a selection asks for to a sink, whose errors end it.
func (t *Tables) Read(ctx context.Context, s flight.Selection, to flight.Sink) error {
	list, err := t.list(ctx, s.Signal)
	if err != nil {
		return err
	}
	p, err := t.plan(s, list)
	if err != nil {
		return err
	}
	if err := to.Schema(p.head); err != nil {
		return err
	}
	for _, f := range list {
		if err := t.file(ctx, p, f, to); err != nil {
			return err
		}
	}
	return nil
}

// list is a signal's files with all that was acknowledged before the call.
func (t *Tables) list(ctx context.Context, s otlp.Signal) ([]files.File, error) {
	flushing, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	if err := t.gates[s].pass(flushing, func() error { return t.store.Flush(flushing, s) }); err != nil {
		return nil, err
	}
	return t.store.Files(s)
}

// file gives one file's rows.
func (t *Tables) file(ctx context.Context, p *plan, f files.File, to flight.Sink) error {
	r, err := files.Open(t.disk, f)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed since it was listed: too old, or too much
	}
	if err != nil {
		return broken(err)
	}
	defer r.Close()
	if p.asStored(r) {
		return stored(ctx, r, to)
	}
	if projection := p.projection(r); projection != nil {
		return give(ctx, projection.Next, projection.Copy, to)
	}
	return t.chosen(ctx, p, r, to)
}

// stored gives messages as they stand.
func stored(ctx context.Context, r *files.Reader, to flight.Sink) error {
	var m files.Message
	next := func() (head []byte, body int, err error) {
		m, err = r.Next()
		return m.Head, m.Body, err
	}
	return give(ctx, next, func(body []byte) error { return r.Copy(m, body) }, to)
}

// give gives messages, which next tells one by one, until io.EOF, and whose bodies read gets.
func give(ctx context.Context, next func() (head []byte, body int, err error), read func(body []byte) error, to flight.Sink) error {
	for {
		head, body, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken(err)
		}
		frames, err := to.Room(ctx, flight.Size{Head: len(head), Body: body})
		if err != nil {
			return err
		}
		copy(frames[0].Head, head)
		if err := read(frames[0].Body); err != nil {
			to.Drop(frames[0])
			return broken(err)
		}
		if err := to.Send(frames[0]); err != nil {
			return err
		}
	}
}

// broken is the fault of a file that cannot be read.
func broken(err error) error { return &fault.Error{Kind: fault.IO, Op: "read", Err: err} }
