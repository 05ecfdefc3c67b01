// Package memfs is a file system in memory for tests: it can fail at any call, be full, and
// be cloned as it would be found after a crash.
//
//	                    KillNine   PowerLoss    PowerLossPartly
//	written, synced     stays      stays        stays
//	written             stays      is lost      4 KiB blocks stay at random; where the file
//	                                            grew and the block was lost there are zeros
//	name, dir synced    stays      stays        stays
//	name                stays      is undone    stays at random; a rename in whole or not
//
// Every call goes through one hook, before it takes effect and outside all locks: so the hook
// may fail it, or take a clone first. There are no modification times, links or permissions.
// An FS and its files may be used by several goroutines.
package memfs

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// FS is a file system in memory. Relative names begin at its root.
type FS struct {
	mu       sync.Mutex // guards what follows, and every node
	root     *node
	hook     func(Op) error
	ops      int
	lastID   uint64
	used     int64 // bytes of the blocks that files hold
	capacity int64 // 0: no bound
}

var _ fsys.FS = (*FS)(nil)

// New makes an empty file system.
func New() *FS {
	f := &FS{}
	f.root = f.newNodeLocked(fs.ModeDir | 0o755)
	return f
}

// SetCapacity bounds the bytes of all files, counted in blocks; writes beyond fail with
// ENOSPC after what still fits. 0 lifts the bound.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Used is how many bytes files take, in blocks. A removed file takes them until it is closed.
func (f *FS) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used
}

func (f *FS) newNodeLocked(mode fs.FileMode) *node {
	f.lastID++
	n := &node{id: f.lastID, mode: mode}
	if mode.IsDir() {
		n.children, n.saved = map[string]*node{}, map[string]*node{}
	} else {
		n.dirty, n.blocks = map[int64]bool{}, map[int64]bool{}
	}
	return n
}

// split is the names on the way to a path.
func split(name string) []string {
	return strings.FieldsFunc(filepath.ToSlash(filepath.Clean(name)), func(r rune) bool { return r == '/' })
}

