package files

import "io"

// window reads ahead: the messages of a small batch have some hundred bytes each, and a call of
// the system for each would be most of what reading them costs. It is for one goroutine, and for
// files whose bytes, where it reads, stay as they are.
type window struct {
	file  io.ReaderAt
	bytes []byte // of the file, from a position on
	from  int64
}

const windowBytes = 64 << 10

// ReadAt is of io.ReaderAt.
func (w *window) ReadAt(p []byte, at int64) (int, error) {
	if at >= w.from && at+int64(len(p)) <= w.from+int64(len(w.bytes)) {
		return copy(p, w.bytes[at-w.from:]), nil
	}
	if len(p) > windowBytes/2 {
		return w.file.ReadAt(p, at)
	}
	if w.bytes == nil {
		w.bytes = make([]byte, windowBytes)
	}
	n, err := w.file.ReadAt(w.bytes[:windowBytes], at)
	w.bytes, w.from = w.bytes[:n], at
	if n >= len(p) {
		return copy(p, w.bytes), nil
	}
	return copy(p, w.bytes), err
}
