package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// A finished file changes in two steps, so that its name always stands for the old content or
// the new one, whole: renew writes the new one hidden, replaceFile gives it the name.

// tempOf is the hidden name of what is to take a file's place. It is not the one of a file that
// is begun, which Recover removes.
func tempOf(path string) string {
	dir, base := filepath.Split(path)
	return filepath.Join(dir, "."+base+newSuffix)
}

const newSuffix = ".new" + hiddenSuffix

// renew makes a file's successor at temp, with its mode, durable but for its name, or leaves
// nothing. The old one is closed after it, or Windows would not let it be replaced.
func renew(disk fsys.FS, path, temp string, fill func(old io.ReaderAt, out io.Writer) error) error {
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return writeTemp(disk, temp, info.Mode().Perm(), func(out io.Writer) error { return fill(file, out) })
}

// writeTemp makes a file anew, durable but for its name, or leaves nothing. What an earlier try
// left in its place goes.
func writeTemp(disk fsys.FS, path string, mode fs.FileMode, fill func(io.Writer) error) error {
	if err := disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := disk.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = file.Chmod(mode) // whatever the umask
	if err == nil {
		err = fill(io.NewOffsetWriter(file, 0))
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, disk.Remove(path))
	}
	return nil
}

// errChanged says that a file is another one than it was when it was looked at.
var errChanged = errors.New("the file was replaced or removed meanwhile")

// replaceFile puts a file of the same name in the place of one, which must still be there.
func replaceFile(disk fsys.FS, temp, path string, inode uint64) error {
	there, err := disk.FileID(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && there != inode {
		err = errChanged
	}
	if err == nil {
		err = disk.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, disk.Remove(temp))
	}
	return disk.SyncDir(filepath.Dir(path))
}
