package files

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Recover makes the files of a dead writer, whose id the Writer has, end where its cursors say,
// and gives the positions from which on the journal has to be read again. Its lock must be
// held. It may be called again after an error.
func (w *Writer) Recover() (from [otlp.Count]uint64, err error) {
	for _, s := range otlp.Signals {
		o := w.signals[s]
		o.mu.Lock()
		err := w.recoverLocked(s, o)
		from[s] = o.cursor.Position
		o.mu.Unlock()
		if err != nil {
			return from, &fault.Error{Kind: fault.IO, Op: "recover " + s.String(), Err: err}
		}
	}
	return from, nil
}

func (w *Writer) recoverLocked(s otlp.Signal, o *output) (err error) {
	if o.cursor, err = LoadCursor(w.disk, w.cursors, w.id, s); err != nil {
		return err
	}
	last := 0
	if n, ok := parseName(o.cursor.File); ok {
		last = n.seq
	}
	o.seq = max(o.seq, last)
	entries, err := w.disk.ReadDir(w.dir(s))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := w.recoverFile(s, o, entry.Name(), last); err != nil {
			return err
		}
	}
	if w.sync {
		return w.disk.SyncDir(w.dir(s))
	}
	return nil
}

func (w *Writer) recoverFile(s otlp.Signal, o *output, base string, last int) error {
	path := filepath.Join(w.dir(s), base)
	if visible, hidden := strings.CutSuffix(strings.TrimPrefix(base, "."), hiddenSuffix); hidden && base[0] == '.' {
		if n, ok := parseName(visible); ok && n.writer == w.id {
			return w.disk.Remove(path)
		}
		return nil
	}
	n, ok := parseName(base)
	if !ok || n.signal != s || n.writer != w.id {
		return nil
	}
	o.seq = max(o.seq, n.seq)
	switch {
	case n.seq > last:
		w.log.Info("a file that no cursor knows is written again", "path", path)
		return w.drop(path)
	case n.seq == last:
		if inode, err := w.disk.FileID(path); err != nil || inode != o.cursor.Inode {
			w.log.Warn("a data file was replaced and is left as it is", "path", path)
			return err
		}
		return w.cut(end{path, o.cursor.Inode, o.cursor.Length})
	}
	return nil
}

// drop removes a file of which nothing counts. Where that is refused, as on Windows for one
// that is mapped, it is at least empty for whoever opens it from now on.
func (w *Writer) drop(path string) error {
	inode, err := w.disk.FileID(path)
	if err != nil {
		return err
	}
	if err := w.cut(end{path, inode, w.schemaLength(path)}); err != nil {
		return err
	}
	if err := w.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// schemaLength is where a file's first batch begins: behind a continuation marker, a length and
// as many bytes of schema, whichever columns it has.
func (w *Writer) schemaLength(path string) int64 {
	file, err := w.disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return 0
	}
	defer file.Close()
	var start [8]byte
	if _, err := file.ReadAt(start[:], 0); err != nil {
		return 0
	}
	return int64(len(start)) + int64(binary.LittleEndian.Uint32(start[4:]))
}
