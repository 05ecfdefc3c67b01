package flight

import (
	"errors"
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
)

// arrow-go trusts what a message's head says: it makes room for as many fields, and inflates as
// much, as it is told, and goes as deep. So heads are looked at first, and nothing is inflated
// before what all of it takes is known.

// Kinds of messages, as in apache/arrow format/Message.fbs.
const (
	kindSchema     = 1
	kindDictionary = 2
	kindBatch      = 3
)

const (
	maxHead   = 1 << 20 // the widest of our schemas takes some 10 KiB
	maxFields = 1 << 12 // of a schema, those in others included
	maxDepth  = 8       // list<struct<map<...>>> is five deep
)

var (
	errMessage = errors.New("no Arrow message where there should be one")
	errSchema  = errors.New("a schema that is damaged, or has too many fields or too deep ones")
)

// kindOf reads the kind of a message and looks whether its body is all there.
func kindOf(d Data) (kind byte, err error) {
	if len(d.Header) > maxHead {
		return 0, errMessage
	}
	f := flatbuf.New(d.Header)
	root := f.Root()
	kind = f.Byte(f.Field(root, 1))
	header, size := f.Field(root, 2), f.Word(f.Field(root, 3))
	if f.Bad() || header == 0 || kind < kindSchema || kind > kindBatch || size > uint64(len(d.Body)) {
		return 0, errMessage
	}
	return kind, nil
}

// survey looks at a message's head, and tells how many bytes its buffers take when they are
// inflated.
func survey(kind byte, d Data) (largest int64, err error) {
	if kind == kindSchema {
		if !flatbuf.SoundSchema(d.Header, maxFields, maxDepth) {
			return 0, errSchema
		}
		return 0, nil
	}
	f := flatbuf.New(d.Header)
	at := f.Table(f.Field(f.Root(), 2))
	if kind == kindDictionary {
		at = f.Table(f.Field(at, 1))
	}
	codec := f.Field(at, 3)
	packed := codec != 0
	zstdPacked := packed && f.Byte(f.Field(f.Table(codec), 0)) == 1
	for _, buffer := range f.Structs(f.Field(at, 2)) {
		offset, size := f.Word(buffer), f.Word(buffer+8)
		if end := offset + size; end < offset || end > uint64(len(d.Body)) {
			return 0, flatbuf.ErrBodies
		}
		n, err := inflated(d.Body[offset:offset+size], packed, zstdPacked)
		if err != nil {
			return 0, err
		}
		largest = add(largest, n)
	}
	if rows := f.Word(f.Field(at, 0)); f.Bad() || int64(rows) < 0 {
		return 0, flatbuf.ErrBodies
	}
	return largest, nil
}

// inflated is what one buffer takes.
func inflated(part []byte, packed, zstdPacked bool) (int64, error) {
	size, err := flatbuf.Inflated(part, packed, zstdPacked)
	if err == nil && size > math.MaxInt64 {
		return 0, flatbuf.ErrBodies
	}
	return int64(size), err
}

// add never wraps around.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
