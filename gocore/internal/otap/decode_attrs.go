package otap

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// attrs is a table of attributes. Senders sort them by key and value, so each is written once,
// in the table's order, and copied to the items that have it.
type attrs struct {
	children // of spans of what the decoder has written
}

// table is a table of attributes as it is read.
type table struct {
	key texts
	values
	field uint32 // of the attributes in their owner's message
}

// attrs reads a table of attributes, nil when there is none. They are to be written as a field
// of this number.
func (d *decoder) attrs(p PayloadType, field uint32) *attrs {
	c := d.tables[p]
	if c == nil {
		return nil
	}
	t := &table{field: field, key: d.texts(c, "key", 0), values: d.values(c, c.lax("parent_id"))}
	if !t.key.there || len(t.kind.v) == 0 {
		d.fail(c.of, fmt.Errorf("has no column key or no column type"))
		return nil
	}
	parents, plain, mask := d.rawIDs(c, "parent_id", encodingQuasi)
	if len(parents.v) < c.rows {
		d.fail(c.of, fmt.Errorf("has no column parent_id"))
		return nil
	}
	spans := d.some(c.rows)
	for row := range spans {
		same := row > 0 && t.kind.v[row] == t.kind.v[row-1] && t.key.same(row) && t.values.same(row)
		if same && !plain {
			parents.v[row] = (parents.v[row] + parents.v[row-1]) & mask
		}
		if same && t.sameBits(row) {
			spans[row] = spans[row-1]
		} else if spans[row] = d.write(t, row); d.err != nil {
			return nil
		}
	}
	return &attrs{d.children(parents.v[:c.rows], spans)}
}

// write writes an attribute, and gives its span.
func (d *decoder) write(t *table, row int) uint64 {
	from := len(d.written.b)
	d.written.b = d.attribute(d.written.b, t, row)
	if !d.covers(&d.written, d.written.b) {
		return 0
	}
	if len(d.written.b) > math.MaxUint32 {
		d.failed(fault.New(fault.TooLarge, op, "the attributes take 4 GiB or more"))
	}
	return span(uint64(from), uint64(len(d.written.b)-from))
}

// attribute writes a KeyValue. The sizes of plain values are known before they are written.
func (d *decoder) attribute(out []byte, t *table, row int) []byte {
	key, kind := t.key.at(row), t.kind.at(row)
	if !t.missing(row) {
		switch kind {
		case kindStr:
			v := t.str.at(row)
			return wire.AppendBytes(pair(out, t.field, key, sizeBytes(v)), 1, v)
		case kindBytes:
			v := t.bytes.at(row)
			return wire.AppendBytes(pair(out, t.field, key, sizeBytes(v)), 7, v)
		case kindInt:
			v := t.integer.at(row)
			return wire.AppendUint(pair(out, t.field, key, 1+wire.SizeVarint(v)), 3, v)
		case kindBool:
			return wire.AppendUint(pair(out, t.field, key, 2), 2, t.boolean.at(row))
		case kindDouble:
			return wire.AppendFixed64(pair(out, t.field, key, 9), 4, t.double.at(row))
		}
	}
	out, place := wire.Begin(out, t.field)
	out = wire.AppendBytes(out, 1, key)
	out, inner := wire.Begin(out, 2)
	out = d.value(out, &t.values, row)
	return wire.End(wire.End(out, inner), place)
}

// sizeBytes is what a length-delimited field takes whose number is below 16.
func sizeBytes(v []byte) int { return 1 + wire.SizeVarint(uint64(len(v))) + len(v) }

// pair writes a KeyValue up to its AnyValue's fields, which take so many bytes.
func pair(out []byte, field uint32, key []byte, value int) []byte {
	size := sizeBytes(key) + 1 + wire.SizeVarint(uint64(value)) + value
	out = binary.AppendUvarint(wire.AppendTag(out, field, wire.Bytes), uint64(size))
	out = wire.AppendBytes(out, 1, key)
	return binary.AppendUvarint(wire.AppendTag(out, 2, wire.Bytes), uint64(value))
}

// attributes adds those of an id, if it has one.
func (d *decoder) attributes(out []byte, a *attrs, ids *numbers, row int) []byte {
	if a == nil || !ids.has(row) {
		return out
	}
	for _, s := range a.of(ids.v[row]) {
		if !d.room(out) {
			return out
		}
		out = append(out, d.written.b[s>>32:][:uint32(s)]...)
	}
	return out
}
