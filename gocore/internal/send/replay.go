package send

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/convert"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// feed is what is sent. It may leave notes.
func (s *settings) feed(disk fsys.FS, told *notes) (feed, error) {
	if s.Generate != "" {
		return newLoad(s), nil
	}
	r := &replay{settings: s, disk: disk, told: told}
	for _, path := range s.Paths {
		if err := r.add(path); err != nil {
			return nil, err
		}
	}
	return r, r.open()
}

// replay reads files one after the other.
type replay struct {
	*settings
	disk   fsys.FS
	told   *notes
	rest   []source
	total  int64
	passed int64 // bytes of the files before
	reader *convert.Reader
	parts  []parcel // of a message that is larger than a request may be
}

// source is a file that is to be read.
type source struct {
	path   string
	size   int64
	listed bool // in an output directory, and not named by the user
}

// add notes a file, or what is in an output directory.
func (r *replay) add(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return &fault.Error{Kind: fault.Config, Op: "send", Err: err}
	case !info.IsDir():
		r.append(source{path, info.Size(), false})
		return nil
	}
	if at, err := os.Stat(files.Root(path)); err != nil || !at.IsDir() {
		return fault.New(fault.Config, "send", "%s is no output directory: it has no directory otlp", path)
	}
	for _, s := range otlp.Signals {
		if r.Signal != "" && r.Signal != s.String() {
			continue
		}
		entries, err := files.Survey(r.disk, path, s)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return &fault.Error{Kind: fault.IO, Op: "send", Err: err}
		}
		for _, entry := range entries {
			r.append(source{entry.Path, entry.Bytes, true})
		}
	}
	return nil
}

func (r *replay) append(s source) { r.rest, r.total = append(r.rest, s), r.total+s.size }

// open goes on to the next file, if there is one. Whoever keeps an output directory may have removed a file that
// was listed there: that is no damage.
func (r *replay) open() (err error) {
	for len(r.rest) > 0 {
		s := r.rest[0]
		r.rest = r.rest[1:]
		r.reader, err = convert.Open(r.disk, s.path, convert.Options{From: r.From, Signal: r.Signal})
		if !s.listed || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		r.total -= s.size
		r.told.add(s.path + ": removed before it was read, and passed over")
	}
	return nil
}

func (r *replay) next() (parcel, error) {
	for len(r.parts) == 0 {
		if r.reader == nil {
			return parcel{}, io.EOF
		}
		signal, body, err := r.reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			_, size := r.reader.Progress()
			r.passed += size
			r.close()
			err = r.open()
		case err == nil:
			r.cut(signal, bytes.Clone(body)) // it is sent while the next one is read
		}
		if err != nil {
			return parcel{}, err
		}
	}
	p := r.parts[0]
	r.parts = r.parts[1:]
	return p, nil
}

// cut makes requests of a message. What has no items tells nobody anything.
func (r *replay) cut(signal otlp.Signal, body []byte) {
	for _, part := range forward.Split(signal, body, int(r.Destination.Batch.MaxBytes)) {
		if n := forward.Items(signal, part); n > 0 {
			r.parts = append(r.parts, parcel{signal, part, n})
		}
	}
}

// progress is in bytes.
func (r *replay) progress() (done, total int64) {
	if r.reader != nil {
		done, _ = r.reader.Progress()
	}
	return min(r.passed+done, r.total), r.total
}

func (r *replay) close() {
	if r.reader != nil {
		r.reader.Close()
		r.reader = nil
	}
}
