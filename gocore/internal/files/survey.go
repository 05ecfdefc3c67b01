package files

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// surveyed is a data file as those see it who are not its writer.
type surveyed struct {
	name
	path string
	size int64
	end  time.Time // of its data, or later
	held bool      // its writer, or the recovery of it, still needs it as it is
}

// survey lists a signal's files, those with the oldest data first. own are writers that live
// whatever their locks say.
//
// A writer that has a lock or a journal lives, or is dead and not recovered yet. No lock is
// tried for that: who adopts would take it for a living owner's. Of such a writer are held
//
//	seq:  1   2   3   4   5
//	              └ cursor ┘    the file that the cursor names, which Recover may cut, and
//	                            later ones, which it removes; all, where there is no cursor
//	                      └     its newest, which it may be writing
//
// Files are listed before locks, and a lock is there before its writer's first file: so a file
// whose writer has none by then is finished.
func survey(disk fsys.FS, dir string, s otlp.Signal, own ...string) ([]surveyed, error) {
	all, err := listSignal(disk, dir, s)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	unfinished, err := owners(disk, dir)
	if err != nil {
		return nil, err
	}
	for _, writer := range own {
		unfinished[writer] = unfinished[writer] || false
	}
	marks := map[string]mark{}
	for writer, kept := range unfinished {
		marks[writer] = markOf(disk, dir, s, writer, kept)
	}
	next := map[string]*surveyed{} // of each writer, going backwards
	slices.SortFunc(all, func(a, b surveyed) int { return cmp.Or(cmp.Compare(a.writer, b.writer), cmp.Compare(a.seq, b.seq)) })
	for i := len(all) - 1; i >= 0; i-- {
		f := &all[i]
		after := next[f.writer]
		if after != nil && (f.end.Before(f.begun) || after.begun.Before(f.end)) {
			f.end = after.begun
		}
		if f.end.Before(f.begun) {
			f.end = f.begun
		}
		m, there := marks[f.writer]
		f.held = there && (after == nil || f.seq >= m.from)
		next[f.writer] = f
	}
	slices.SortStableFunc(all, func(a, b surveyed) int { return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.path, b.path)) })
	return all, nil
}

// mark is from which file on an unfinished writer's are held.
type mark struct{ from int }

const never = int(^uint(0) >> 1)

// markOf reads the cursor. One that cannot be read holds all.
func markOf(disk fsys.FS, dir string, s otlp.Signal, writer string, kept bool) mark {
	if !kept {
		return mark{never}
	}
	cursor, err := LoadCursor(disk, Journals(dir), writer, s)
	n, ok := parseName(cursor.File)
	if err != nil || !ok {
		return mark{0}
	}
	return mark{n.seq}
}

// owners are the writers that are not finished, and whether they have a journal.
func owners(disk fsys.FS, dir string) (map[string]bool, error) {
	all := map[string]bool{}
	entries, err := disk.ReadDir(Journals(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		if writer, ok := journal.Owner(entry); ok {
			all[writer] = all[writer] || entry.IsDir()
		}
	}
	return all, nil
}

// listSignal lists what bears a name of ours and is a file itself: links are not followed. As
// the end of its data each has the time of its last change.
func listSignal(disk fsys.FS, dir string, s otlp.Signal) (all []surveyed, err error) {
	parent := filepath.Join(Root(dir), s.String())
	entries, err := disk.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, entry := range entries {
		n, ok := parseName(entry.Name())
		if !ok || n.signal != s || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // removed in between
		}
		all = append(all, surveyed{name: n, path: filepath.Join(parent, entry.Name()), size: info.Size(), end: info.ModTime()})
	}
	return all, err
}

// Entry is a data file as those see it who are not its writer.
type Entry struct {
	Path   string
	Writer string
	Seq    int
	Bytes  int64
	// Held: its writer, or the recovery of it, still needs it as it is.
	Held bool
}

// Survey lists a signal's files, those with the oldest data first.
func Survey(disk fsys.FS, dir string, s otlp.Signal) ([]Entry, error) {
	all, err := survey(disk, dir, s)
	entries := make([]Entry, len(all))
	for i, f := range all {
		entries[i] = Entry{f.path, f.writer, f.seq, f.size, f.held}
	}
	return entries, err
}

// Owned tells whose a file in an output directory is by its name, data files, hidden ones and
// cursors: of a writer, or of no one in particular.
func Owned(base string) (writer string, ok bool) {
	match := ownedPattern.FindStringSubmatch(base)
	if match == nil {
		return "", false
	}
	return match[1] + match[2] + match[3], true
}

var ownedPattern = regexp.MustCompile(`^\.?otlp_(?:traces|metrics|logs)_\d{8}_\d{6}_([0-9a-f]+)_\d{6,}\.` +
	`|^\.otlp_trial_([0-9a-f]+)$|^\.?([0-9a-f]+)\.(?:traces|metrics|logs|forward-[A-Za-z0-9_-]+)\.cursor`)
