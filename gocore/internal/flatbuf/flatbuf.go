// Package flatbuf reads the heads of Arrow's messages, which are flatbuffers, without trusting
// them: never beyond the buffer's end, and no vector longer than there is room for.
//
//	table ── offset back ──> vtable: size, size of the table, where each field lies (0: absent)
//	  └ field ── offset on ──> table, vector, text
//
// Tables and fields are offsets into the buffer; 0 stands for a field that is absent, and reads
// as zero. A Reader remembers that an offset was wrong, and goes on with zeros. It is for one
// goroutine.
package flatbuf

import "encoding/binary"

// Reader reads one flatbuffer.
type Reader struct {
	bytes []byte
	bad   bool
}

// New makes a reader of a flatbuffer, whose bytes it keeps.
func New(bytes []byte) *Reader { return &Reader{bytes: bytes} }

// Bad tells whether an offset or a length led beyond the end.
func (r *Reader) Bad() bool { return r.bad }

var nothing [8]byte

func (r *Reader) at(offset, size int) []byte {
	if offset < 0 || offset > len(r.bytes)-size {
		r.bad = true
		return nothing[:size]
	}
	return r.bytes[offset : offset+size]
}

// Byte is a number of eight bits.
func (r *Reader) Byte(offset int) byte {
	if offset == 0 {
		return 0
	}
	return r.at(offset, 1)[0]
}

// Word is a number of 64 bits.
func (r *Reader) Word(offset int) uint64 {
	if offset == 0 {
		return 0
	}
	return binary.LittleEndian.Uint64(r.at(offset, 8))
}

// Short is a number of 16 bits.
func (r *Reader) Short(offset int) uint16 {
	if offset == 0 {
		return 0
	}
	return binary.LittleEndian.Uint16(r.at(offset, 2))
}

// Int is a signed number of 32 bits.
func (r *Reader) Int(offset int) int {
	if offset == 0 {
		return 0
	}
	return r.int(offset)
}

func (r *Reader) int(offset int) int {
	return int(int32(binary.LittleEndian.Uint32(r.at(offset, 4))))
}

// Root is the table that the buffer is of.
func (r *Reader) Root() int { return r.Table(0) }

// Table is where the table, vector or text is that a field refers to.
func (r *Reader) Table(field int) int { return field + r.int(field) }

// VTable is where a table's vtable is.
func (r *Reader) VTable(table int) int { return table - r.int(table) }

// Field is where the i-th field of a table lies.
func (r *Reader) Field(table, i int) int {
	vtable := r.VTable(table)
	size := int(binary.LittleEndian.Uint16(r.at(vtable, 2)))
	if 4+2*i+2 > size {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(r.at(vtable+4+2*i, 2)))
	if offset == 0 {
		return 0
	}
	return table + offset
}

// Vector is where a vector's elements begin and how many of a size there are, if there is room.
func (r *Reader) Vector(field, size int) (at, n int) {
	if field == 0 {
		return 0, 0
	}
	at = r.Table(field)
	n = r.int(at)
	if at < 0 || n < 0 || n > (len(r.bytes)-at)/size {
		r.bad = true
		return 0, 0
	}
	return at + 4, n
}

// Text is a string.
func (r *Reader) Text(field int) string {
	at, n := r.Vector(field, 1)
	if n > len(r.bytes)-at {
		r.bad = true
		return ""
	}
	return string(r.bytes[at : at+n])
}

// Tables are those of a vector.
func (r *Reader) Tables(field int) []int {
	at, n := r.Vector(field, 4)
	all := make([]int, n)
	for i := range all {
		all[i] = r.Table(at + 4*i)
	}
	return all
}

// Structs are those of a vector, of two 64-bit numbers each.
func (r *Reader) Structs(field int) []int {
	at, n := r.Vector(field, 16)
	all := make([]int, n)
	for i := range all {
		all[i] = at + 16*i
	}
	return all
}

// LookUp is the value of a key in a vector of KeyValue tables.
func (r *Reader) LookUp(field int, key string) string {
	for _, pair := range r.Tables(field) {
		if r.Text(r.Field(pair, 0)) == key {
			return r.Text(r.Field(pair, 1))
		}
	}
	return ""
}
