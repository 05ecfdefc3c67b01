package memfs

import "fmt"

// Kind is what a call does.
type Kind uint8

// The calls. Create is an OpenFile that may create.
const (
	Open Kind = iota
	Create
	Read
	Write
	Truncate
	Sync
	Chmod
	Close
	Rename
	Remove
	Mkdir
	ReadDir
	Stat
	SyncDir
	Lock
)

var kinds = [...]string{
	Open: "open", Create: "create", Read: "read", Write: "write", Truncate: "truncate", Sync: "sync", Chmod: "chmod",
	Close: "close", Rename: "rename", Remove: "remove", Mkdir: "mkdir", ReadDir: "readdir", Stat: "stat",
	SyncDir: "syncdir", Lock: "lock",
}

// String is the call's name.
func (k Kind) String() string { return kinds[k] }

// Changes tells whether the call alters what a crash would leave.
func (k Kind) Changes() bool {
	switch k {
	case Open, Read, Chmod, Close, ReadDir, Stat:
		return false
	}
	return true
}

// Op is a call that is about to happen. Its data may not be changed or kept.
type Op struct {
	N      int // calls are counted from 1
	Kind   Kind
	Name   string
	Offset int64  // of a Write
	Data   []byte // of a Write
}

// ShortWriteError, returned by a hook, ends a write with an error after its first N bytes.
type ShortWriteError struct {
	N   int
	Err error
}

func (s *ShortWriteError) Error() string { return fmt.Sprintf("after %d bytes: %v", s.N, s.Err) }

// Unwrap is the error of the write.
func (s *ShortWriteError) Unwrap() error { return s.Err }

// SetHook sets what is called before each call, nil for nothing. Its error is the call's, and
// the call has no effect then, except that Close closes and ShortWriteError writes.
func (f *FS) SetHook(hook func(Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// consult counts a call and asks the hook, outside the lock.
func (f *FS) consult(op Op) error {
	f.mu.Lock()
	f.ops++
	op.N = f.ops
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op)
}
