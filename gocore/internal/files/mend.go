package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Wrong is why a cursor cannot be used to recover a dead writer's files. first is the oldest
// position that its journal has, 0 for none. nil: it can.
func Wrong(disk fsys.FS, dir, writer string, s otlp.Signal, first uint64) error {
	cursor, err := LoadCursor(disk, Journals(dir), writer, s)
	if err != nil {
		return err
	}
	if cursor == (Cursor{}) {
		return lost(disk, dir, writer, s, first)
	}
	path := filepath.Join(Root(dir), s.String(), cursor.File)
	inode, err := disk.FileID(path)
	switch {
	case cursor.File == "", errors.Is(err, fs.ErrNotExist): // what it had is gone, and not to be had again
		return nil
	case err != nil:
		return err
	case inode != cursor.Inode:
		return fmt.Errorf("%s is not the file that the cursor names: it was copied, or replaced", cursor.File)
	}
	content, err := Inspect(disk, path, false)
	if err != nil {
		return err
	}
	ends := func(b Batch) bool { return b.End == cursor.Length }
	if cursor.Length != content.Begin && !slices.ContainsFunc(content.Batches, ends) {
		return fmt.Errorf("no batch of %s ends at %d, as the cursor says", cursor.File, cursor.Length)
	}
	return nil
}

// lost tells a cursor that was lost from one that was not saved yet: then the journal still has
// all that the files have.
func lost(disk fsys.FS, dir, writer string, s otlp.Signal, first uint64) error {
	all, err := filesOf(disk, dir, writer, s)
	if err != nil {
		return err
	}
	for _, f := range all {
		content, err := Inspect(disk, f.path, false)
		if err != nil {
			return err
		}
		for _, b := range content.Batches {
			if span, ok := ParseSpan(b.Tag); ok && !has(first, span.From) {
				return fmt.Errorf("there is no cursor, and the journal does not have the records of %s any more", filepath.Base(f.path))
			}
		}
	}
	return nil
}

// has tells whether a journal still has what stands at a position and later.
func has(first, position uint64) bool { return first > 0 && first <= max(position, 1) }

// filesOf lists a writer's files in their order.
func filesOf(disk fsys.FS, dir, writer string, s otlp.Signal) ([]surveyed, error) {
	all, err := listSignal(disk, dir, s)
	all = slices.DeleteFunc(all, func(f surveyed) bool { return f.writer != writer })
	slices.SortFunc(all, func(a, b surveyed) int { return a.seq - b.seq })
	return all, err
}

// Rebuild makes a cursor anew from the files' batches, for a dead writer whose lock is held. A
// cursor that is damaged is moved to aside.
func Rebuild(disk fsys.FS, dir, writer string, s otlp.Signal, first uint64, config Config) (Cursor, error) {
	cursor, err := lastWritten(disk, dir, writer, s, first)
	if err != nil {
		return cursor, err
	}
	path := cursorPath(Journals(dir), writer, s)
	if _, err := disk.Stat(path); err == nil {
		if _, err := Copy(disk, path, dir, ".damaged", config); err != nil {
			return cursor, err
		}
	}
	w := &Writer{config: config, disk: disk, id: writer, cursors: Journals(dir), sync: true}
	return cursor, w.saveCursor(s, cursor)
}

// lastWritten is how far the files go. With something behind the last whole batch, that may be
// the first of several that were written at once: they are written again then, if they still
// can be; if not, a cursor was saved behind them, and they are complete.
func lastWritten(disk fsys.FS, dir, writer string, s otlp.Signal, first uint64) (c Cursor, err error) {
	all, err := filesOf(disk, dir, writer, s)
	for i := len(all) - 1; i >= 0 && err == nil; i-- {
		var content *Content
		if content, err = Inspect(disk, all[i].path, false); err != nil {
			break
		}
		at := len(content.Batches) - 1
		if at < 0 {
			continue
		}
		span, ok := ParseSpan(content.Batches[at].Tag)
		if !ok {
			continue
		}
		c = Cursor{Position: span.Below, File: filepath.Base(all[i].path), Length: content.End()}
		if content.Size > content.End() && has(first, span.From) {
			for at > 0 && content.Batches[at-1].Tag == content.Batches[at].Tag {
				at--
			}
			c.Position, c.Length = span.From, content.Batches[at].Offset
		}
		c.Inode, err = disk.FileID(all[i].path)
		break
	}
	return c, err
}

