package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

const (
	lockSuffix    = ".lock"
	damagedSuffix = ".damaged"
)

// lockName is beside the directory: see the package comment.
func lockName(dir string) string { return filepath.Clean(dir) + lockSuffix }

// Dead lists the journals below a directory whose writer is gone, by locking each for a
// moment. An error is about those that are not in the list.
func Dead(disk fsys.FS, root string) ([]string, error) {
	entries, err := disk.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var dead []string
	var faults []error
	for _, entry := range entries {
		if !entry.IsDir() || strings.HasSuffix(entry.Name(), damagedSuffix) {
			continue
		}
		dir := filepath.Join(root, entry.Name())
		switch lock, err := disk.Lock(lockName(dir)); {
		case err == nil:
			_ = lock.Close() // an empty file
			dead = append(dead, dir)
		case !errors.Is(err, fsys.ErrLocked):
			faults = append(faults, err)
		}
	}
	return dead, errors.Join(faults...)
}

// Owner tells whose an entry of the journals' directory is: a writer's journal, or its lock.
func Owner(entry fs.DirEntry) (writer string, ok bool) {
	if entry.IsDir() {
		return entry.Name(), !strings.HasSuffix(entry.Name(), damagedSuffix)
	}
	return strings.CutSuffix(entry.Name(), lockSuffix)
}

// Claim is the lock of a writer without a journal, so that others see that it lives.
type Claim struct {
	disk fsys.FS
	name string
	lock io.Closer // nil once it is released
}

// NewClaim takes the lock that the journal in this directory would have.
func NewClaim(disk fsys.FS, dir string, c Config) (*Claim, error) {
	c = c.withDefaults()
	err := fsys.MkdirAll(disk, filepath.Dir(dir), c.DirMode|0o100)
	if err == nil {
		var lock io.Closer
		if lock, err = disk.Lock(lockName(dir)); err == nil {
			return &Claim{disk, lockName(dir), lock}, chmod(disk, lockName(dir), c.FileMode)
		}
	}
	return nil, &fault.Error{Kind: fault.IO, Op: "claim a writer's id", Field: dir, Err: err}
}

// Release gives the lock back; it may be called twice.
func (c *Claim) Release() error {
	if c.lock == nil {
		return nil
	}
	lock := c.lock
	c.lock = nil
	return errors.Join(removeFile(c.disk, c.name), lock.Close())
}

// Unclaimed lists the locks of dead writers that left no journal: those that lie there longer
// than it takes to make the directory after the lock. With remove it also removes them.
func Unclaimed(disk fsys.FS, root string, before time.Time, remove bool) (paths []string, err error) {
	entries, err := disk.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var faults []error
	for _, entry := range entries {
		writer, ok := Owner(entry)
		info, gone := entry.Info()
		if !ok || entry.IsDir() || gone != nil || info.ModTime().After(before) {
			continue
		}
		if _, there := disk.Stat(filepath.Join(root, writer)); there == nil {
			continue
		}
		path := filepath.Join(root, entry.Name())
		switch dead, err := free(disk, path, remove); {
		case err != nil:
			faults = append(faults, err)
		case dead:
			paths = append(paths, path)
		}
	}
	return paths, errors.Join(append(faults, err)...)
}

// free tells whether nobody holds a lock.
func free(disk fsys.FS, path string, remove bool) (bool, error) {
	lock, err := disk.Lock(path)
	if errors.Is(err, fsys.ErrLocked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.Close()
	if remove {
		err = removeFile(disk, path)
	}
	return true, err
}

func chmod(disk fsys.FS, name string, mode fs.FileMode) error {
	file, err := disk.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Chmod(mode)
}

// removeFile is content with what is gone already.
func removeFile(disk fsys.FS, path string) error {
	if err := disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeDir removes a journal whose lock is held, so that a crash at any point leaves either
// records that were all released or a directory that the next process takes for an empty
// journal: the segments oldest first, what else was kept with them, the lock, the directory.
func removeDir(disk fsys.FS, dir string) error {
	if err := removeFiles(disk, dir, nil); err != nil {
		return err
	}
	if err := removeFile(disk, lockName(dir)); err != nil {
		return err
	}
	if err := removeFile(disk, dir); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(dir)) // or it would come back, and be stored twice
}

// removeFiles removes the spares, the segments that are not to be kept and then, unless there are some,
// all else.
func removeFiles(disk fsys.FS, dir string, keep map[string]bool) error {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return err
	}
	var others []string
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		ext := filepath.Ext(entry.Name())
		if ext != suffix && ext != spareSuffix {
			others = append(others, path)
		} else if !keep[entry.Name()] {
			if err := removeFile(disk, path); err != nil {
				return err
			}
		}
	}
	for _, path := range others {
		if len(keep) > 0 {
			break
		}
		if err := removeFile(disk, path); err != nil {
			return err
		}
	}
	return nil
}
