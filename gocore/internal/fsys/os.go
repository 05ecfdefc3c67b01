package fsys

import (
	"io"
	"io/fs"
	"os"
)

// OS is the operating system's file system.
type OS struct{}

type osFile struct{ *os.File }

func (f osFile) ID() (uint64, error) { return handleID(f.File) }

// OpenFile implements FS.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	file, err := openFile(name, flag, perm)
	if err != nil {
		return nil, err // not the nil *os.File in an interface
	}
	return osFile{file}, nil
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// Mkdir implements FS.
func (OS) Mkdir(name string, perm fs.FileMode) error {
	if err := os.Mkdir(name, perm); err != nil {
		return err
	}
	return os.Chmod(name, perm)
}

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat implements FS.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// SyncDir implements FS.
func (OS) SyncDir(name string) error { return syncDir(name) }

// FileID implements FS.
func (OS) FileID(name string) (uint64, error) { return pathID(name) }

// lockTries bounds how often a lock file may vanish between opening and locking it.
const lockTries = 16

// Lock implements FS.
func (OS) Lock(name string) (io.Closer, error) {
	for range lockTries {
		file, err := openLock(name)
		if err != nil {
			return nil, err
		}
		if err := tryLock(file); err != nil {
			_ = file.Close() // an empty file
			return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
		}
		if isAt(file, name) {
			return file, nil
		}
		_ = file.Close()
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
}

// isAt tells whether an open file still bears its name. A holder removes its lock file before
// it lets go: who opened that file earlier would else hold a lock that nobody can meet.
func isAt(file *os.File, name string) bool {
	ours, err := handleID(file)
	if err != nil {
		return false
	}
	there, err := pathID(name)
	return err == nil && ours == there
}
