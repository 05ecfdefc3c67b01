package otap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
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

// stored is a buffer as it is in a record.
type stored struct {
	bytes []byte
	size  int  // when it is inflated
	codec byte // 0: it is as it is
}

// stored gives a column's i-th buffer.
func (c *column) stored(i int) (stored, error) {
	p := c.parts[i]
	s := stored{bytes: c.from.body[p.at : p.at+p.size], size: p.size}
	if c.from.codec == 0 || p.size == 0 {
		return s, nil
	}
	if p.size < 8 {
		return s, errShort
	}
	size := binary.LittleEndian.Uint64(s.bytes)
	switch s.bytes = s.bytes[8:]; {
	case size == math.MaxUint64: // -1: it did not become smaller
		s.size = len(s.bytes)
	case size > math.MaxInt-zstdSlack:
		return s, errInflate
	default:
		s.size, s.codec = int(size), c.from.codec
	}
	return s, nil
}

// part gives a column's i-th buffer, inflated. The survey has bounded what all of them take.
func (in *inflater) part(c *column, i int) ([]byte, error) {
	s, err := c.stored(i)
	if err != nil || s.codec == 0 {
		return s.bytes, err
	}
	out, err := in.out.take(s.size + zstdSlack)
	if err != nil {
		return nil, err
	}
	return out[:s.size], in.inflate(s, out)
}

// inflate fills out, which is zstdSlack longer than what is to be there.
func (in *inflater) inflate(s stored, out []byte) error {
	switch s.codec {
	case 0:
		copy(out, s.bytes)
		return nil
	case packedZstd:
		return in.unzstd(s.bytes, out[:0], s.size)
	case packedLZ4:
		return in.unlz4(s.bytes, out[:s.size])
	}
	return errCodec
}

func (in *inflater) unzstd(b, out []byte, size int) (err error) {
	if in.zstd == nil {
		in.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxWindow(flatbuf.MaxWindow))
		if err != nil {
			return err
		}
	}
	if out, err = in.zstd.DecodeAll(b, out); err != nil || len(out) != size {
		return errInflate
	}
	return nil
}

func (in *inflater) unlz4(b, out []byte) error {
	from := bytes.NewReader(b)
	if in.lz4 == nil {
		in.lz4 = lz4.NewReader(from)
	} else {
		in.lz4.Reset(from)
	}
	if _, err := io.ReadFull(in.lz4, out); err != nil {
		return errInflate
	}
	return nil
}

// valid gives a column's validity.
func (in *inflater) valid(c *column) (validBits, error) {
	if !c.nulls || c.slots == 0 {
		return validBits{}, nil
	}
	bitmap, err := in.part(c, 0)
	if err != nil || len(bitmap) == 0 {
		return validBits{}, err
	}
	if len(bitmap) < (c.rows+7)/8 {
		return validBits{}, errShort
	}
	return validBits{bitmap}, nil
}

func (in *inflater) close() {
	if in.zstd != nil {
		in.zstd.Close()
	}
	in.out.reset(0)
	in.zstd, in.lz4 = nil, nil
}
