package receive

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// The content codings; "" and identity leave a body as it is.
const (
	codingIdentity = "identity"
	codingGzip     = "gzip"
	codingDeflate  = "deflate"
	codingZstd     = "zstd"

	acceptedCodings = "gzip, zstd, deflate"
)

// zstdWindow is what RFC 9659 lets senders use for a content coding; a frame can ask
// for gigabytes, and that memory is needed before its first byte is inflated.
const zstdWindow = 8 << 20

// arrowZstdWindow is what otelarrow exporters use at their highest level.
const arrowZstdWindow = 32 << 20

// decoder is what gzip, zlib and zstd readers have in common after adapting.
type decoder interface {
	io.Reader
	// reset starts on a new source and may read its header.
	reset(src io.Reader) error
}

type (
	gzipDecoder struct{ gzip.Reader }
	zlibDecoder struct{ io.ReadCloser }
	zstdDecoder struct{ *zstd.Decoder }
)

func (d *gzipDecoder) reset(src io.Reader) error { return d.Reader.Reset(src) }

func (d *zlibDecoder) reset(src io.Reader) (err error) {
	if d.ReadCloser == nil {
		d.ReadCloser, err = zlib.NewReader(src)
		return err
	}
	return d.ReadCloser.(zlib.Resetter).Reset(src, nil)
}

func (d *zstdDecoder) reset(src io.Reader) error { return d.Decoder.Reset(src) }

// newZstd makes a decoder without goroutines, so that one forgotten by a pool is only memory.
func newZstd(window uint64) *zstdDecoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window))
	if err != nil {
		panic(err) // only for options that are out of range
	}
	return &zstdDecoder{d}
}

// inflater undoes content codings; decoders are kept, for they cost more than most bodies.
type inflater struct {
	pools   map[string]*sync.Pool
	sources sync.Pool
}

func newInflater() *inflater {
	return &inflater{
		pools: map[string]*sync.Pool{
			codingGzip:    {New: func() any { return &gzipDecoder{} }},
			codingDeflate: {New: func() any { return &zlibDecoder{} }},
			codingZstd:    {New: func() any { return newZstd(zstdWindow) }},

			codingArrowZstd: {New: func() any { return newZstd(arrowZstdWindow) }},
		},
		sources: sync.Pool{New: func() any { return &source{Reader: bufio.NewReader(nil)} }},
	}
}

// source is what is inflated; it remembers whether the sender or its data failed.
// Being an io.ByteReader, no decoder reads ahead of it.
type source struct {
	*bufio.Reader
	from io.Reader
	err  error
}

// record is the source's own reader, below its buffer.
type record struct{ of *source }

func (r record) Read(p []byte) (int, error) {
	n, err := r.of.from.Read(p)
	if err != nil && err != io.EOF {
		r.of.err = err
	}
	return n, err
}

func (s *source) reset(from io.Reader) {
	s.from, s.err = from, nil
	s.Reader.Reset(record{s})
}

// known reads a Content-Encoding header: codings ignore case, and x-gzip is gzip (RFC 9110 8.4.1).
// codingArrowZstd is none: it is gRPC's alone.
func (i *inflater) known(header string) (coding string, ok bool) {
	coding = strings.ToLower(strings.TrimSpace(header))
	switch coding {
	case "", codingIdentity:
		return codingIdentity, true
	case "x-gzip":
		coding = codingGzip
	}
	_, ok = i.pools[coding]
	return coding, ok && coding != codingArrowZstd
}

// inflate reads all of from into b. Errors of type *fault.Error are for the sender;
// any other is from's.
func (i *inflater) inflate(b *body, coding string, from io.Reader) error {
	if coding == codingIdentity {
		return b.fill(from)
	}
	src := i.sources.Get().(*source)
	src.reset(from)
	err := i.decode(b, coding, src)
	if src.err != nil {
		err = src.err
	}
	src.reset(nothing{})
	i.sources.Put(src)
	return err
}

func (i *inflater) decode(b *body, coding string, src *source) error {
	if _, err := src.Peek(1); err != nil {
		return damaged(coding, io.ErrUnexpectedEOF) // zstd takes no bytes at all for no frames
	}
	d := i.pools[coding].Get().(decoder)
	defer i.putBack(coding, d)
	if err := d.reset(src); err != nil {
		return damaged(coding, err)
	}
	if err := b.fill(d); err != nil {
		return damaged(coding, err)
	}
	if _, err := src.ReadByte(); err == nil {
		return damaged(coding, errTrailing) // only zlib ends before its source does
	}
	return nil
}

// putBack keeps a decoder without its source.
func (i *inflater) putBack(coding string, d decoder) {
	_ = d.reset(nothing{}) // fails for want of a header, which is as good
	i.pools[coding].Put(d)
}

var errTrailing = errors.New("bytes after the end of the compressed data")

// nothing is a source at its end.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

// damaged is the fault of data that does not inflate; a fault stays what it is.
func damaged(coding string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fault.New(fault.Invalid, "inflate "+coding, "%w", err)
}
