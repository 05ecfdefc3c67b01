package fsys

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MkdirAll makes a directory and those above it, each of exactly this mode and durable in
// its parent; what is there already keeps its own mode.
func MkdirAll(disk FS, path string, mode fs.FileMode) error {
	info, err := disk.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(disk, parent, mode); err != nil {
			return err
		}
	}
	if err := disk.Mkdir(path, mode); err != nil && !isDir(disk, path) { // or another was faster
		return err
	}
	return disk.SyncDir(parent)
}

func isDir(disk FS, path string) bool {
	info, err := disk.Stat(path)
	return err == nil && info.IsDir()
}

// Replace puts data at a path so that a reader, or a process that starts after a crash, finds
// the old content or the new one, whole. With sync also a loss of power cannot bring back the
// old one. It refuses to replace what is not a regular file. An error of the last step, syncing
// the directory, leaves the new content in place.
func Replace(disk FS, path string, data []byte, mode fs.FileMode, sync bool) error {
	if info, err := disk.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is there and is not a regular file", path)
	}
	temp := tempName(path)
	err := writeNew(disk, temp, data, mode, sync)
	if err == nil {
		err = disk.Rename(temp, path)
	}
	if err != nil {
		_ = disk.Remove(temp) // the first error counts
		return err
	}
	if !sync {
		return nil
	}
	return disk.SyncDir(filepath.Dir(path))
}

// tempName is hidden and random: with a fixed one, two processes would write into one file.
func tempName(path string) string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	dir, base := filepath.Split(path)
	return filepath.Join(dir, "."+base+"."+hex.EncodeToString(b[:])+".tmp")
}

func writeNew(disk FS, path string, data []byte, mode fs.FileMode, sync bool) error {
	file, err := disk.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = fill(file, data, mode, sync)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

func fill(file File, data []byte, mode fs.FileMode, sync bool) error {
	if err := file.Chmod(mode); err != nil { // whatever the umask
		return err
	}
	if _, err := file.WriteAt(data, 0); err != nil || !sync {
		return err
	}
	return file.Sync()
}

// ReadFile reads a whole file.
func ReadFile(disk FS, path string) ([]byte, error) {
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	}
	return io.ReadAll(io.NewSectionReader(file, 0, info.Size()))
}
