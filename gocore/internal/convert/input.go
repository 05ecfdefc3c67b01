package convert

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// input is the file that is read.
type input struct {
	file   fsys.File
	size   int64
	mode   fs.FileMode
	read   int64         // bytes so far, for the progress
	stream *bufio.Reader // the content, inflated
	inner  io.Closer     // what inflates
	fail   error         // of the disk
}

func openInput(disk fsys.FS, path string) (*input, error) {
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: notRegular(info.Mode())}
	}
	if err != nil {
		_ = file.Close() // of what was only looked at
		return nil, err
	}
	return &input{file: file, size: info.Size(), mode: info.Mode().Perm()}, nil
}

func notRegular(mode fs.FileMode) error {
	if mode.IsDir() {
		return syscall.EISDIR
	}
	return errors.New("not a regular file, of which the size is known")
}

// ReadAt counts, and keeps the disk's faults apart from those of the content.
func (in *input) ReadAt(b []byte, offset int64) (int, error) {
	n, err := in.file.ReadAt(b, offset)
	in.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && in.fail == nil {
		in.fail = err
	}
	return n, err
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

const (
	bufferSize = 256 << 10
	maxWindow  = 64 << 20 // of zstd: what --long=26 needs
)

// inflate opens the content for reading in a row; what compressed it shows at its beginning.
func (in *input) inflate() error {
	raw := bufio.NewReaderSize(io.NewSectionReader(in, 0, in.size), bufferSize)
	head, _ := raw.Peek(4) // a fault comes again
	var inner io.Reader
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		r, err := gzip.NewReader(raw)
		if err != nil {
			return inputFault(err)
		}
		inner, in.inner = r, r
	case bytes.HasPrefix(head, zstdMagic):
		// One at a time decodes in the caller's goroutine.
		r, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return inputFault(err)
		}
		inner, in.inner = r, r.IOReadCloser()
	default:
		in.stream = raw
		return nil
	}
	in.stream = bufio.NewReaderSize(inner, bufferSize)
	return nil
}

// inputFault is what reading the content gave.
func inputFault(err error) error {
	if _, ours := errors.AsType[*fault.Error](err); ours {
		return err
	}
	if _, disk := errors.AsType[*fs.PathError](err); disk {
		return ioFault("", err)
	}
	return &fault.Error{Kind: fault.Invalid, Err: err}
}

func (in *input) close() {
	if in.inner != nil {
		_ = in.inner.Close() // of what was only read
	}
	_ = in.file.Close()
}
