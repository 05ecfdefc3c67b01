// Package files writes sealed batches into Arrow IPC stream files:
//
//	<dir>/otlp/<signal>/otlp_<signal>_<UTC YYYYmmdd_HHMMSS>_<writer>_<seq>.arrows
//
//	| schema | batch | batch | ...            a reader takes zeros, or the end of
//	                        | 0 0 0 0 ... |   the file, as the end of the stream
//	                        ^ length
//
// A reader never sees half a batch: the file is first made longer by zeros, then all of the
// batch but its first 8 bytes is written, then those. A new file gets its name only when its
// first batch is whole. The writer's id is its start and a random number, and files are never reopened, so names do
// not collide across restarts and processes.
//
// A Writer may be used by several goroutines; each signal has its own lock.
package files

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Suffix ends the name of every data file.
const Suffix = ".arrows"

// File is a data file and how many of its bytes hold whole batches.
type File struct {
	Path   string `json:"path"`
	Length int64  `json:"length"`
}

// Writer writes the files of one node.
type Writer struct {
	config  Config
	root    string
	id      string
	log     *slog.Logger
	now     func() time.Time
	signals [otlp.Count]*output
}

// output is a signal's present file.
type output struct {
	mu      sync.Mutex // guards what follows
	encoder *encoder
	file    *os.File
	path    string
	length  int64
	opened  time.Time
	seq     int
	torn    map[string]int64 // lengths of files that a failed write left longer
}

// New makes the directories below dir and tells, before any listener opens, when they
// cannot be written.
func New(config Config, dir string, log *slog.Logger, now func() time.Time) (*Writer, error) {
	w := &Writer{config: config, root: filepath.Join(dir, "otlp"), log: log, now: now, id: writerID(now())}
	for _, s := range otlp.Signals {
		encoder, err := newEncoder(config.Compression, schema.Of(s, config.Promotions()...))
		if err != nil {
			return nil, &fault.Error{Kind: fault.Internal, Op: "make the schema of " + s.String(), Err: err}
		}
		w.signals[s] = &output{encoder: encoder, torn: map[string]int64{}}
		if err := w.prepare(s); err != nil {
			return nil, &fault.Error{Kind: fault.Config, Op: "output_dir", Err: err}
		}
	}
	return w, nil
}

// writerID begins with the time, so that the files of writers which follow each other within a
// second sort as they were written, and ends at random.
func writerID(now time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return fmt.Sprintf("%013x%x", now.UnixMicro(), b)
}

// prepare makes a signal's directory and tries to write in it.
func (w *Writer) prepare(s otlp.Signal) error {
	dirMode, _ := mode(w.config.DirMode) // checked by Validate
	if err := makeDir(w.dir(s), dirMode|0o100); err != nil {
		return err
	}
	trial, err := os.CreateTemp(w.dir(s), ".otlp_trial_*")
	if err != nil {
		return err
	}
	if err := trial.Close(); err != nil {
		return err
	}
	return os.Remove(trial.Name())
}

// makeDir is os.MkdirAll with the same permissions whatever the umask; what is there already
// keeps its own.
func makeDir(path string, mode fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(path); parent != path {
		if err := makeDir(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, mode); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was faster, or it is a file
			return os.MkdirAll(path, mode)
		}
		return err
	}
	return os.Chmod(path, mode)
}

func (w *Writer) dir(s otlp.Signal) string { return filepath.Join(w.root, s.String()) }

// Write puts a batch into the signal's file, whole or not at all.
func (w *Writer) Write(s otlp.Signal, batch arrow.RecordBatch) error {
	o := w.signals[s]
	o.mu.Lock()
	defer o.mu.Unlock()
	bytes, err := o.encoder.batch(batch)
	if err != nil {
		return &fault.Error{Kind: fault.Internal, Op: "encode a batch of " + s.String(), Err: err}
	}
	if err := w.writeLocked(s, o, bytes); err != nil {
		return &fault.Error{Kind: fault.IO, Op: "write " + s.String(), Err: err}
	}
	return nil
}

func (w *Writer) writeLocked(s otlp.Signal, o *output, bytes []byte) error {
	if o.file != nil && w.dueLocked(o) {
		if err := o.closeLocked(); err != nil {
			return err
		}
	}
	if o.file == nil {
		return w.beginLocked(s, o, bytes)
	}
	if err := o.appendLocked(bytes); err != nil {
		// The next batch begins a new file. This one is not cut back, which would kill a reader
		// that has it mapped: its zeros end the stream, and its length is remembered.
		o.torn[o.path] = o.length
		_ = o.closeLocked()
		return err
	}
	return nil
}

