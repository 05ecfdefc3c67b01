package otap

import (
	"encoding/binary"
	"math"
)

// emitType is an Arrow type that OTAP uses.
type emitType uint8

const (
	tU8 emitType = iota
	tU16
	tU32
	tU64
	tI32
	tI64
	tF64
	tTime
	tDuration
	tBool
	tText
	tBinary
	tID16
	tID8
	tStruct
	tList
)

// width is a fixed type's in bytes, 0 for the others.
func (t emitType) width() int {
	return [...]int{tU8: 1, tU16: 2, tU32: 4, tU64: 8, tI32: 4, tI64: 8, tF64: 8, tTime: 8, tDuration: 8, tID16: 16, tID8: 8, tList: 0}[t]
}

// The widths of a dictionary's indices; plain columns have none.
const (
	noIndex = 0
	indexU8 = 1
	index16 = 2
)

const noCode = math.MaxUint32

// emitCol is a column that grows by rows. Rows that are skipped are null, so a column costs
// nothing where its field is not set. A column that may have a dictionary keeps numbers of
// values instead of values; the width of its indices only grows while a stream lasts.
type emitCol struct {
	name     string
	typ      emitType
	required bool // never null, always sent
	noise    bool // random: not worth a try at compression
	dict     *emitDict
	children []*emitCol // of a struct; the item of a list

	seen  bool // in the schema now, and from then on
	rows  int
	set   int // rows that are not null
	valid []byte
	data  []byte // fixed values; bytes; bits of booleans
	offs  []byte // int32, of bytes and lists
	codes []uint32
	tries [3]emitTries // of valid, of indices, offsets or fixed values, of bytes
}

// emitDict is a column's dictionary on the stream: sent of its values are at the receiver.
type emitDict struct {
	least int // width of the indices to begin with
	width int
	in    *emitIntern
	sent  int
	tries [2]emitTries // of offsets or fixed values, of bytes
}

func plainCol(name string, t emitType) *emitCol { return &emitCol{name: name, typ: t} }

// dictCol has a dictionary while that pays.
func dictCol(name string, t emitType, least int) *emitCol {
	return &emitCol{name: name, typ: t, dict: &emitDict{least: least, width: least, in: newEmitIntern(t.width())}}
}

func structCol(name string, children ...*emitCol) *emitCol {
	return &emitCol{name: name, typ: tStruct, children: children}
}

func listCol(name string, item *emitCol) *emitCol {
	item.seen = true // a list's type needs it
	return &emitCol{name: name, typ: tList, children: []*emitCol{item}}
}

// must makes a column required.
func (c *emitCol) must() *emitCol { c.required = true; return c }

// coded tells whether values are numbered.
func (c *emitCol) coded() bool { return c.dict != nil && c.dict.width != noIndex }

// clear forgets the rows; the dictionary and what the schema has stay.
func (c *emitCol) clear() {
	c.rows, c.set = 0, 0
	c.valid, c.data, c.offs, c.codes = c.valid[:0], c.data[:0], c.offs[:0], c.codes[:0]
	for _, child := range c.children {
		child.clear()
	}
}

// to makes null of the rows that are missing before this one.
func (c *emitCol) to(row int) {
	n := row - c.rows
	if n <= 0 {
		return
	}
	c.rows = row
	for len(c.valid)*8 < row {
		c.valid = append(c.valid, 0)
	}
	switch w := c.typ.width(); {
	case c.coded():
		for range n {
			c.codes = append(c.codes, noCode)
		}
	case w > 0:
		c.data = append(c.data, make([]byte, n*w)...)
	case c.typ == tBool:
		c.data = append(c.data, make([]byte, len(c.valid)-len(c.data))...)
	case c.typ == tText || c.typ == tBinary:
		for range n {
			c.offs = binary.LittleEndian.AppendUint32(c.offs, uint32(len(c.data)))
		}
	case c.typ == tList:
		for range n {
			c.offs = binary.LittleEndian.AppendUint32(c.offs, uint32(c.children[0].rows))
		}
	}
}

// mark begins a row that is not null.
func (c *emitCol) mark(row int) {
	if c.rows < row {
		c.to(row)
	}
	if row>>3 >= len(c.valid) {
		c.valid = append(c.valid, 0)
	}
	c.valid[row>>3] |= 1 << (row & 7)
	c.rows = row + 1
	c.set++
}

func (c *emitCol) u8(row int, v uint8) {
	c.mark(row)
	c.data = append(c.data, v)
}

func (c *emitCol) u16(row int, v uint16) {
	c.mark(row)
	c.data = binary.LittleEndian.AppendUint16(c.data, v)
}

func (c *emitCol) u32(row int, v uint32) {
	if c.coded() {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], v)
		c.raw(row, b[:])
		return
	}
	c.mark(row)
	c.data = binary.LittleEndian.AppendUint32(c.data, v)
}

func (c *emitCol) u64(row int, v uint64) {
	if c.coded() {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		c.raw(row, b[:])
		return
	}
	c.mark(row)
	c.data = binary.LittleEndian.AppendUint64(c.data, v)
}

func (c *emitCol) bool(row int, v bool) {
	c.mark(row)
	if row>>3 >= len(c.data) {
		c.data = append(c.data, 0)
	}
	if v {
		c.data[row>>3] |= 1 << (row & 7)
	}
}

// raw sets bytes of a fixed or a varying size; it tells whether the value was not known.
func (c *emitCol) raw(row int, v []byte) bool {
	if c.coded() {
		code, fresh := c.dict.in.code(v)
		c.code(row, code)
		return fresh
	}
	c.mark(row)
	c.data = append(c.data, v...)
	if c.typ.width() == 0 {
		c.offs = binary.LittleEndian.AppendUint32(c.offs, uint32(len(c.data)-len(v)))
	}
	return true
}

// code sets a value that the dictionary has.
func (c *emitCol) code(row int, code uint32) {
	c.mark(row)
	c.codes = append(c.codes, code)
}

// list begins a row whose items follow in the child.
func (c *emitCol) list(row int) *emitCol {
	c.mark(row)
	c.offs = binary.LittleEndian.AppendUint32(c.offs, uint32(c.children[0].rows))
	return c.children[0]
}

// finish completes a column of so many rows and tells whether it belongs into the schema.
func (c *emitCol) finish(rows int) bool {
	c.to(rows)
	c.seen = c.seen || c.required || c.set > 0
	below := rows
	if c.typ == tList {
		below = c.children[0].rows
	}
	for _, child := range c.children {
		child.finish(below)
	}
	return c.seen
}

// drop takes the last row away, which is set.
func (c *emitCol) drop() {
	c.rows--
	c.set--
	c.valid[c.rows>>3] &^= 1 << (c.rows & 7)
	switch w := c.typ.width(); {
	case c.coded():
		c.codes = c.codes[:c.rows]
	case w > 0:
		c.data = c.data[:c.rows*w]
	case c.typ == tText || c.typ == tBinary:
		c.data = c.data[:binary.LittleEndian.Uint32(c.offs[c.rows*4:])]
		c.offs = c.offs[:c.rows*4]
	}
}
