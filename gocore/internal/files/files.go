// Package files writes sealed batches into Arrow IPC stream files:
//
//	<dir>/otlp/<signal>/otlp_<signal>_<UTC YYYYmmdd_HHMMSS>_<writer>_<seq>.arrows
//
//	| schema | batch | batch | ...            a reader takes zeros, or the end of
//	                        | 0 0 0 0 ... |   the file, as the end of the stream
//	                        ^ length
//
// A reader never sees half a write: the file is first made longer by zeros, then all of what
// is written but its first 8 bytes, then those. A new file gets its name only when its first
// batch is whole. The writer's id is its start and a random number, and files are never
// reopened, so names do not collide across restarts and processes.
//
// # Exactly once
//
// What is written at a time are all of the signal's journal records from one position to the
// next. Then a cursor {position, file, length, inode} is saved beside the journal, and only
// then may those records go from it. With sync the order of syncs is the same: batches, the
// file's name, the cursor. So after a crash:
//
//	records below the cursor's position    are in files up to the cursor's length
//	bytes of its file beyond that length   are cut off, by eight zeros: Recover
//	later files of the same writer         have nothing that counts and are removed: Recover
//	records from the position on           are decoded again and written to a new file
//
// A write that fails is taken back in the same way, at once or before the next one, and all
// of it is tried again in a new file. Files are not shortened: a reader may have them mapped,
// and would be killed.
//
// A Writer may be used by several goroutines; each signal has its own lock.
package files

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// File is a data file and how many of its bytes hold whole batches.
type File struct {
	Path   string `json:"path"`
	Length int64  `json:"length"`
	// ID is what was there when it was listed, as the file system numbers files: another one in its
	// place is to be read whole, see Open.
	ID uint64 `json:"id"`
}

// Options say whose files a Writer writes, and how durable they are.
type Options struct {
	// Writer is the id in the names, see NewID.
	Writer string
	// Cursors is the directory of the journals; "" keeps no cursors.
	Cursors string
	// Sync makes what was written durable before Write returns.
	Sync bool
	// Counts takes what is done, of several Writers perhaps; nil: of this one.
	Counts *Counts
}

// Writer writes the files of one writer's id.
type Writer struct {
	config  Config
	disk    fsys.FS
	root    string
	id      string
	cursors string
	sync    bool
	log     *slog.Logger
	now     func() time.Time
	signals [otlp.Count]*output
	counts  *Counts
}

// New makes the directories below dir and tells, before any listener opens, when they
// cannot be written.
func New(config Config, disk fsys.FS, dir string, o Options, log *slog.Logger, now func() time.Time) (*Writer, error) {
	w := &Writer{
		config: config, disk: disk, root: Root(dir), id: o.Writer, cursors: o.Cursors, sync: o.Sync, log: log, now: now,
		counts: o.Counts,
	}
	if w.counts == nil {
		w.counts = &Counts{}
	}
	for _, s := range otlp.Signals {
		encoder, err := newEncoder(config.Compression, schema.Of(s, config.Promotions()...))
		if err != nil {
			return nil, &fault.Error{Kind: fault.Internal, Op: "make the schema of " + s.String(), Err: err}
		}
		w.signals[s] = &output{encoder: encoder}
		if err := w.prepare(s); err != nil {
			return nil, &fault.Error{Kind: fault.Config, Op: "output_dir", Err: err}
		}
	}
	return w, nil
}

// Root is where below an output directory everything of ours lies.
func Root(dir string) string { return filepath.Join(dir, "otlp") }

// Journals is where below an output directory every writer has its journal, lock and cursors.
func Journals(dir string) string { return filepath.Join(Root(dir), ".journal") }

// NewID makes a writer's id. It begins with the time, so that the files of writers which follow
// each other within a second sort as they were written, and ends at random.
func NewID(now time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return fmt.Sprintf("%013x%x", now.UnixMicro(), b)
}

// ID is the writer's id.
func (w *Writer) ID() string { return w.id }