// Copy keeps a copy of what is at a path in <dir>/otlp/aside, under its name and this suffix.
func Copy(disk fsys.FS, path, dir, suffix string, config Config) (string, error) {
	return copyFrom(disk, path, dir, suffix, 0, config)
}

// copyFrom is Copy from an offset on.
func copyFrom(disk fsys.FS, path, dir, suffix string, offset int64, config Config) (string, error) {
	aside := filepath.Join(Root(dir), "aside")
	if err := fsys.MkdirAll(disk, aside, config.Directories()); err != nil {
		return "", err
	}
	from, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to := filepath.Join(aside, filepath.Base(path)+suffix)
	temp := filepath.Join(aside, "."+filepath.Base(to)+hiddenSuffix)
	fill := func(out io.Writer) error {
		_, err := io.Copy(out, io.NewSectionReader(from, offset, math.MaxInt64-offset))
		return err
	}
	if err := writeTemp(disk, temp, config.Permissions(), fill); err != nil {
		return "", err
	}
	if err := disk.Rename(temp, to); err != nil {
		return "", errors.Join(err, disk.Remove(temp))
	}
	return to, disk.SyncDir(aside)
}

// Mend makes a finished writer's file readable to its end. What stands behind its last whole
// batch is copied to aside and cut off; of batches that cannot be decoded, or a schema, the
// whole file is. It gives where that is now.
func Mend(disk fsys.FS, path, dir string, c *Content, config Config) (aside string, err error) {
	switch {
	case c.Schema == nil:
		if aside, err = Copy(disk, path, dir, ".damaged", config); err == nil {
			err = disk.Remove(path)
		}
	case len(c.Broken) > 0:
		if aside, err = Copy(disk, path, dir, ".damaged", config); err == nil {
			err = leaveOut(disk, path, c)
		}
	case c.Bad != nil:
		if aside, err = copyFrom(disk, path, dir, fmt.Sprintf(".from-%d", c.End()), c.End(), config); err == nil {
			err = cutAt(disk, path, c.End())
		}
	}
	if err != nil {
		return aside, &fault.Error{Kind: fault.IO, Op: "mend", Field: path, Err: err}
	}
	return aside, nil
}

func cutAt(disk fsys.FS, path string, length int64) error {
	inode, err := disk.FileID(path)
	if err != nil {
		return err
	}
	w := &Writer{disk: disk, sync: true}
	return w.cut(end{path, inode, length})
}

// leaveOut writes the file anew without its broken batches.
func leaveOut(disk fsys.FS, path string, c *Content) error {
	inode, err := disk.FileID(path)
	if err != nil {
		return err
	}
	temp := tempOf(path)
	err = renew(disk, path, temp, func(old io.ReaderAt, out io.Writer) error {
		_, err := io.Copy(out, io.NewSectionReader(old, 0, c.Begin))
		for i, b := range c.Batches {
			if err == nil && !slices.Contains(c.Broken, i) {
				_, err = io.Copy(out, io.NewSectionReader(old, b.Offset, b.End-b.Offset))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return replaceFile(disk, temp, path, inode)
}

// Maintain takes the lock of who changes finished files of an output directory, or fails with
// fsys.ErrLocked. Retention needs none.
func Maintain(disk fsys.FS, dir string) (release func() error, err error) {
	path := filepath.Join(Root(dir), ".maintenance")
	lock, err := disk.Lock(path)
	if err != nil {
		return nil, &fault.Error{Kind: fault.IO, Op: "lock for maintenance", Err: err}
	}
	return func() error { return errors.Join(disk.Remove(path), lock.Close()) }, nil
}
