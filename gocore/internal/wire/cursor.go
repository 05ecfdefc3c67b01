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

// Cursor walks one message. Its first error stays: Next is false from then on and
// the readers give zero values, so a loop checks Err once, after it.
type Cursor struct {
	data []byte
	pos  int
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

// More tells whether bytes are left, for packed values that have no tags.
func (c *Cursor) More() bool { return c.pos < len(c.data) }

func (c *Cursor) fail(err error) {
	if c.err == nil {
		c.err = fmt.Errorf("%w at byte %d", err, c.pos)
	}
	c.pos = len(c.data)
}

// Next steps to the next field and tells whether there is one.
func (c *Cursor) Next() bool {
	if c.pos >= len(c.data) {
		return false
	}
	if b := c.data[c.pos]; b < 0x80 && b >= 8 {
		c.pos++
		c.tag = uint32(b)
		return true
	}
	return c.nextSlow()
}

func (c *Cursor) nextSlow() bool {
	tag := c.Varint()
	if c.err != nil {
		return false
	}
	if field := tag >> 3; field == 0 || field > 1<<29-1 {
		c.fail(errField)
		return false
	}
	c.tag = uint32(tag)
	return true
}

// Tag is the current field's tag.
func (c *Cursor) Tag() uint32 { return c.tag }

// Varint reads an unsigned varint.
func (c *Cursor) Varint() uint64 {
	if c.pos < len(c.data) && c.data[c.pos] < 0x80 {
		v := c.data[c.pos]
		c.pos++
		return uint64(v)
	}
	v, n := binary.Uvarint(c.data[c.pos:])
	if n <= 0 {
		if n == 0 {
			c.fail(errTruncated)
		} else {
			c.fail(errVarint)
		}
		return 0
	}
	c.pos += n
	return v
}

// Sint32 reads a zigzag varint.
func (c *Cursor) Sint32() int32 {
	v := uint32(c.Varint()) // protobuf truncates a 64-bit varint to 32 bits
	return int32(v>>1) ^ -int32(v&1)
}

// Fixed64 reads eight little-endian bytes.
func (c *Cursor) Fixed64() uint64 {
	if len(c.data)-c.pos < 8 {
		c.fail(errTruncated)
		return 0
	}
	v := binary.LittleEndian.Uint64(c.data[c.pos:])
	c.pos += 8
	return v
}

// Fixed32 reads four little-endian bytes.
func (c *Cursor) Fixed32() uint32 {
	if len(c.data)-c.pos < 4 {
		c.fail(errTruncated)
		return 0
	}
	v := binary.LittleEndian.Uint32(c.data[c.pos:])
	c.pos += 4
	return v
}

// Bytes reads a length-delimited value. It shares the message's memory.
func (c *Cursor) Bytes() []byte {
	n := c.Varint()
	if n > uint64(len(c.data)-c.pos) {
		c.fail(errTruncated)
		return nil
	}
	from := c.pos
	c.pos += int(n)
	return c.data[from:c.pos:c.pos]
}

// Skip passes over the current field, whatever it is.
func (c *Cursor) Skip() {
	if Type(c.tag&7) == start {
		c.skipGroup()
		return
	}
	c.skipValue(Type(c.tag & 7))
}

func (c *Cursor) skipValue(typ Type) {
	switch typ {
	case Varint:
		c.Varint()
	case Fixed64:
		c.Fixed64()
	case Bytes:
		c.Bytes()
	case Fixed32:
		c.Fixed32()
	case end:
		c.fail(errEndGroup)
	default:
		c.fail(fmt.Errorf("wire type %d", typ))
	}
}

// skipGroup passes over a group by a stack of field numbers, without recursion.
func (c *Cursor) skipGroup() {
	open := append(make([]uint32, 0, 8), c.tag>>3)
	for len(open) > 0 {
		if !c.Next() {
			c.fail(errGroupOpen)
			return
		}
		switch Type(c.tag & 7) {
		case start:
			open = append(open, c.tag>>3)
		case end:
			if open[len(open)-1] != c.tag>>3 {
				c.fail(errEndGroup)
				return
			}
			open = open[:len(open)-1]
		default:
			c.skipValue(Type(c.tag & 7))
		}
		if len(open) > maxGroupDepth {
			c.fail(errGroupDeep)
		}
	}
}

// SizeVarint is how many bytes a varint takes.
func SizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
