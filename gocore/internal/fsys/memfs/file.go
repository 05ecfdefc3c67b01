package memfs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// file is an open node.
type file struct {
	fs       *FS
	name     string
	node     *node
	writable bool
	closed   bool // guarded by fs.mu
}

// call is FS.call on an open file.
func (f *file) call(kind Kind, do func() error) error {
	return f.fs.call(kind, f.name, func() error {
		if f.closed {
			return fs.ErrClosed
		}
		return do()
	})
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	var end error // io.EOF, which is not wrapped
	err = f.call(Read, func() error {
		n, end = f.node.readAt(p, off)
		if errors.Is(end, syscall.EISDIR) || errors.Is(end, syscall.EINVAL) {
			return end
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	return n, end
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	failure := f.fs.consult(Op{Kind: Write, Name: f.name, Offset: off, Data: p})
	n := 0
	if short := (*ShortWriteError)(nil); errors.As(failure, &short) {
		n, _ = f.write(p[:min(short.N, len(p))], off)
		failure = short.Err
	} else if failure == nil {
		n, failure = f.write(p, off)
	}
	if failure != nil {
		return n, &fs.PathError{Op: Write.String(), Path: f.name, Err: failure}
	}
	return n, nil
}

func (f *file) write(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case !f.writable:
		return 0, syscall.EBADF
	}
	return f.fs.writeLocked(f.node, p, off)
}

// Truncate implements fsys.File.
func (f *file) Truncate(size int64) error {
	return f.call(Truncate, func() error {
		if !f.writable || size < 0 {
			return syscall.EINVAL
		}
		f.fs.truncateLocked(f.node, size)
		return nil
	})
}

// Sync implements fsys.File.
func (f *file) Sync() error {
	return f.call(Sync, func() error {
		f.node.sync()
		return nil
	})
}

// Stat implements fsys.File.
func (f *file) Stat() (found fs.FileInfo, err error) {
	err = f.call(Stat, func() error {
		found = f.node.info(filepath.Base(f.name))
		return nil
	})
	return found, err
}

// Chmod implements fsys.File.
func (f *file) Chmod(mode fs.FileMode) error {
	return f.call(Chmod, func() error {
		f.node.mode = f.node.mode.Type() | mode.Perm()
		return nil
	})
}

// ID implements fsys.File.
func (f *file) ID() (id uint64, err error) {
	err = f.call(Stat, func() error {
		id = f.node.id
		return nil
	})
	return id, err
}

// Close implements io.Closer: also when the hook fails it.
func (f *file) Close() error {
	failure := f.fs.consult(Op{Kind: Close, Name: f.name})
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		failure = fs.ErrClosed
	} else {
		f.closed = true
		f.fs.closeLocked(f.node)
	}
	if failure != nil {
		return &fs.PathError{Op: Close.String(), Path: f.name, Err: failure}
	}
	return nil
}

// lock is a held lock; closing it twice frees it once.
type lock struct {
	fs   *FS
	node *node // nil once it is free; guarded by fs.mu
}

// Close frees the lock.
func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.node == nil {
		return fs.ErrClosed
	}
	l.node.locked = false
	l.fs.closeLocked(l.node)
	l.node = nil
	return nil
}
