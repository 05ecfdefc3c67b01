package otap

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Many of OTAP's buffers repeat one value all the way, or a few: kinds, keys, times, steps of one.
// Making a zstd frame of such a buffer is a comparison, where the encoder takes some microseconds;
// and it is as small. The frames (RFC 8878) have
//
//	magic │ header, size │ RLE blocks: a byte, how often; raw blocks between them
//	                     │ or one compressed block: literals, and one sequence that copies them on
const (
	zstdMagic      = 0xfd2fb528
	zstdOneSegment = 1 << 5
	zstdLast       = 1
	zstdRaw        = 0
	zstdRLE        = 1 << 1
	zstdCompressed = 2 << 1
	zstdMaxBlock   = 128 << 10
	zstdRLEModes   = 0x54 // each of the three codes is the only one of its kind
)

// repeated appends the frame of a buffer that, from its beginning or behind one value, repeats
// values of 1, 2, 4 or 8 bytes; nothing where it does not.
func repeated(out, b []byte) []byte {
	if len(b) > zstdMaxBlock {
		return out
	}
	for width := 1; width <= 8; width *= 2 {
		for _, from := range []int{0, width} {
			if literals := from + width; len(b) >= literals+leastMatch && bytes.Equal(b[literals:], b[from:len(b)-width]) {
				return appendRepeated(out, b, literals, width)
			}
		}
	}
	return out
}

const (
	leastRun = 8  // bytes that are worth a block of their own
	mostRuns = 32 // bytes that a frame of runs may have: about what the encoder's has
)

// runs appends the frame of a buffer that is a few runs of equal bytes; nothing where it is not.
func runs(out, b []byte) []byte {
	begun, last := len(out), 0
	out = frameHeader(out, len(b))
	block := func(kind, size int, content ...byte) {
		last = len(out)
		out = append(appendBlockHeader(out, kind, size), content...)
	}
	raw := 0 // where bytes begin that are in no block
	for at := 0; at < len(b); {
		end := runEnd(b, at)
		if end-at >= leastRun {
			if raw < at {
				block(zstdRaw, at-raw, b[raw:at]...)
			}
			block(zstdRLE, end-at, b[at])
			raw = end
		}
		if at = end; len(out)-begun+at-raw > mostRuns {
			return out[:begun]
		}
	}
	if raw < len(b) {
		block(zstdRaw, len(b)-raw, b[raw:]...)
	}
	if len(out)-begun > mostRuns {
		return out[:begun]
	}
	out[last] |= zstdLast
	return out
}

// runEnd is where the bytes end that are equal to one.
func runEnd(b []byte, at int) int {
	end := at + 1
	for end < len(b) && b[end] == b[at] && end-at < zstdMaxBlock {
		end++
	}
	return end
}

func appendRepeated(out, b []byte, literals, width int) []byte {
	out = frameHeader(out, len(b))
	if literals == 1 {
		return append(appendBlockHeader(out, zstdLast|zstdRLE, len(b)), b[0])
	}
	block := len(out)
	out = append(out, 0, 0, 0, byte(literals<<3)) // raw literals
	out = append(out, b[:literals]...)
	extra, n := uint32(0), 0
	add := func(value uint32, size int) {
		extra |= value << n
		n += size
	}
	lengthCode := byte(literals)
	if literals == 16 { // the first code that has extra bits
		add(0, 1)
	}
	matchCode, value, size := matchLength(len(b) - literals)
	add(value, size)
	offset := uint32(width + 3) // the first three say which offset comes again
	offsetCode := bits.Len32(offset) - 1
	add(offset-1<<offsetCode, offsetCode)
	add(1, 1) // the end
	out = append(out, 1, zstdRLEModes, lengthCode, byte(offsetCode), matchCode)
	for ; n > 0; n -= 8 {
		out = append(out, byte(extra))
		extra >>= 8
	}
	appendBlockHeader(out[:block], zstdLast|zstdCompressed, len(out)-block-3)
	return out
}

// frameHeader writes one with the content's size.
func frameHeader(out []byte, size int) []byte {
	out = binary.LittleEndian.AppendUint32(out, zstdMagic)
	switch {
	case size < 1<<8:
		return append(out, zstdOneSegment, byte(size))
	case size < 1<<16+1<<8:
		return binary.LittleEndian.AppendUint16(append(out, 1<<6|zstdOneSegment), uint16(size-1<<8))
	}
	return binary.LittleEndian.AppendUint32(append(out, 2<<6|zstdOneSegment), uint32(size))
}

func appendBlockHeader(out []byte, kind, size int) []byte {
	h := kind | size<<3
	return append(out, byte(h), byte(h>>8), byte(h>>16))
}

// leastMatch is the shortest match that has a code without extra bits of its own.
const leastMatch = 35

// matchLengths are the codes between those without extra bits and those of the highest bit.
var matchLengths = [...]struct {
	code  byte
	least int
	size  int // of the extra bits
}{{42, 99, 5}, {41, 83, 4}, {40, 67, 4}, {39, 59, 3}, {38, 51, 3}, {37, 47, 2}, {36, 43, 2}, {35, 41, 1}, {34, 39, 1}, {33, 37, 1}, {32, 35, 1}}

// matchLength is a match length's code and extra bits.
func matchLength(n int) (code byte, extra uint32, size int) {
	for _, m := range matchLengths {
		if n < 131 && n >= m.least {
			return m.code, uint32(n - m.least), m.size
		}
	}
	size = bits.Len32(uint32(n-3)) - 1
	return byte(36 + size), uint32(n - 3 - 1<<size), size
}
