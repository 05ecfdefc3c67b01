package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Cursor is how far a signal's records are in files: all of those below Position, in files up
// to File, of which Length bytes count.
type Cursor struct {
	Position uint64 `json:"position"`
	File     string `json:"file"` // its name, without directories; "" before the first
	Length   int64  `json:"length"`
	Inode    uint64 `json:"inode"`
}

// cursorPath is where a writer keeps a signal's cursor, beside its journal.
func cursorPath(dir, writer string, s otlp.Signal) string {
	return filepath.Join(dir, fmt.Sprintf("%s.%s.cursor", writer, s))
}

// LoadCursor reads a writer's cursor from the journals' directory; it is zero where there is none.
func LoadCursor(disk fsys.FS, dir, writer string, s otlp.Signal) (c Cursor, err error) {
	path := cursorPath(dir, writer, s)
	text, err := fsys.ReadFile(disk, path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return c, fmt.Errorf("cursor %s: %w", path, err)
	}
	return c, nil
}

func (w *Writer) saveCursor(s otlp.Signal, c Cursor) error {
	if w.cursors == "" {
		return nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return fsys.Replace(w.disk, cursorPath(w.cursors, w.id, s), append(text, '\n'), w.config.Permissions(), w.sync)
}

// RemoveCursors forgets a writer's cursors, once its journal is gone, and what a writer that was
// killed has left of a new one.
func RemoveCursors(disk fsys.FS, dir, writer string) error {
	var errs []error
	for _, s := range otlp.Signals {
		errs = append(errs, removeIfThere(disk, cursorPath(dir, writer, s)))
	}
	entries, err := disk.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, "."+writer+".") && strings.HasSuffix(name, hiddenSuffix) {
			errs = append(errs, removeIfThere(disk, filepath.Join(dir, name)))
		}
	}
	return errors.Join(errs...)
}

func removeIfThere(disk fsys.FS, path string) error {
	if err := disk.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
