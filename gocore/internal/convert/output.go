package convert

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// output is the file that is written: a hidden one beside the destination, which takes its
// place when all is in it and on the device.
type output struct {
	disk       fsys.FS
	path, temp string
	file       fsys.File
	force      bool
	at         int64         // bytes written
	buffer     *bufio.Writer // in front of the file
	deflater   io.WriteCloser
	io.Writer  // the content, not yet deflated
}

func createOutput(disk fsys.FS, path string, mode fs.FileMode, force bool) (*output, error) {
	o := &output{disk: disk, path: path, force: force}
	if err := o.mayReplace(); err != nil {
		return nil, err
	}
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	dir, base := filepath.Split(path)
	o.temp = filepath.Join(dir, "."+base+"."+hex.EncodeToString(b[:])+".tmp")
	file, err := disk.OpenFile(o.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, ioFault("convert "+path, err)
	}
	o.file = file
	if err := file.Chmod(mode | 0o200); err != nil { // as the source's, whatever the umask
		o.abort()
		return nil, ioFault("convert "+path, err)
	}
	o.buffer = bufio.NewWriterSize(writerFunc(o.append), bufferSize)
	o.Writer = o.buffer
	return o, nil
}

// mayReplace refuses what is there, unless it is a file that may go.
func (o *output) mayReplace() error {
	info, err := o.disk.Stat(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return ioFault("convert", err)
	case !info.Mode().IsRegular():
		return fault.New(fault.Config, "convert "+o.path, "it is there and is not a regular file")
	case !o.force:
		return fault.New(fault.Config, "convert "+o.path, "it is there already; force replaces it")
	}
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (o *output) append(b []byte) (int, error) {
	n, err := o.file.WriteAt(b, o.at)
	o.at += int64(n)
	if err != nil {
		err = ioFault("", err)
	}
	return n, err
}

// deflate compresses the content as the destination's name tells.
func (o *output) deflate(name string, table bool) (err error) {
	name = strings.ToLower(name)
	gz, zst := strings.HasSuffix(name, ".gz"), strings.HasSuffix(name, ".zst")
	switch {
	case (gz || zst) && table:
		return fault.New(fault.Config, "", "Arrow and Parquet compress their columns themselves; leave the suffix out")
	case gz:
		o.deflater = gzip.NewWriter(o.buffer)
	case zst:
		o.deflater, err = zstd.NewWriter(o.buffer, zstd.WithEncoderConcurrency(1))
	}
	if o.deflater != nil {
		o.Writer = o.deflater
	}
	return err
}

// end writes what is still buffered.
func (o *output) end() error {
	if o.deflater != nil {
		if err := o.deflater.Close(); err != nil {
			return err
		}
	}
	return o.buffer.Flush()
}

// commit puts the file in its place.
func (o *output) commit() error {
	err := o.file.Sync()
	if closing := o.file.Close(); err == nil {
		err = closing
	}
	o.file = nil
	if err != nil {
		return ioFault("convert "+o.path, err)
	}
	if err := o.mayReplace(); err != nil { // it may have come meanwhile
		return err
	}
	if err := o.disk.Rename(o.temp, o.path); err != nil {
		return ioFault("convert "+o.path, err)
	}
	o.temp = ""
	if err := o.disk.SyncDir(filepath.Dir(o.path)); err != nil {
		return ioFault("convert "+o.path, err)
	}
	return nil
}

// abort leaves nothing behind. The error that led to it counts.
func (o *output) abort() {
	if o.file != nil {
		_ = o.file.Close()
	}
	if o.temp != "" {
		_ = o.disk.Remove(o.temp)
	}
}
