package otap

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
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
	rowBytes     = 8       // what a value takes while it is looked at, whatever it is in the record
)

var (
	errMessage = errors.New("no Arrow IPC message where there should be one")
	errSchema  = errors.New("a schema that is damaged, or has too many fields or too deep ones")
	errBatches = errors.New("more than one record batch")
)

// outline is what the heads of a payload's messages tell.
type outline struct {
	schema     bool  // it begins a stream
	dictionary bool  // it adds to or replaces dictionaries
	batch      bool  // it has a record batch
	largest    int64 // bytes that all of it takes when it is inflated and looked at
	values     int64 // rows of all columns
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
			if !flatbuf.SoundSchema(head, maxFields, maxDepth) {
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
	f := flatbuf.New(head)
	root := f.Root()
	kind = f.Byte(f.Field(root, 1))
	size := int64(f.Word(f.Field(root, 3)))
	if f.Bad() || kind == 0 || size < 0 || size > int64(len(b)) {
		return 0, nil, nil, nil, errMessage
	}
	return kind, head, b[:size], b[size:], nil
}

// add looks at a record batch, or the one that is a dictionary's values.
func (o *outline) add(kind byte, head, body []byte) error {
	f := flatbuf.New(head)
	at := f.Table(f.Field(f.Root(), 2))
	if kind == messageDictionary {
		at = f.Table(f.Field(at, 1))
	}
	packed := packing(f, at)
	rows := f.Word(f.Field(at, batchRows))
	o.grow(rows, rowBytes)
	for node, n := f.Vector(f.Field(at, batchNodes), pairBytes); n > 0; n-- {
		o.grow(f.Word(node), rowBytes)
		o.values += int64(f.Word(node)) // which largest bounds
		node += pairBytes
	}
	for buffer, left := f.Vector(f.Field(at, batchBuffers), pairBytes); left > 0; left-- {
		offset, size := f.Word(buffer), f.Word(buffer+8)
		if end := offset + size; end < offset || end > uint64(len(body)) {
			return flatbuf.ErrBodies
		}
		part := body[offset : offset+size]
		n, err := flatbuf.Inflated(part, packed != 0, packed == packedZstd)
		if err != nil {
			return err
		}
		o.grow(n, 1)
		buffer += pairBytes
	}
	if f.Bad() || int64(rows) < 0 {
		return flatbuf.ErrBodies
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
