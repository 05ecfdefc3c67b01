package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
