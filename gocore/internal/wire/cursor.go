// Package wire reads and writes the protobuf wire format: tags, varints, fixed
// numbers and length-delimited bytes. It knows no message. A Cursor and an
// Appender's buffer belong to one goroutine at a time.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Type is a wire type, the low three bits of a tag.
type Type uint32

// The wire types that protobuf defines.
const (
	Varint  Type = 0
	Fixed64 Type = 1
	Bytes   Type = 2
	start   Type = 3
	end     Type = 4
	Fixed32 Type = 5
)

// Tag joins a field number and a wire type, as it stands before a field.
func Tag(field uint32, typ Type) uint32 { return field<<3 | uint32(typ) }

// maxGroupDepth bounds groups inside one another; OTLP has none, so any are unknown fields.
const maxGroupDepth = 64

var (
	errTruncated = errors.New("truncated")
	errVarint    = errors.New("varint longer than 10 bytes")
	errField     = errors.New("field number 0 or out of range")
	errEndGroup  = errors.New("end of a group that was not begun")
	errGroupOpen = errors.New("unclosed group")
	errGroupDeep = errors.New("groups nested too deeply")
)

// Cursor walks one message. Next takes a field whole, tag and value; the readers then only
// hand the value out, as the type that the field is known to have. Its first error stays:
// Next is false from then on, so a loop checks Err once, after it.
type Cursor struct {
	data []byte
	pos  int    // behind the current field
	from int    // where its bytes begin, if it has any
	num  uint64 // its number, if it is one
	tag  uint32
	err  error
}

// NewCursor stands before the first field of a message, whose bytes it keeps.
func NewCursor(message []byte) Cursor { return Cursor{data: message} }

// Err is the first error, with the byte's position.
func (c *Cursor) Err() error { return c.err }

// Fail makes an error of a nested value this cursor's own.
func (c *Cursor) Fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.pos = len(c.data)
}

func (c *Cursor) fail(err error) { c.Fail(fmt.Errorf("%w at byte %d", err, c.pos)) }

// Next steps to the next field and tells whether there is one. Nearly all have a tag of one
// byte and a value whose length fits another: those are taken without a further call.
func (c *Cursor) Next() bool {
	rest := c.data[c.pos:]
	if len(rest) < 2 || rest[0]-8 >= 0x78 {
		return c.nextSlow()
	}
	switch tag, b := rest[0], rest[1]; {
	case tag&7 == byte(Bytes) && b < 0x80 && int(b) <= len(rest)-2:
		c.tag, c.from = uint32(tag), c.pos+2
		c.pos = c.from + int(b)
		return true
	case tag&7 == byte(Varint) && b < 0x80:
		c.tag, c.num = uint32(tag), uint64(b)
		c.pos += 2
		return true
	case tag&7 == byte(Fixed64) && len(rest) >= 9:
		c.tag, c.num = uint32(tag), binary.LittleEndian.Uint64(rest[1:])
		c.pos += 9
		return true
	case tag&7 == byte(Bytes) && len(rest) > 3 && rest[2] < 0x80: // as long as most items are
		if n := int(b&0x7f) | int(rest[2])<<7; n <= len(rest)-3 {
			c.tag, c.from = uint32(tag), c.pos+3
			c.pos = c.from + n
			return true
		}
	}
	return c.nextSlow()
}

func (c *Cursor) nextSlow() bool {
	if c.pos >= len(c.data) {
		return false
	}
	if !c.readTag() {
		return false
	}
	if Type(c.tag&7) == start {
		return c.skipGroup()
	}
	return c.readValue()
}

func (c *Cursor) readTag() bool {
	tag := c.varint()
	if field := tag >> 3; c.err == nil && (field == 0 || field > 1<<29-1) {
		c.fail(errField)
	}
	c.tag = uint32(tag) // checked
	return c.err == nil
}

func (c *Cursor) readValue() bool {
	switch typ := Type(c.tag & 7); typ {
	case Varint:
		c.num = c.varint()
	case Fixed64:
		if b := c.take(8); b != nil {
			c.num = binary.LittleEndian.Uint64(b)
		}
	case Fixed32:
		if b := c.take(4); b != nil {
			c.num = uint64(binary.LittleEndian.Uint32(b))
		}
	case Bytes:
		n := c.varint()
		c.from = c.pos
		c.take(n)
	case end:
		c.fail(errEndGroup)
	default:
		c.fail(fmt.Errorf("wire type %d", typ))
	}
	return c.err == nil
}

func (c *Cursor) varint() uint64 {
	v, n := binary.Uvarint(c.data[c.pos:])
	switch {
	case n == 0:
		c.fail(errTruncated)
		return 0
	case n < 0:
		c.fail(errVarint)
		return 0
	}
	c.pos += n
	return v
}

// take passes over n bytes and gives them; nil where they are not there.
func (c *Cursor) take(n uint64) []byte {
	if n > uint64(len(c.data)-c.pos) {
		c.fail(errTruncated)
		return nil
	}
	from := c.pos
	c.pos += int(n)
	return c.data[from:c.pos]
}

// skipGroup passes over a group by a stack of field numbers, without recursion.
func (c *Cursor) skipGroup() bool {
	tag := c.tag
	open := append(make([]uint32, 0, 8), tag>>3)
	for len(open) > 0 {
		if c.pos >= len(c.data) {
			c.fail(errGroupOpen)
		}
		if c.err != nil || !c.readTag() {
			return false
		}
		switch Type(c.tag & 7) {
		case start:
			open = append(open, c.tag>>3)
		case end:
			if open[len(open)-1] != c.tag>>3 {
				c.fail(errEndGroup)
			}
			open = open[:len(open)-1]
		default:
			c.readValue()
		}
		if len(open) > maxGroupDepth {
			c.fail(errGroupDeep)
		}
	}
	c.tag = tag
	return c.err == nil
}

// Pos is where the current field ends in the message.
func (c *Cursor) Pos() int { return c.pos }

// Tag is the current field's tag.
func (c *Cursor) Tag() uint32 { return c.tag }

// Varint is the current field's unsigned varint.
func (c *Cursor) Varint() uint64 { return c.num }

// Sint32 is the current field's zigzag varint.
func (c *Cursor) Sint32() int32 {
	v := uint32(c.num) // protobuf truncates a 64-bit varint to 32 bits
	return int32(v>>1) ^ -int32(v&1)
}

// Fixed64 is the current field's eight little-endian bytes.
func (c *Cursor) Fixed64() uint64 { return c.num }

// Fixed32 is the current field's four little-endian bytes.
func (c *Cursor) Fixed32() uint32 { return uint32(c.num) } // read from four bytes

// Bytes is the current field's length-delimited value. It shares the message's memory.
func (c *Cursor) Bytes() []byte { return c.data[c.from:c.pos:c.pos] }

// Varints hands each number of a packed repeated field to add, until it returns false.
func Varints(packed []byte, add func(uint64) bool) error {
	c := Cursor{data: packed}
	for c.pos < len(packed) {
		if v := c.varint(); c.err != nil || !add(v) {
			break
		}
	}
	return c.err
}

// CheckFixed64s tells whether a packed repeated field has whole numbers of eight bytes.
func CheckFixed64s(packed []byte) error {
	if rest := len(packed) % 8; rest != 0 {
		return fmt.Errorf("%w at byte %d", errTruncated, len(packed)-rest)
	}
	return nil
}

// SizeVarint is how many bytes a varint takes.
func SizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
