package otap

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/klauspost/compress/zstd"
)

// A payload is a piece of an Arrow IPC stream:
//
//	├─ schema ─┼─ dictionary ─┼ ... ┼─ record batch ─┤
//	│-1│n│ head of n bytes │ body │
//
// arrow-go trusts what a head says: it makes room for as many fields, and inflates as much, as
// it is told, and goes as deep. So heads are looked at first, without inflating anything.

// Kinds of messages, as in Message.fbs.
const (
	messageSchema     = 1
	messageDictionary = 2
	messageBatch      = 3
)

const (
	continuation = 0xffffffff
	maxHead      = 1 << 20 // the widest of OTAP's schemas takes some 4 KiB
	maxFields    = 1 << 10 // of a schema, those in others included
	maxDepth     = 8       // list<struct<...>> is three deep
	maxWindow    = 8 << 20 // what RFC 8878 asks decoders to support
	rowBytes     = 8       // what a value takes while it is looked at, whatever it is in the record
)

var (
	errMessage = errors.New("no Arrow IPC message where there should be one")
	errSchema  = errors.New("a schema that is damaged, or has too many fields or too deep ones")
	errBodies  = errors.New("an Arrow record whose parts are not within it")
	errWindow  = errors.New("a zstd window larger than 8 MiB")
	errBatches = errors.New("more than one record batch")
)

// outline is what the heads of a payload's messages tell.
type outline struct {
	schema     bool  // it begins a stream
	dictionary bool  // it adds to or replaces dictionaries
	batch      bool  // it has a record batch
	packed     bool  // by zstd
	largest    int64 // bytes that all of it takes when it is inflated
}

// survey reads the heads of a payload's messages.
func survey(payload []byte) (o outline, err error) {
	for first := true; len(payload) > 0; first = false {
		kind, head, body, rest, err := cut(payload)
		switch {
		case err != nil:
			return o, err
		case kind == 0: // the stream's end, which a producer that closes it may send
			return o, nil
		case kind == messageSchema && first:
			o.schema = true
			if !soundSchema(head) {
				return o, errSchema
			}
		case kind == messageDictionary, kind == messageBatch:
			if kind == messageBatch && o.batch {
				return o, errBatches
			}
			o.batch = o.batch || kind == messageBatch
			o.dictionary = o.dictionary || kind == messageDictionary
			if err := o.add(kind, head, body); err != nil {
				return o, err
			}
		default:
			return o, errMessage
		}
		payload = rest
	}
	return o, nil
}

