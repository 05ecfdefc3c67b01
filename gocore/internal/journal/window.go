package journal

import (
	"errors"
	"io"
)

// windowBytes is what is read at a time, unless a record is larger.
const windowBytes = 256 << 10

// window reads a file through a buffer.
type window struct {
	file io.ReaderAt
	size int64 // of the file; nobody asks for more
	at   int64 // where the buffer's content begins
	buf  []byte
}

// view is n bytes at an offset, good until the next call. The buffer becomes as large as it
// must, so n has been checked against the size.
func (w *window) view(offset, n int64) ([]byte, error) {
	begin := offset - w.at
	if begin >= 0 && begin+n <= int64(len(w.buf)) {
		return w.buf[begin : begin+n], nil
	}
	var have []byte
	if begin >= 0 && begin < int64(len(w.buf)) {
		have = w.buf[begin:] // the beginning of a record that goes on beyond
	}
	want := min(max(n, windowBytes), w.size-offset)
	if int64(cap(w.buf)) < want {
		w.buf = make([]byte, want)
	}
	w.at, w.buf = offset, w.buf[:want]
	if err := w.fill(copy(w.buf, have)); err != nil {
		return nil, err
	}
	return w.buf[:n], nil
}

// fill reads what the buffer lacks.
func (w *window) fill(have int) error {
	got, err := w.file.ReadAt(w.buf[have:], w.at+int64(have))
	if have+got == len(w.buf) {
		return nil
	}
	w.buf = w.buf[:0]
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // the file was cut meanwhile
	}
	return err
}
