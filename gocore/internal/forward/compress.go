package forward

import (
	"bytes"
	"io"
	"sync"

	kgzip "github.com/klauspost/compress/gzip"
	kzstd "github.com/klauspost/compress/zstd"
)

// encoder is what gzip's and zstd's writers share.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// compressor compresses messages for either transport.
type compressor struct {
	name string
	pool sync.Pool // of encoder
}

func newCompressor(name string) *compressor {
	c := &compressor{name: name}
	c.pool.New = func() any {
		if name == zstd {
			e, _ := kzstd.NewWriter(nil, kzstd.WithEncoderConcurrency(1), kzstd.WithEncoderLevel(kzstd.SpeedFastest)) // the options are good
			return e
		}
		e, _ := kgzip.NewWriterLevel(nil, kgzip.BestSpeed) // the level is one
		return e
	}
	return c
}

// Type is of grpc.Compressor: the coding's name.
func (c *compressor) Type() string { return c.name }

// Do is of grpc.Compressor.
func (c *compressor) Do(w io.Writer, body []byte) error {
	e := c.pool.Get().(encoder)
	defer c.pool.Put(e)
	e.Reset(w)
	if _, err := e.Write(body); err != nil {
		return err
	}
	return e.Close()
}

// compress is a whole message's.
func (c *compressor) compress(body []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(body) / 4)
	err := c.Do(&out, body)
	return out.Bytes(), err
}

// answerWindow is what RFC 9659 lets senders use.
const answerWindow = 8 << 20

// decompressor inflates answers, which are small.
type decompressor struct{ name string }

// Type is of grpc.Decompressor: the coding's name.
func (d decompressor) Type() string { return d.name }

// Do is of grpc.Decompressor. It reads one byte more than an answer may have, by which gRPC knows.
func (d decompressor) Do(r io.Reader) ([]byte, error) {
	if d.name == zstd {
		inflated, err := kzstd.NewReader(r, kzstd.WithDecoderConcurrency(1), kzstd.WithDecoderLowmem(true), kzstd.WithDecoderMaxWindow(answerWindow))
		if err != nil {
			return nil, err
		}
		defer inflated.Close()
		return io.ReadAll(io.LimitReader(inflated, maxAnswer+1))
	}
	inflated, err := kgzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(inflated, maxAnswer+1))
}
