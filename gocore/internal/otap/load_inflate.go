package otap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var (
	errInflate = errors.New("a compressed buffer that is damaged, or of another size than it says")
	errCodec   = errors.New("a compression other than lz4 and zstd")
	errShort   = errors.New("a buffer that is too short for its rows")
)

// zstdSlack is what zstd writes beyond a buffer's end when it may: without, it copies slowly.
const zstdSlack = 16

// inflater inflates the buffers of a stream's records, with one decoder for all of them, into
// memory that is theirs until the next batch.
type inflater struct {
	zstd *zstd.Decoder
	lz4  *lz4.Reader
	out  slab[byte]
}

// part gives a column's i-th buffer. The survey has bounded what all of them take.
func (in *inflater) part(c *column, i int) ([]byte, error) {
	b := c.parts[i]
	if c.codec == 0 || len(b) == 0 {
		return b, nil
	}
	if len(b) < 8 {
		return nil, errShort
	}
	size := binary.LittleEndian.Uint64(b)
	if b = b[8:]; size == math.MaxUint64 { // -1: it is as it is
		return b, nil
	}
	if size > math.MaxInt-zstdSlack {
		return nil, errInflate
	}
	out, err := in.out.take(int(size) + zstdSlack)
	if err != nil {
		return nil, err
	}
	switch c.codec {
	case packedZstd:
		return in.unzstd(b, out[:0], int(size))
	case packedLZ4:
		return in.unlz4(b, out[:size])
	}
	return nil, errCodec
}

func (in *inflater) unzstd(b, out []byte, size int) (_ []byte, err error) {
	if in.zstd == nil {
		in.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
	}
	if out, err = in.zstd.DecodeAll(b, out); err != nil || len(out) != size {
		return nil, errInflate
	}
	return out, nil
}

func (in *inflater) unlz4(b, out []byte) ([]byte, error) {
	from := bytes.NewReader(b)
	if in.lz4 == nil {
		in.lz4 = lz4.NewReader(from)
	} else {
		in.lz4.Reset(from)
	}
	if _, err := io.ReadFull(in.lz4, out); err != nil {
		return nil, errInflate
	}
	return out, nil
}

// valid gives a column's validity.
func (in *inflater) valid(c *column) (bits, error) {
	if !c.nulls || c.slots == 0 {
		return bits{}, nil
	}
	bitmap, err := in.part(c, 0)
	if err != nil || len(bitmap) == 0 {
		return bits{}, err
	}
	if len(bitmap) < (c.rows+7)/8 {
		return bits{}, errShort
	}
	return bits{bitmap}, nil
}

func (in *inflater) close() {
	if in.zstd != nil {
		in.zstd.Close()
	}
	in.out.reset(0)
	in.zstd, in.lz4 = nil, nil
}