// cut takes the first message off; kind 0 is a stream's end.
func cut(b []byte) (kind byte, head, body, rest []byte, err error) {
	if len(b) >= 4 && binary.LittleEndian.Uint32(b) == continuation {
		b = b[4:]
	}
	if len(b) < 4 {
		return 0, nil, nil, nil, errMessage
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if b = b[4:]; n == 0 {
		return 0, nil, nil, nil, nil
	}
	if n > maxHead || n > int64(len(b)) {
		return 0, nil, nil, nil, errMessage
	}
	head, b = b[:n], b[n:]
	f := &flat{bytes: head}
	root := f.table(0)
	kind = f.byte(f.field(root, 1))
	size := int64(f.word(f.field(root, 3)))
	if f.bad || kind == 0 || size < 0 || size > int64(len(b)) {
		return 0, nil, nil, nil, errMessage
	}
	return kind, head, b[:size], b[size:], nil
}

// add looks at a record batch, or the one that is a dictionary's values.
func (o *outline) add(kind byte, head, body []byte) error {
	f := &flat{bytes: head}
	at := f.table(f.field(f.table(0), 2))
	if kind == messageDictionary {
		at = f.table(f.field(at, 1))
	}
	packed := f.field(at, 3) != 0
	zstdPacked := packed && f.byte(f.field(f.table(f.field(at, 3)), 0)) == 1
	o.packed = o.packed || zstdPacked
	rows := f.word(f.field(at, 0))
	o.grow(rows, rowBytes)
	for _, node := range f.structs(f.field(at, 1)) {
		o.grow(f.word(node), rowBytes)
	}
	for _, buffer := range f.structs(f.field(at, 2)) {
		offset, size := f.word(buffer), f.word(buffer+8)
		if end := offset + size; end < offset || end > uint64(len(body)) {
			return errBodies
		}
		part := body[offset : offset+size]
		if err := o.inflated(part, packed, zstdPacked); err != nil {
			return err
		}
	}
	if f.bad || int64(rows) < 0 {
		return errBodies
	}
	return nil
}

// inflated adds what one buffer takes: compressed ones tell it in their first eight bytes, and
// -1 there is one that is not compressed after all.
func (o *outline) inflated(part []byte, packed, zstdPacked bool) error {
	if !packed || len(part) == 0 {
		o.grow(uint64(len(part)), 1)
		return nil
	}
	if len(part) < 8 {
		return errBodies
	}
	size := binary.LittleEndian.Uint64(part)
	if size == math.MaxUint64 {
		o.grow(uint64(len(part)), 1)
		return nil
	}
	o.grow(size, 1)
	if !zstdPacked {
		return nil
	}
	var frame zstd.Header
	if err := frame.Decode(part[8:]); err != nil {
		return errBodies
	}
	if frame.WindowSize > maxWindow && !frame.SingleSegment {
		return errWindow
	}
	return nil
}

// grow adds so many bytes n times; nothing wraps around.
func (o *outline) grow(n uint64, bytes int64) {
	if n > math.MaxInt64/64 {
		n = math.MaxInt64 / 64
	}
	if o.largest += int64(n) * bytes; o.largest < 0 {
		o.largest = math.MaxInt64
	}
}

// soundSchema tells whether no vector in a schema's head is longer than there is room for, and
// that its fields, some of which may be the same bytes many times, are not too many.
func soundSchema(head []byte) bool {
	f := &flat{bytes: head}
	at := f.table(f.field(f.table(0), 2))
	left := maxFields
	f.tables(f.field(at, 2))
	f.walk(f.tables(f.field(at, 1)), &left, maxDepth)
	return !f.bad
}

// flat reads a flatbuffer, never beyond its end. Offset 0 stands for a field that is absent.
type flat struct {
	bytes []byte
	bad   bool
}

var nothing [8]byte

func (f *flat) at(offset, size int) []byte {
	if offset < 0 || offset > len(f.bytes)-size {
		f.bad = true
		return nothing[:size]
	}
	return f.bytes[offset : offset+size]
}

func (f *flat) byte(offset int) byte {
	if offset == 0 {
		return 0
	}
	return f.at(offset, 1)[0]
}

func (f *flat) int(offset int) int { return int(int32(binary.LittleEndian.Uint32(f.at(offset, 4)))) }

func (f *flat) word(offset int) uint64 {
	if offset == 0 {
		return 0
	}
	return binary.LittleEndian.Uint64(f.at(offset, 8))
}

// table is where the table or vector is that a field refers to.
func (f *flat) table(field int) int { return field + f.int(field) }

// field is where the i-th field of a table lies, 0 where it is absent.
func (f *flat) field(table, i int) int {
	vtable := table - f.int(table)
	size := int(binary.LittleEndian.Uint16(f.at(vtable, 2)))
	if 4+2*i+2 > size {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(f.at(vtable+4+2*i, 2)))
	if offset == 0 {
		return 0
	}
	return table + offset
}

// vector is where a vector's elements begin and how many of a size there are, if there is room.
func (f *flat) vector(field, size int) (at, n int) {
	if field == 0 {
		return 0, 0
	}
	at = f.table(field)
	n = f.int(at)
	if n < 0 || n > (len(f.bytes)-at)/size {
		f.bad = true
		return 0, 0
	}
	return at + 4, n
}

// tables are those of a vector.
func (f *flat) tables(field int) []int {
	at, n := f.vector(field, 4)
	all := make([]int, n)
	for i := range all {
		all[i] = f.table(at + 4*i)
	}
	return all
}

// structs are those of a vector, of two 64-bit numbers each.
func (f *flat) structs(field int) []int {
	at, n := f.vector(field, 16)
	all := make([]int, n)
	for i := range all {
		all[i] = at + 16*i
	}
	return all
}

// walk looks at fields and at those below them.
func (f *flat) walk(fields []int, left *int, depth int) {
	for _, field := range fields {
		if *left--; *left < 0 || depth == 0 {
			f.bad = true
		}
		if f.bad {
			return
		}
		f.tables(f.field(field, 6))
		f.walk(f.tables(f.field(field, 5)), left, depth-1)
	}
}
