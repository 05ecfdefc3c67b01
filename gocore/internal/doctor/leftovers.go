package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// lockAge is how old a lock without a journal must be: see journal.Unclaimed.
const lockAge = time.Minute

// leftovers looks for what dead writers left beside data.
func (d *doctor) leftovers() error {
	root := files.Root(d.dir)
	dirs := []string{files.Journals(d.dir), filepath.Join(root, "aside")}
	for _, s := range otlp.Signals {
		dirs = append(dirs, filepath.Join(root, s.String()))
	}
	for _, dir := range dirs {
		if err := d.hidden(dir); err != nil {
			return err
		}
	}
	if err := d.aside(dirs[1]); err != nil {
		return err
	}
	locks, err := journal.Unclaimed(d.disk, dirs[0], d.now.Add(-lockAge), false)
	for _, path := range locks {
		d.found(Warning, path, "the lock of a dead writer that left no journal", "remove it", func() error {
			_, err := journal.Unclaimed(d.disk, dirs[0], d.now.Add(-lockAge), true)
			return err
		})
	}
	return err
}

// hidden finds files that were to get another name, and cursors without a journal. Those of a
// writer that lives, or whose journal is still to be adopted, are its own.
func (d *doctor) hidden(dir string) error {
	entries, err := d.disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		writer, ok := files.Owned(entry.Name())
		if !ok || d.alive[writer] || d.dead[writer] || !entry.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
			d.found(Warning, path, "a file that was never finished, of a dead writer", "remove it", func() error { return d.remove(path) })
		case strings.HasSuffix(entry.Name(), ".cursor"):
			d.found(Warning, path, "a cursor without a journal", "remove it", func() error { return d.remove(path) })
		}
	}
	return err
}

func (d *doctor) remove(path string) error {
	if err := d.disk.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// aside counts what was set aside: an operator decides.
func (d *doctor) aside(dir string) error {
	entries, err := d.disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	requests, others := 0, 0
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasPrefix(name, "."):
		case strings.HasSuffix(name, ".binpb"):
			requests++
		default:
			others++
		}
	}
	if requests > 0 {
		d.found(Warning, dir, fmt.Sprintf("%d requests that could not become rows are kept here, as OTLP", requests), "", nil)
	}
	if others > 0 {
		d.found(Warning, dir, fmt.Sprintf("%d pieces of damaged files are kept here", others), "", nil)
	}
	return err
}