// Aside keeps an OTLP request whose rows cannot be written as Arrow:
//
//	<dir>/otlp/aside/otlp_<signal>_<UTC YYYYmmdd_HHMMSS>_<writer>_<seq>.binpb
func (w *Writer) Aside(s otlp.Signal, body []byte) (path string, err error) {
	o := w.signals[s]
	o.mu.Lock()
	defer o.mu.Unlock()
	dirMode, _ := mode(w.config.DirMode) // checked by Validate, as is the next
	fileMode, _ := mode(w.config.FileMode)
	dir := filepath.Join(w.root, "aside")
	o.seq++
	path = filepath.Join(dir, w.name(s, o.seq, w.now().UTC())+".binpb")
	if err = makeDir(dir, dirMode|0o100); err == nil {
		err = os.WriteFile(path, body, fileMode)
	}
	if err != nil {
		return "", &fault.Error{Kind: fault.IO, Op: "set aside", Err: err}
	}
	return path, nil
}

func (w *Writer) name(s otlp.Signal, seq int, now time.Time) string {
	return fmt.Sprintf("otlp_%s_%s_%s_%06d", s, now.Format("20060102_150405"), w.id, seq)
}

// dueLocked tells whether the file has reached its size or age, or is not there any more.
func (w *Writer) dueLocked(o *output) bool {
	age := w.now().Sub(o.opened)
	if o.length >= w.config.RotateBytes || age >= time.Duration(w.config.RotateIntervalSecs)*time.Second || age < 0 {
		return true
	}
	ours, err := o.file.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(o.path)
	if err != nil || !os.SameFile(ours, there) {
		w.log.Warn("a data file was moved or removed; a new one is begun", "path", o.path)
		return true
	}
	return false
}

// appendLocked writes a batch so that a reader sees all of it or nothing.
func (o *output) appendLocked(bytes []byte) error {
	const head = 8
	if err := o.file.Truncate(o.length + int64(len(bytes))); err != nil {
		return err
	}
	if _, err := o.file.WriteAt(bytes[head:], o.length+head); err != nil {
		return err
	}
	if _, err := o.file.WriteAt(bytes[:head], o.length); err != nil {
		return err
	}
	o.length += int64(len(bytes))
	return nil
}

// beginLocked makes a file under a name that readers pass over and names it when its first
// batch is whole.
func (w *Writer) beginLocked(s otlp.Signal, o *output, bytes []byte) error {
	if err := w.prepare(s); err != nil {
		return err
	}
	fileMode, _ := mode(w.config.FileMode) // checked by Validate
	o.seq++
	now := w.now().UTC()
	name := w.name(s, o.seq, now) + Suffix
	path := filepath.Join(w.dir(s), name)
	hidden := filepath.Join(w.dir(s), "."+name+".tmp")
	file, err := os.OpenFile(hidden, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode) // below output_dir
	if err != nil {
		return err
	}
	o.file, o.path, o.length, o.opened = file, path, 0, now
	if err := o.fillLocked(hidden, bytes, fileMode); err != nil {
		_ = file.Close()
		_ = os.Remove(hidden)
		o.file = nil
		return err
	}
	return nil
}

func (o *output) fillLocked(hidden string, bytes []byte, fileMode fs.FileMode) error {
	if err := o.file.Chmod(fileMode); err != nil { // whatever the umask
		return err
	}
	whole := append(append(make([]byte, 0, len(o.encoder.schema)+len(bytes)), o.encoder.schema...), bytes...)
	if _, err := o.file.WriteAt(whole, 0); err != nil {
		return err
	}
	o.length = int64(len(whole))
	return os.Rename(hidden, o.path)
}

func (o *output) closeLocked() error {
	err := o.file.Close()
	o.file = nil
	return err
}

// Files lists a signal's data files, oldest first, in the order of their names; for the
// file being written the length is that of its whole batches.
func (w *Writer) Files(s otlp.Signal) ([]File, error) {
	o := w.signals[s]
	o.mu.Lock()
	defer o.mu.Unlock()
	entries, err := os.ReadDir(w.dir(s))
	if err != nil {
		return nil, &fault.Error{Kind: fault.IO, Op: "list " + s.String(), Err: err}
	}
	files := []File{}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, Suffix) {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // removed in between
		}
		file := File{Path: filepath.Join(w.dir(s), name), Length: info.Size()}
		if o.file != nil && file.Path == o.path {
			file.Length = o.length
		} else if length, torn := o.torn[file.Path]; torn {
			file.Length = length
		}
		files = append(files, file)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files, nil
}

// Close closes the files; it may be called twice.
func (w *Writer) Close() error {
	var first error
	for _, o := range w.signals {
		o.mu.Lock()
		if o.file != nil {
			if err := o.closeLocked(); err != nil && first == nil {
				first = &fault.Error{Kind: fault.IO, Op: "close", Err: err}
			}
		}
		o.mu.Unlock()
	}
	return first
}
