package convert

import (
	"errors"
	"io"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Reader gives the messages of a file, whatever its format, as OTLP bodies of any signal. It belongs to one
// goroutine at a time.
type Reader struct {
	c      *conversion
	source source
}

// Open reads a file. Of the options, those of the source count: From, Signal and MaxMessage.
func Open(disk fsys.FS, path string, o Options) (*Reader, error) {
	s, err := o.check()
	if err != nil {
		return nil, err
	}
	in, err := openInput(disk, path)
	if err != nil {
		return nil, ioFault("read", err)
	}
	c := &conversion{settings: s, in: in, src: path}
	source, err := c.chooseSource()
	if err != nil {
		in.close()
		return nil, err
	}
	return &Reader{c, source}, nil
}

// Next is the next message, which is good until the following call; io.EOF at the end. Where a signal was
// chosen, others are passed over.
func (r *Reader) Next() (otlp.Signal, []byte, error) {
	for {
		u, err := r.source.next()
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil, io.EOF
		case err != nil:
			return 0, nil, r.c.at(r.c.src, u.place, err)
		case !r.c.chosen || u.signal == r.c.signal:
			return u.signal, u.body, nil
		}
	}
}

// Format is what the file was found to be.
func (r *Reader) Format() Format { return r.c.From }

// Progress is how many of the file's bytes are read, and all.
func (r *Reader) Progress() (done, total int64) { return min(r.c.in.read, r.c.in.size), r.c.in.size }

// Close closes the file.
func (r *Reader) Close() {
	r.source.close()
	r.c.in.close()
}
