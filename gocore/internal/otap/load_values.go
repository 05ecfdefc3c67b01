package otap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// What is read of a record is looked at here, once, so that later all places are known to be
// good: each function gives the first row that is not, and -1 where there is none. The rows that
// are null may have anything.

// validBits is a validity bitmap; without one all is valid.
type validBits struct{ bitmap []byte }

func (b validBits) at(i int) bool { return b.bitmap == nil || b.bitmap[i>>3]>>(i&7)&1 != 0 }

// blank has all rows that are null say so.
func (b validBits) blank(out []uint64, none uint64) {
	if b.bitmap == nil {
		return
	}
	for i := range out {
		if b.bitmap[i>>3]>>(i&7)&1 == 0 {
			out[i] = none
		}
	}
}

// A span is a part of a text column's content, or of a list column's values: where it begins
// and how long it is, 32 bits each.
const noSpan = math.MaxUint64

func span(from, size uint64) uint64 { return from<<32 | size }

var errContent = errors.New("texts of 4 GiB or more")

// spanTexts makes spans of offsets of four or eight bytes, into content of so many bytes that
// begins at base.
func spanTexts(out []uint64, offsets []byte, width, content int, base uint64, valid validBits) (bad int) {
	if len(offsets) == 0 { // what some writers have where all is empty
		for i := range out {
			out[i] = span(base, 0)
		}
		return -1
	}
	from := offset(offsets, width, 0)
	for i := range out {
		to := offset(offsets, width, i+1)
		if from > to || to > uint64(content) {
			if valid.at(i) {
				return i
			}
			out[i] = noSpan
		} else {
			out[i] = span(base+from, to-from)
		}
		from = to
	}
	return -1
}

func offset(b []byte, width, i int) uint64 {
	if width == 4 {
		return uint64(binary.LittleEndian.Uint32(b[4*i:])) // a negative one is beyond any content
	}
	return binary.LittleEndian.Uint64(b[8*i:])
}

// resolve has what the rows' indices stand for in their place.
func resolve(rows, table []uint64, none uint64, valid validBits) (bad int) {
	for i, index := range rows {
		switch {
		case index < uint64(len(table)):
			rows[i] = table[index]
		case valid.at(i):
			return i
		default:
			rows[i] = none
		}
	}
	return -1
}

func errRow(row int) error { return fmt.Errorf("row %d points outside the record", row) }

// spread widens numbers of a type to 64 bits: signed ones extended, doubles as their bits.
func (t valueType) spread(out []uint64, data []byte) error {
	if t.kind == fbBool {
		if len(data) < (len(out)+7)/8 {
			return errShort
		}
		for i := range out {
			out[i] = uint64(data[i>>3] >> (i & 7) & 1)
		}
		return nil
	}
	if len(data)/t.width < len(out) {
		return errShort
	}
	if t.kind == fbInt && t.signed {
		spreadSigned(out, data, t.width)
	} else {
		spreadPlain(out, data, t.width)
	}
	return nil
}

func spreadPlain(out []uint64, data []byte, width int) {
	switch width {
	case 1:
		for i, b := range data[:len(out)] {
			out[i] = uint64(b)
		}
	case 2:
		for i := range out {
			out[i] = uint64(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case 4:
		for i := range out {
			out[i] = uint64(binary.LittleEndian.Uint32(data[4*i:]))
		}
	default:
		for i := range out {
			out[i] = binary.LittleEndian.Uint64(data[8*i:])
		}
	}
}

func spreadSigned(out []uint64, data []byte, width int) {
	switch width {
	case 1:
		for i, b := range data[:len(out)] {
			out[i] = uint64(int8(b))
		}
	case 2:
		for i := range out {
			out[i] = uint64(int16(binary.LittleEndian.Uint16(data[2*i:])))
		}
	case 4:
		for i := range out {
			out[i] = uint64(int32(binary.LittleEndian.Uint32(data[4*i:])))
		}
	default:
		spreadPlain(out, data, width)
	}
}
