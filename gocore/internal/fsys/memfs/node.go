package memfs

import (
	"io"
	"io/fs"
	"syscall"
	"time"
)

// blockSize is what is allocated, and survives a loss of power, as one.
const blockSize = 4096

// node is a file or a directory.
type node struct {
	id   uint64
	mode fs.FileMode

	data, durable []byte         // a file's content now, and as of its last sync
	dirty         map[int64]bool // blocks that changed since
	blocks        map[int64]bool // blocks that take space
	links, opens  int            // when both are 0 the space is free again
	locked        bool

	children, saved map[string]*node // a directory's names now, and as of its last sync
	pending         []*change        // what happened in between
}

// edit puts a node under a name, or nil: removes it. A change is the edits of one call.
type (
	edit struct {
		dir  *node
		base string
		node *node
	}
	change struct{ edits []edit }
)

// editLocked applies a call's edits, to be made durable by syncing each directory.
func (f *FS) editLocked(edits ...edit) {
	for _, e := range edits {
		if e.node != nil {
			e.node.links++ // first: a node that is renamed never lacks a name
		}
	}
	c := &change{edits: edits}
	for i, e := range edits {
		f.replaceLocked(e)
		if i == 0 || e.dir != edits[0].dir {
			e.dir.pending = append(e.dir.pending, c)
		}
	}
}

func (f *FS) replaceLocked(e edit) {
	if old := e.dir.children[e.base]; old != nil {
		old.links--
		f.reapLocked(old)
	}
	if e.node == nil {
		delete(e.dir.children, e.base)
	} else {
		e.dir.children[e.base] = e.node
	}
}

// reapLocked frees the space of a file that has neither a name nor a user.
func (f *FS) reapLocked(n *node) {
	if n.links == 0 && n.opens == 0 && !n.mode.IsDir() {
		f.used -= int64(len(n.blocks)) * blockSize
		clear(n.blocks)
	}
}

func (f *FS) closeLocked(n *node) {
	n.opens--
	f.reapLocked(n)
}

// removable tells why a node cannot be removed.
func (n *node) removable() error {
	if len(n.children) > 0 {
		return syscall.ENOTEMPTY
	}
	return nil
}

// allocateLocked takes the blocks of a range and tells how many of its bytes fit.
func (f *FS) allocateLocked(n *node, off, size int64) int64 {
	for at := off; at < off+size; at = (at/blockSize + 1) * blockSize {
		if n.blocks[at/blockSize] {
			continue
		}
		if f.capacity > 0 && f.used+blockSize > f.capacity {
			return at - off
		}
		n.blocks[at/blockSize] = true
		f.used += blockSize
	}
	return size
}

func (f *FS) writeLocked(n *node, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	fits := f.allocateLocked(n, off, int64(len(p)))
	end := off + fits
	if fits > 0 {
		n.extend(end)
		copy(n.data[off:end], p)
		n.soil(off, end)
	}
	if fits < int64(len(p)) {
		return int(fits), syscall.ENOSPC
	}
	return len(p), nil
}

// extend makes a file at least this long.
func (n *node) extend(size int64) {
	if grow := size - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
}

// soil marks the blocks of a range as not synced.
func (n *node) soil(from, to int64) {
	for block := from / blockSize; block*blockSize < to; block++ {
		n.dirty[block] = true
	}
}

func (f *FS) truncateLocked(n *node, size int64) {
	before := int64(len(n.data))
	n.soil(min(size, before), max(size, before))
	if size >= before {
		n.extend(size) // a hole: no space is taken
		return
	}
	n.data = n.data[:size:size]
	for block := range n.blocks {
		if block*blockSize >= size {
			delete(n.blocks, block)
			f.used -= blockSize
		}
	}
}

// sync makes the content durable.
func (n *node) sync() {
	n.durable = resize(n.durable, int64(len(n.data)))
	for block := range n.dirty {
		copyBlock(n.durable, n.data, block)
	}
	clear(n.dirty)
}

// resize cuts, or adds zeros.
func resize(b []byte, size int64) []byte {
	if have := int64(len(b)); have < size {
		return append(b, make([]byte, size-have)...)
	}
	return b[:size]
}

func copyBlock(to, from []byte, block int64) {
	begin := block * blockSize
	if begin < int64(len(to)) && begin < int64(len(from)) {
		copy(to[begin:min(begin+blockSize, int64(len(to)))], from[begin:])
	}
}

func (n *node) readAt(p []byte, off int64) (int, error) {
	switch {
	case n.mode.IsDir():
		return 0, syscall.EISDIR
	case off < 0:
		return 0, syscall.EINVAL
	case off >= int64(len(n.data)):
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	got := copy(p, n.data[off:])
	if got < len(p) {
		return got, io.EOF
	}
	return got, nil
}

// info is a node's fs.FileInfo, as of now.
type info struct {
	base string
	size int64
	mode fs.FileMode
}

func (n *node) info(base string) info { return info{base, int64(len(n.data)), n.mode} }

func (i info) Name() string       { return i.base }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
