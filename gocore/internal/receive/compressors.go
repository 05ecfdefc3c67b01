package receive

import (
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"
)

// grpc-go refuses an encoding that it has no decompressor for, so it has to know ours, though
// the messages of OTLP are inflated by the inflater, within the budget and with errors that
// say INVALID_ARGUMENT. What is here inflates for the health service and for clients.
//
//	gzip          per server: no more than the name
//	zstd          per process
//	zstdarrow1-10 the same; how Collectors' otelarrow exporter calls zstd, by its level

// acceptGzip is a server's own Decompressor: no registry, so a host process's gRPC keeps its
// gzip. The interface is deprecated, but supported throughout 1.x.
type acceptGzip struct{}

// Type is the grpc-encoding that it stands for.
func (acceptGzip) Type() string { return codingGzip }

// Do inflates a request to the health service, which is tiny.
func (acceptGzip) Do(r io.Reader) ([]byte, error) {
	inflated, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(inflated, healthBytes+1))
}

// sharedZstd is registered once for the process, before its first server serves:
// grpc-go looks every other encoding up in a registry that is global and must not
// be written to while calls run. It is the one package variable here, for there is
// one such registry, and two nodes would race to write it. An encoder that a host
// has registered stays.
var sharedZstd = sync.OnceValue(func() *zstdCompressor {
	z := &zstdCompressor{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	z.decoders.New = func() any { return newZstd(zstdWindow) }
	for _, named := range append([]namedZstd{{z, codingZstd}}, arrowZstds(z)...) {
		if encoding.GetCompressor(named.name) == nil {
			encoding.RegisterCompressor(named)
		}
	}
	return z
})

// namedZstd is zstd under one of its names.
type namedZstd struct {
	*zstdCompressor
	name string
}

// Name is the grpc-encoding.
func (n namedZstd) Name() string { return n.name }

const (
	codingArrowZstd = "zstdarrow"
	arrowZstdLevels = 10
)

// arrowZstds are the names that otelarrow exporters use, which leave plain zstd to others to
// configure; zstdarrow5 is their default.
func arrowZstds(z *zstdCompressor) (all []namedZstd) {
	for level := 1; level <= arrowZstdLevels; level++ {
		all = append(all, namedZstd{z, codingArrowZstd + strconv.Itoa(level)})
	}
	return all
}

// arrowLevel tells whether an encoding is one of arrowZstds.
func arrowLevel(encoding string) bool {
	digits, found := strings.CutPrefix(encoding, codingArrowZstd)
	if !found {
		return false
	}
	level, err := strconv.ParseUint(digits, 10, 8)
	return err == nil && level >= 1 && level <= arrowZstdLevels
}

// zstdCompressor is zstd for every gRPC server and client in the process. Its slots bound
// the memory of windows, which is not in the budget; inflating is work for the processor alone.
type zstdCompressor struct {
	slots    chan struct{}
	decoders sync.Pool
	encoders sync.Pool // of *zstdWriter
}

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
	reader := &zstdReader{d, z}
	if err := d.reset(r); err != nil {
		_ = reader.Close() // which does not fail
		return nil, err
	}
	return reader, nil
}

// zstdReader is a decoder on loan.
type zstdReader struct {
	*zstdDecoder
	of *zstdCompressor
}

// Close gives the slot back.
func (r *zstdReader) Close() error {
	_ = r.reset(nothing{})
	r.of.decoders.Put(r.zstdDecoder)
	<-r.of.slots
	return nil
}
