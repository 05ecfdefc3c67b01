package journal

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// makeDir takes the lock first: who sees the directory finds it locked.
func makeDir(disk fsys.FS, dir string, c Config) (io.Closer, error) {
	root := filepath.Dir(dir)
	if err := fsys.MkdirAll(disk, root, c.DirMode|0o100); err != nil {
		return nil, err
	}
	if _, err := disk.Stat(dir); err == nil {
		return nil, fs.ErrExist // its lock file stays as it is
	}
	lock, err := disk.Lock(lockName(dir))
	if err != nil {
		return nil, err
	}
	if err = fillDir(disk, dir, c); err != nil {
		_ = disk.Remove(lockName(dir)) // the first error counts
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

func fillDir(disk fsys.FS, dir string, c Config) error {
	if err := chmod(disk, lockName(dir), c.FileMode); err != nil {
		return err
	}
	if err := disk.Mkdir(dir, c.DirMode|0o100); err != nil {
		return err
	}
	if !c.Sync {
		return nil
	}
	if err := disk.SyncDir(filepath.Dir(dir)); err != nil {
		_ = disk.Remove(dir) // the first error counts
		return err
	}
	return nil
}

// remakeLocked makes the directory anew that somebody removed, lock file and all perhaps.
func (j *Journal) remakeLocked() error {
	lock, err := makeDir(j.disk, j.dir, j.config)
	switch {
	case errors.Is(err, fsys.ErrLocked): // by this journal: the file was left
		err = fillDir(j.disk, j.dir, j.config)
	case err == nil:
		_ = j.lock.Close() // of a file without a name
		j.lock = lock
	}
	if err == nil {
		j.log.Warn("the directory of the journal was removed; it is made again")
	}
	return err
}

// missLocked ends the active segment if its file was removed: what is appended to it would be
// gone with this process.
func (j *Journal) missLocked() {
	if s := j.active; s != nil {
		if _, err := j.disk.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
			j.log.Error("a journal segment was removed with records in it", "path", s.path)
			j.sealLocked(s)
		}
	}
}
