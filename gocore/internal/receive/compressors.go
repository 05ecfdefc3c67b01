package receive

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// grpc-go answers INTERNAL when a Decompressor fails, and sends that status itself,
// before any handler or interceptor can say INVALID_ARGUMENT. So ours do not fail.
//
//	gzip  per server: handed on as it came behind a mark, inflated by the handler
//	zstd  per process: inflated, and where that fails, ended with a mark

// gzipMark stands before a message that the handler has to inflate. As protobuf it
// is invalid (field 0), so no request begins so; a client that sends it uncompressed
// gets its message inflated, which it could have asked for.
const gzipMark = "\x07\x00gzip:"

// passGzip is a server's own Decompressor: no registry, so a host process's gRPC
// keeps its gzip. The interface is deprecated, but supported throughout 1.x.
type passGzip struct{}

// Type is the grpc-encoding that it stands for.
func (passGzip) Type() string { return codingGzip }

// Do hands the data on behind the mark.
func (passGzip) Do(r io.Reader) ([]byte, error) {
	size := bytes.MinRead
	if known, ok := r.(*mem.Reader); ok {
		size = known.Remaining()
	}
	marked := bytes.NewBuffer(make([]byte, 0, len(gzipMark)+size+bytes.MinRead))
	marked.WriteString(gzipMark)
	_, err := marked.ReadFrom(r)
	return marked.Bytes(), err
}

// sharedZstd is registered once for the process, before its first server serves:
// grpc-go looks every other encoding up in a registry that is global and must not
// be written to while calls run. It is the one package variable here, for there is
// one such registry, and two nodes would race to write it. An encoder that a host
// has registered stays.
var sharedZstd = sync.OnceValue(func() *zstdCompressor {
	z := &zstdCompressor{
		mark:  []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" + rand.Text()),
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	z.decoders.New = func() any { return newZstd() }
	if encoding.GetCompressor(codingZstd) == nil {
		encoding.RegisterCompressor(z)
	}
	return z
})

// zstdCompressor is zstd for every gRPC server and client in the process. Its slots
// bound the memory of zstd bombs: what one inflates is not in the budget before the
// handler sees it, and inflating is work for the processor alone.
type zstdCompressor struct {
	// mark ends a message that did not inflate. Nobody can forge it, being random.
	// Others' clients see a message that protobuf refuses: the mark begins with a
	// varint without end, and swallowed by a cut-off field it has the wrong length.
	mark     []byte
	slots    chan struct{}
	decoders sync.Pool
	encoders sync.Pool // of *zstdWriter
}

// Name is the grpc-encoding.
func (z *zstdCompressor) Name() string { return codingZstd }

// Compress is for clients in this process: our servers' answers are empty.
func (z *zstdCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	if kept, ok := z.encoders.Get().(*zstdWriter); ok {
		kept.Reset(w)
		return kept, nil
	}
	encoder, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	return &zstdWriter{encoder, z}, nil
}

// zstdWriter keeps its encoder for the next message.
type zstdWriter struct {
	*zstd.Encoder
	of *zstdCompressor
}

func (w *zstdWriter) Close() error {
	err := w.Encoder.Close()
	w.Encoder.Reset(nil)
	w.of.encoders.Put(w)
	return err
}

// Decompress inflates while a slot is held, until Close, which gRPC always calls.
func (z *zstdCompressor) Decompress(r io.Reader) (io.Reader, error) {
	z.slots <- struct{}{}
	d := z.decoders.Get().(*zstdDecoder)
	reader := &zstdReader{of: z, decoder: d}
	if err := d.reset(r); err != nil {
		reader.tail = bytes.NewReader(z.mark)
	}
	return reader, nil
}

// check refuses a message that did not inflate.
func (z *zstdCompressor) check(message []byte) error {
	if bytes.HasSuffix(message, z.mark) {
		return fault.New(fault.Invalid, "inflate zstd", "damaged data, or a window larger than %d bytes", zstdWindow)
	}
	return nil
}

// zstdReader ends with the mark instead of an error.
type zstdReader struct {
	of      *zstdCompressor
	decoder *zstdDecoder
	tail    *bytes.Reader // not nil after a failure
}

func (r *zstdReader) Read(p []byte) (int, error) {
	if r.tail != nil {
		return r.tail.Read(p)
	}
	n, err := r.decoder.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.tail = bytes.NewReader(r.of.mark)
		err = nil
	}
	return n, err
}

// Close gives the slot back.
func (r *zstdReader) Close() error {
	_ = r.decoder.reset(nothing{})
	r.of.decoders.Put(r.decoder)
	<-r.of.slots
	return nil
}