// prepare makes a signal's directory and tries to write in it.
func (w *Writer) prepare(s otlp.Signal) error {
	if err := fsys.MkdirAll(w.disk, w.dir(s), w.config.Directories()); err != nil {
		return err
	}
	trial := filepath.Join(w.dir(s), ".otlp_trial_"+w.id)
	file, err := w.disk.OpenFile(trial, os.O_RDWR|os.O_CREATE, w.config.Permissions())
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), w.disk.Remove(trial))
}

func (w *Writer) dir(s otlp.Signal) string { return filepath.Join(w.root, s.String()) }

// Write puts batches into the signal's file, all of them or none: they are what the journal
// has of the signal below a position and above the last one. With cursors or not, a fault of
// kind IO says that all of it should be tried again.
func (w *Writer) Write(s otlp.Signal, below uint64, batches ...arrow.RecordBatch) error {
	o := w.signals[s]
	o.mu.Lock()
	defer o.mu.Unlock()
	bytes, err := o.encoder.encode(w.tag(o, below), batches)
	if err != nil {
		return &fault.Error{Kind: fault.Internal, Op: "encode a batch of " + s.String(), Err: err}
	}
	if err := w.writeLocked(s, o, below, bytes); err != nil {
		return &fault.Error{Kind: fault.IO, Op: "write " + s.String(), Err: err}
	}
	return nil
}

// tag is what a batch's metadata tells of the journal, so that cursors can be made from files.
func (w *Writer) tag(o *output, below uint64) string {
	if w.cursors == "" {
		return ""
	}
	return fmt.Sprintf("%s %d-%d", w.id, o.cursor.Position, below)
}

// Aside keeps an OTLP request whose rows cannot be written as Arrow:
//
//	<dir>/otlp/aside/otlp_<signal>_<UTC YYYYmmdd_HHMMSS>_<writer>_<seq>.binpb
func (w *Writer) Aside(s otlp.Signal, body []byte) (path string, err error) {
	o := w.signals[s]
	o.mu.Lock()
	defer o.mu.Unlock()
	dir := filepath.Join(w.root, "aside")
	if err = fsys.MkdirAll(w.disk, dir, w.config.Directories()); err == nil {
		o.seq++
		base := name{s, w.now().UTC(), w.id, o.seq}.String()
		path = filepath.Join(dir, base[:len(base)-len(Suffix)]+".binpb")
		err = fsys.Replace(w.disk, path, body, w.config.Permissions(), w.sync)
	}
	if err != nil {
		return "", &fault.Error{Kind: fault.IO, Op: "set aside", Err: err}
	}
	return path, nil
}

// Files lists a signal's data files, oldest first, in the order of their names; for the
// file being written the length is that of its whole batches.
func (w *Writer) Files(s otlp.Signal) ([]File, error) {
	o := w.signals[s]
	o.mu.Lock()
	defer o.mu.Unlock()
	entries, err := w.disk.ReadDir(w.dir(s))
	if err != nil {
		return nil, &fault.Error{Kind: fault.IO, Op: "list " + s.String(), Err: err}
	}
	files := []File{}
	for _, entry := range entries {
		if n, ok := parseName(entry.Name()); !ok || n.signal != s {
			continue
		}
		path := filepath.Join(w.dir(s), entry.Name())
		id, _ := w.disk.FileID(path) // before its length, or a file that takes its place could pass for it
		info, err := entry.Info()
		if err != nil {
			continue // removed in between
		}
		files = append(files, File{Path: path, Length: o.lengthLocked(path, info.Size()), ID: id})
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return files, nil
}

// Close closes the files; it may be called twice.
func (w *Writer) Close() error {
	var errs []error
	for _, o := range w.signals {
		o.mu.Lock()
		errs = append(errs, o.closeLocked())
		o.mu.Unlock()
	}
	if err := errors.Join(errs...); err != nil {
		return &fault.Error{Kind: fault.IO, Op: "close", Err: err}
	}
	return nil
}
