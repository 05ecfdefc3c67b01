package files

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/klauspost/compress/zstd"
)

// squeezer compresses the buffers of a message, each by itself:
//
//	│ length before: 8 bytes │ compressed │     -1: what follows is not compressed
//
// A metric leaves most columns null, and so most bytes of a batch are zeros. What they become is
// made once for each length that occurs in a batch.
type squeezer struct {
	compress compressor // nil: buffers are left as they are
	zeros    map[int][]byte
}

// compressor appends a buffer in its compressed form.
type compressor func(to, from []byte, width int) ([]byte, error)

// codec is how a compression of the configuration is told in a message, and done.
type codec struct {
	id  int8 // CompressionType in apache/arrow format/Message.fbs, -1 for none
	new func() (compressor, error)
}

var codecs = map[string]codec{
	"lz4":  {0, func() (compressor, error) { return new(lz4Frames).append, nil }},
	"zstd": {1, newZstd},
	"none": {-1, func() (compressor, error) { return nil, nil }},
}

func newZstd() (compressor, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	return func(to, from []byte, width int) ([]byte, error) { return w.EncodeAll(from, to), nil }, nil
}

// forget lets go of what was kept for the lengths of one batch.
func (s *squeezer) forget() { clear(s.zeros) }

// appendZeros adds a buffer of n zero bytes in its form on disk.
func (s *squeezer) appendZeros(to []byte, n, width int) ([]byte, error) {
	if s.compress == nil {
		return append(to, zeroBytes(n)...), nil
	}
	if made, ok := s.zeros[n]; ok {
		return append(to, made...), nil
	}
	begin := len(to)
	to, err := s.appendCompressed(to, zeroBytes(n), width)
	if s.zeros == nil {
		s.zeros = map[int][]byte{}
	}
	s.zeros[n] = bytes.Clone(to[begin:])
	return to, err
}

// append adds a buffer in its form on disk.
func (s *squeezer) append(to, from []byte, width int) ([]byte, error) {
	switch {
	case s.compress == nil:
		return append(to, from...), nil
	case !allZero(from):
		return s.appendCompressed(to, from, width)
	}
	return s.appendZeros(to, len(from), width)
}

func (s *squeezer) appendCompressed(to, from []byte, width int) ([]byte, error) {
	begin := len(to)
	to = binary.LittleEndian.AppendUint64(to, uint64(len(from)))
	at := len(to)
	to, err := s.compress(to, from, width)
	if err != nil || len(to)-at < len(from) {
		return to, err
	}
	to = binary.LittleEndian.AppendUint64(to[:begin], math.MaxUint64)
	return append(to, from...), nil
}

// zeros is only read: the kernel has no memory for it.
var zeros [1 << 20]byte

func zeroBytes(n int) []byte {
	if n <= len(zeros) {
		return zeros[:n]
	}
	return make([]byte, n)
}

const page = 4096

// allZero compares with zeros; most buffers differ in their first bytes.
func allZero(b []byte) bool {
	for ; len(b) > page; b = b[page:] {
		if !bytes.Equal(b[:page], zeros[:page]) {
			return false
		}
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// lz4Frames makes LZ4 frames straight from and to memory, without checksums: lz4.Writer copies
// what it is given, and Arrow's messages have none in either form. The frame tells the smallest
// blocks that the buffer fits in, since readers make room for one.
//
//	│ magic, descriptor: 7 bytes │ size │ block of up to 4 MiB │ ... │ 0 │    a size with the top bit
//	                                                                         set: not compressed
type lz4Frames struct{ blocks lz4Blocks }

const (
	// Magic number, version 1 with independent blocks.
	lz4Head      = "\x04\x22\x4d\x18\x60"
	lz4Block     = 4 << 20
	lz4Stored    = 1 << 31
	lz4SizeBytes = 4
)

// lz4Sizes are how a frame tells its block size, with the descriptor's checksum.
var lz4Sizes = []struct {
	size int
	tail string
}{{64 << 10, "\x40\x82"}, {256 << 10, "\x50\xfb"}, {1 << 20, "\x60\x51"}, {lz4Block, "\x70\x73"}}

func lz4Tail(length int) string {
	for _, one := range lz4Sizes {
		if length <= one.size {
			return one.tail
		}
	}
	return lz4Sizes[len(lz4Sizes)-1].tail
}

func (z *lz4Frames) append(to, from []byte, width int) ([]byte, error) {
	to = append(append(to, lz4Head...), lz4Tail(len(from))...)
	for len(from) > 0 {
		block := from[:min(len(from), lz4Block)]
		from = from[len(block):]
		at := len(to) + lz4SizeBytes
		to = grown(to, lz4SizeBytes+lz4Bound(len(block)))
		n := z.blocks.compress(to[at:], block, width)
		size := uint32(n)
		if n >= len(block) {
			n = copy(to[at:], block)
			size = uint32(n) | lz4Stored
		}
		binary.LittleEndian.PutUint32(to[at-lz4SizeBytes:], size)
		to = to[:at+n]
	}
	return append(to, 0, 0, 0, 0), nil
}

// grown is b with n bytes more, of any content.
func grown(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(make([]byte, 0, 2*cap(b)+n), b...)
	}
	return b[:len(b)+n]
}
