package forward

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

// cursor is, by signal, the position below which a destination wants nothing any more. A signal that is not
// there is not wanted at all.
type cursor map[string]uint64

const (
	cursorInfix  = ".forward-"
	cursorSuffix = ".cursor"
)

func cursorPath(root, writer, name string) string {
	return filepath.Join(root, writer+cursorInfix+name+cursorSuffix)
}

func saveCursor(disk fsys.FS, path string, c cursor, mode fs.FileMode, sync bool) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return fsys.Replace(disk, path, append(text, '\n'), mode, sync)
}

// loadCursors are those that a writer left, by the names of destinations. One that cannot be read counts
// from the beginning: sent twice is better than not at all.
func loadCursors(disk fsys.FS, root, writer string) (all map[string]cursor, err error) {
	entries, err := disk.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all = map[string]cursor{}
	var faults []error
	for _, entry := range entries {
		name, ok := nameIn(entry.Name(), writer)
		if !ok {
			continue
		}
		path := filepath.Join(root, entry.Name())
		text, err := fsys.ReadFile(disk, path)
		c := cursor{}
		switch {
		case err != nil:
			return nil, err
		case json.Unmarshal(text, &c) != nil:
			faults = append(faults, fmt.Errorf("%s is damaged; all is sent again", path))
			c = cursor{}
			for _, s := range otlp.Signals {
				c[s.String()] = 0
			}
		}
		all[name] = c
	}
	return all, errors.Join(faults...)
}

// nameIn is the destination whose cursor a file is.
func nameIn(file, writer string) (name string, ok bool) {
	name, ok = strings.CutPrefix(file, writer+cursorInfix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, cursorSuffix)
}

// RemoveCursors forgets all cursors of a writer, once its journal is gone.
func RemoveCursors(disk fsys.FS, root, writer string) error {
	entries, err := disk.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var faults []error
	for _, entry := range entries {
		if _, ok := nameIn(entry.Name(), writer); !ok {
			continue
		}
		if err := disk.Remove(filepath.Join(root, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	return errors.Join(append(faults, err)...)
}