// findLocked is the node at a path.
func (f *FS) findLocked(name string) (*node, error) {
	n := f.root
	for _, part := range split(name) {
		if !n.mode.IsDir() {
			return nil, syscall.ENOTDIR
		}
		if part == "." {
			continue
		}
		if n = n.children[part]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

// placeLocked is the directory that holds a path's last name, and what is there or nil.
func (f *FS) placeLocked(name string) (dir *node, base string, there *node, err error) {
	parts := split(name)
	if len(parts) == 0 || parts[len(parts)-1] == "." {
		return nil, "", nil, fs.ErrInvalid // the root
	}
	dir, err = f.findLocked(filepath.Dir(name))
	if err == nil && !dir.mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, "", nil, err
	}
	base = parts[len(parts)-1]
	return dir, base, dir.children[base], nil
}

// call runs the hook and then, under the lock, the call itself.
func (f *FS) call(kind Kind, name string, do func() error) error {
	err := f.consult(Op{Kind: kind, Name: name})
	if err == nil {
		f.mu.Lock()
		err = do()
		f.mu.Unlock()
	}
	if err != nil {
		return &fs.PathError{Op: kind.String(), Path: name, Err: err}
	}
	return nil
}

// OpenFile implements fsys.FS. O_APPEND is not known here: files are written at offsets.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	kind := Open
	if flag&os.O_CREATE != 0 {
		kind = Create
	}
	opened := &file{fs: f, name: name, writable: flag&(os.O_RDWR|os.O_WRONLY) != 0}
	err := f.call(kind, name, func() (err error) {
		opened.node, err = f.openLocked(name, flag, perm)
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

func (f *FS) openLocked(name string, flag int, perm fs.FileMode) (*node, error) {
	if flag&os.O_CREATE == 0 {
		n, err := f.findLocked(name)
		if err != nil {
			return nil, err
		}
		return f.reopenLocked(n, flag)
	}
	dir, base, n, err := f.placeLocked(name)
	switch {
	case err != nil:
		return nil, err
	case n == nil:
		n = f.newNodeLocked(perm.Perm())
		f.editLocked(edit{dir, base, n})
		n.opens++
		return n, nil
	case flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	}
	return f.reopenLocked(n, flag)
}

func (f *FS) reopenLocked(n *node, flag int) (*node, error) {
	if n.mode.IsDir() && flag&(os.O_RDWR|os.O_WRONLY) != 0 {
		return nil, syscall.EISDIR
	}
	if flag&os.O_TRUNC != 0 {
		f.truncateLocked(n, 0)
	}
	n.opens++
	return n, nil
}

// Rename implements fsys.FS.
func (f *FS) Rename(from, to string) error {
	return f.call(Rename, from, func() error {
		fromDir, fromBase, n, err := f.placeLocked(from)
		if err != nil {
			return err
		}
		if n == nil {
			return fs.ErrNotExist
		}
		toDir, toBase, there, err := f.placeLocked(to)
		if err != nil {
			return err
		}
		if there == n {
			return nil
		}
		if err := replaceable(n, there); err != nil {
			return err
		}
		f.editLocked(edit{fromDir, fromBase, nil}, edit{toDir, toBase, n})
		return nil
	})
}

func replaceable(n, there *node) error {
	switch {
	case there == nil:
		return nil
	case !there.mode.IsDir() && n.mode.IsDir():
		return syscall.ENOTDIR
	case there.mode.IsDir() && !n.mode.IsDir():
		return syscall.EISDIR
	}
	return there.removable()
}

// Remove implements fsys.FS.
func (f *FS) Remove(name string) error {
	return f.call(Remove, name, func() error {
		dir, base, n, err := f.placeLocked(name)
		if err != nil {
			return err
		}
		if n == nil {
			return fs.ErrNotExist
		}
		if err := n.removable(); err != nil {
			return err
		}
		f.editLocked(edit{dir, base, nil})
		return nil
	})
}

// Mkdir implements fsys.FS.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	return f.call(Mkdir, name, func() error {
		dir, base, there, err := f.placeLocked(name)
		if err != nil {
			return err
		}
		if there != nil {
			return fs.ErrExist
		}
		f.editLocked(edit{dir, base, f.newNodeLocked(fs.ModeDir | perm.Perm())})
		return nil
	})
}

// ReadDir implements fsys.FS.
func (f *FS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = f.call(ReadDir, name, func() error {
		n, err := f.findLocked(name)
		if err != nil {
			return err
		}
		if !n.mode.IsDir() {
			return syscall.ENOTDIR
		}
		for _, base := range slices.Sorted(maps.Keys(n.children)) {
			entries = append(entries, fs.FileInfoToDirEntry(n.children[base].info(base)))
		}
		return nil
	})
	return entries, err
}

// Stat implements fsys.FS.
func (f *FS) Stat(name string) (found fs.FileInfo, err error) {
	err = f.call(Stat, name, func() error {
		n, err := f.findLocked(name)
		if err == nil {
			found = n.info(filepath.Base(name))
		}
		return err
	})
	return found, err
}

// FileID implements fsys.FS.
func (f *FS) FileID(name string) (id uint64, err error) {
	err = f.call(Stat, name, func() error {
		n, err := f.findLocked(name)
		if err == nil {
			id = n.id
		}
		return err
	})
	return id, err
}

// SyncDir implements fsys.FS.
func (f *FS) SyncDir(name string) error {
	return f.call(SyncDir, name, func() error {
		n, err := f.findLocked(name)
		if err != nil {
			return err
		}
		if !n.mode.IsDir() {
			return syscall.ENOTDIR
		}
		n.saved, n.pending = maps.Clone(n.children), nil
		return nil
	})
}

// Lock implements fsys.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	held := &lock{fs: f}
	err := f.call(Lock, name, func() error {
		n, err := f.openLocked(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if n.locked {
			f.closeLocked(n)
			return fsys.ErrLocked
		}
		n.locked, held.node = true, n
		return nil
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}
