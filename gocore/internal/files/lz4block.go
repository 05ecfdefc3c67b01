package files

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// lz4Blocks compresses blocks of LZ4 that are buffers of Arrow columns: indices, numbers of eight
// bytes, texts. The format: https://github.com/lz4/lz4/blob/v1.10.0/doc/lz4_Block_format.md
//
//	│ token: literals 4 bits, match 4 bits │ more literals │ literals │ offset: 2 bytes │ more match │
//
// A length of 15 in the token goes on in bytes that are added up, to the first that is not 255.
// The last sequence is literals only. Unlike lz4.Compressor it knows how wide the elements are
// and looks for matches at each element, not at each byte, and its tables stay in the first cache.
type lz4Blocks struct {
	// Where in the input the bytes with a hash were last, with base added: adding the length of
	// what was compressed to base forgets all entries at once.
	long  [1 << lz4LongBits]uint32
	short [1 << lz4ShortBits]uint32
	base  uint32
}

const (
	lz4LongBits  = 12
	lz4ShortBits = 11
	lz4Window    = 1<<16 - 1 // the furthest match
	lz4MinMatch  = 4         // the match that 0 stands for
	lz4Literals  = 5         // so many last bytes are literals,
	lz4Margin    = 12        // and no match begins in so many
	lz4Slack     = 16        // short literals are copied in one piece
	lz4Patience  = 6         // after 2^6 elements without a match every second is looked at, and so on
	lz4Prime     = 0x9e3779b97f4a7c15
)

// lz4Look is how matches are looked for at an element: first one of the next eight bytes or nearly,
// then one of the element's high bytes, which change least. Shifts take out what does not count.
type lz4Look struct {
	width int
	long  uint
	high  int  // where the high bytes begin
	short uint // 0: they are not looked for
}

var lz4Looks = map[int]lz4Look{
	1: {width: 1, long: 16}, // texts: a match of less than six bytes spares little
	4: {width: 4, short: 32},
	8: {width: 8, high: 3, short: 24},
}

// lz4Bound is the room that compress wants.
func lz4Bound(n int) int { return n + n/255 + 16 + lz4Slack }

// compress gives how many bytes of to, which has room for lz4Bound, were written. Elements are
// 1, 4 or 8 bytes wide.
func (z *lz4Blocks) compress(to, from []byte, width int) int {
	look := lz4Looks[width]
	base := z.begin(len(from))
	done, anchor := 0, 0
	for at := width; ; { // before the first element there is nothing
		here, before := z.find(from, at, base, look)
		if here < 0 {
			return literals(to, done, from[anchor:])
		}
		length := lz4MinMatch + equal(from[:len(from)-lz4Literals], here+lz4MinMatch, before+lz4MinMatch)
		for here > anchor && before > 0 && from[here-1] == from[before-1] {
			here--
			before--
			length++
		}
		done = sequence(to, done, from[anchor:], here-anchor, here-before, length)
		anchor = here + length
		at = (anchor + width - 1) &^ (width - 1)
	}
}

// begin makes sure that no entry looks like one of the coming block.
func (z *lz4Blocks) begin(n int) (base int) {
	if z.base > 1<<31 {
		*z = lz4Blocks{}
	}
	base = int(z.base) + 1
	z.base += uint32(n) + 1 // a block has at most lz4Block bytes
	return base
}

// find gives the next place from which on at least four bytes are as they were at an earlier one;
// here is -1 if there is none.
func (z *lz4Blocks) find(from []byte, at, base int, look lz4Look) (here, before int) {
	last := len(from) - lz4Margin - look.high
	for patience := 1 << lz4Patience; at <= last; patience++ {
		if before := swap(&z.long[hash(from, at, look.long)>>(64-lz4LongBits)], at, base); matches(from, at, before, look.long) {
			return at, before
		}
		if look.short != 0 {
			high := at + look.high
			if before := swap(&z.short[hash(from, high, look.short)>>(64-lz4ShortBits)], high, base); matches(from, high, before, look.short) {
				return high, before
			}
		}
		at += patience >> lz4Patience * look.width
	}
	return -1, 0
}

func load(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

func hash(b []byte, at int, shift uint) uint64 { return load(b, at) << (shift & 63) * lz4Prime }

// swap puts a place into a table, for the one that was there.
func swap(entry *uint32, at, base int) int {
	before := int(*entry) - base
	*entry = uint32(at + base) // see begin
	return before
}

func matches(b []byte, at, before int, shift uint) bool {
	return before >= max(0, at-lz4Window) && (load(b, at)^load(b, before))<<(shift&63) == 0
}

// equal is how many bytes are the same at two places, to the end.
func equal(b []byte, at, before int) int {
	const few, many = 32, 128
	begin := at
	for at+8 <= len(b) {
		if differ := load(b, at) ^ load(b, before); differ != 0 {
			return at - begin + bits.TrailingZeros64(differ)>>3
		}
		at += 8
		before += 8
		for at-begin >= few && at+many <= len(b) && bytes.Equal(b[at:at+many], b[before:before+many]) {
			at += many
			before += many
		}
	}
	for at < len(b) && b[at] == b[before] {
		at++
		before++
	}
	return at - begin
}

// sequence writes the first bytes as literals, and a match.
func sequence(to []byte, done int, from []byte, count, offset, length int) int {
	length -= lz4MinMatch
	to[done] = byte(min(count, 15)<<4 | min(length, 15))
	done++
	if count >= 15 {
		done = more(to, done, count-15)
	}
	if count <= lz4Slack && lz4Slack <= len(from) {
		*(*[lz4Slack]byte)(to[done:]) = *(*[lz4Slack]byte)(from)
	} else {
		copy(to[done:], from[:count])
	}
	done += count
	binary.LittleEndian.PutUint16(to[done:], uint16(offset)) // within lz4Window
	done += 2
	if length >= 15 {
		done = more(to, done, length-15)
	}
	return done
}

// more writes what of a length is beyond 15.
func more(to []byte, done, rest int) int {
	for ; rest >= 255; rest -= 255 {
		to[done] = 255
		done++
	}
	to[done] = byte(rest)
	return done + 1
}

// literals writes the last sequence.
func literals(to []byte, done int, rest []byte) int {
	to[done] = byte(min(len(rest), 15) << 4)
	done++
	if len(rest) >= 15 {
		done = more(to, done, len(rest)-15)
	}
	return done + copy(to[done:], rest)
}
