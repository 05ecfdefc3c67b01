// Package fsys is the seam to the file system: what the durable stages need of it and no
// more, so that memfs can stand in its place, fail at any call and crash at any moment.
//
//	OS{}   the real one
//	memfs  in memory, for tests only
//
// An FS may be used by several goroutines; so may a File, as long as writes do not overlap.
package fsys

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked is what Lock returns while another holder lives, in this process or another.
var ErrLocked = errors.New("locked by another owner")

// FS is a file system.
type FS interface {
	// OpenFile is os.OpenFile; the umask applies, so that an exact mode takes Chmod too.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename replaces what is at the new name, in one step.
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// Mkdir makes a directory of exactly this mode, whatever the umask.
	Mkdir(name string, perm fs.FileMode) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a directory durable: what was made, renamed and removed
	// there. It does nothing where directories cannot be synced (Windows, some network disks).
	SyncDir(name string) error
	// Lock takes the exclusive lock on a lock file, made if need be, or fails with ErrLocked.
	// The system frees it when its holder dies, however that happens; a child that was forked
	// holds it as well until it ends. The holder may Remove the file before it closes the lock.
	Lock(name string) (io.Closer, error)
	// FileID is the identity of what is at a name now, to be compared with File.ID.
	FileID(name string) (uint64, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Sync makes the content durable, but not the name: see SyncDir.
	Sync() error
	Stat() (fs.FileInfo, error)
	Chmod(mode fs.FileMode) error
	// ID stays the same while the file is renamed, and is not another living file's.
	ID() (uint64, error)
}
