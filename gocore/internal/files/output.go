package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// output is a signal's present file.
type output struct {
	mu      sync.Mutex // guards what follows
	encoder *encoder
	file    fsys.File // nil between files
	path    string
	inode   uint64
	length  int64 // of the whole batches, all of which the cursor has
	opened  time.Time
	seq     int
	cursor  Cursor
	pending *Cursor // of what is written, but could not be saved
	undone  []end   // of writes that failed
}

// end is where a file has to end, since what comes behind is written again elsewhere.
type end struct {
	path   string
	inode  uint64
	length int64
}

// head is how many bytes of a write come last; zeros in their place end the stream.
const head = 8

func (w *Writer) writeLocked(s otlp.Signal, o *output, below uint64, bytes []byte) error {
	if o.pending != nil && o.pending.Position == below {
		return w.saveLocked(s, o, *o.pending)
	}
	if len(bytes) == 0 { // only the position has moved
		next := o.cursor
		next.Position = below
		return w.saveMovedLocked(s, o, next)
	}
	if err := w.undoLocked(o); err != nil {
		return fmt.Errorf("take back a failed write: %w", err)
	}
	if o.file != nil && w.dueLocked(o) {
		if err := o.closeLocked(); err != nil {
			return err
		}
		w.counts[s].Rotations.Add(1)
	}
	var err error
	if o.file == nil {
		err = w.beginLocked(s, o, bytes)
	} else {
		err = w.appendLocked(o, bytes)
	}
	if err != nil {
		w.failLocked(o)
		return err
	}
	return w.saveLocked(s, o, Cursor{below, filepath.Base(o.path), o.length + int64(len(bytes)), o.inode})
}

// dueLocked tells whether the file has reached its size or age, or is not there any more.
func (w *Writer) dueLocked(o *output) bool {
	age := w.now().Sub(o.opened)
	if o.length >= w.config.RotateBytes || age >= time.Duration(w.config.RotateIntervalSecs)*time.Second || age < 0 {
		return true
	}
	if !w.inPlaceLocked(o) {
		w.log.Warn("a data file was moved or removed; a new one is begun", "path", o.path)
		return true
	}
	return false
}

// inPlaceLocked tells whether the file is still what is at its path.
func (w *Writer) inPlaceLocked(o *output) bool {
	there, err := w.disk.FileID(o.path)
	return err == nil && there == o.inode
}

// appendLocked writes so that a reader sees all of it or nothing.
func (w *Writer) appendLocked(o *output, bytes []byte) error {
	if err := o.file.Truncate(o.length + int64(len(bytes))); err != nil {
		return err
	}
	if _, err := o.file.WriteAt(bytes[head:], o.length+head); err != nil {
		return err
	}
	if _, err := o.file.WriteAt(bytes[:head], o.length); err != nil {
		return err
	}
	if w.sync {
		return o.file.Sync()
	}
	return nil
}

// beginLocked makes a file under a name that readers pass over and names it when its first
// batch is whole.
func (w *Writer) beginLocked(s otlp.Signal, o *output, bytes []byte) error {
	if err := w.prepare(s); err != nil {
		return err
	}
	o.seq++
	o.opened = w.now().UTC()
	n := name{s, o.opened, w.id, o.seq}
	o.path, o.length = filepath.Join(w.dir(s), n.String()), int64(len(o.encoder.schema))
	hidden := filepath.Join(w.dir(s), n.hidden())
	file, err := w.disk.OpenFile(hidden, os.O_RDWR|os.O_CREATE|os.O_EXCL, w.config.Permissions()) // below output_dir
	if err != nil {
		return err
	}
	o.file = file
	if err := w.fillLocked(o, bytes); err != nil {
		_ = o.closeLocked() // its first error counts
		_ = w.disk.Remove(hidden)
		return err
	}
	if err := w.disk.Rename(hidden, o.path); err != nil {
		_ = o.closeLocked()
		_ = w.disk.Remove(hidden)
		return err
	}
	w.counts[s].Files.Add(1)
	if w.sync {
		return w.disk.SyncDir(w.dir(s))
	}
	return nil
}

func (w *Writer) fillLocked(o *output, bytes []byte) (err error) {
	if o.inode, err = o.file.ID(); err != nil {
		return err
	}
	if err := o.file.Chmod(w.config.Permissions()); err != nil { // whatever the umask
		return err
	}
	if _, err := o.file.WriteAt(append(append([]byte(nil), o.encoder.schema...), bytes...), 0); err != nil {
		return err
	}
	if w.sync {
		return o.file.Sync()
	}
	return nil
}

var errMoved = errors.New("the file was moved or removed while it was written")

// saveLocked makes what was written count. The path is looked at first: of a file that was
// removed nothing would be left, and the journal still has it all.
//
// An error of saving does not tell which cursor is on disk now. Taking the write back would lose
// it if that is the new one; so it stays, and only the saving is tried again.
func (w *Writer) saveLocked(s otlp.Signal, o *output, next Cursor) error {
	if !w.inPlaceLocked(o) {
		o.pending = nil
		w.failLocked(o)
		return errMoved
	}
	o.pending = &next
	if err := w.saveCursor(s, next); err != nil {
		return err
	}
	w.counts[s].Bytes.Add(uint64(next.Length - o.length))
	o.cursor, o.length, o.pending = next, next.Length, nil
	return nil
}

func (w *Writer) saveMovedLocked(s otlp.Signal, o *output, next Cursor) error {
	err := w.saveCursor(s, next)
	if err == nil {
		o.cursor = next
	}
	return err
}

// failLocked gives the file up: what it has beyond the last good length is taken back, now or
// before the next write, and that begins a new file.
func (w *Writer) failLocked(o *output) {
	if o.file == nil { // it never got its name
		return
	}
	o.undone = append(o.undone, end{o.path, o.inode, o.length})
	_ = o.closeLocked() // the write's error counts
	_ = w.undoLocked(o) // tried again before the next write
}

func (w *Writer) undoLocked(o *output) error {
	for len(o.undone) > 0 {
		if err := w.cut(o.undone[0]); err != nil {
			return err
		}
		o.undone = o.undone[1:]
	}
	return nil
}

// cut makes a file end at a length for its readers.
func (w *Writer) cut(at end) error {
	there, err := w.disk.FileID(at.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && there != at.inode {
		return nil // removed or replaced: what is there now is not ours
	}
	if err != nil {
		return err
	}
	file, err := w.disk.OpenFile(at.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(w.zero(file, at.length), file.Close())
}

func (w *Writer) zero(file fsys.File, at int64) error {
	info, err := file.Stat()
	if err != nil || info.Size() <= at {
		return err
	}
	if _, err := file.WriteAt(make([]byte, min(head, info.Size()-at)), at); err != nil {
		return err
	}
	if w.sync {
		return file.Sync()
	}
	return nil
}

// lengthLocked is how much of a file counts.
func (o *output) lengthLocked(path string, size int64) int64 {
	if o.file != nil && path == o.path {
		return o.length
	}
	for _, at := range o.undone {
		if at.path == path {
			return at.length
		}
	}
	return size
}

func (o *output) closeLocked() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}
