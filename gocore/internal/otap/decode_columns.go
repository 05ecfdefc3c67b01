package otap

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// columns are a record's, or a struct column's.
type columns struct {
	of     string
	fields []arrow.Field
	arrays []arrow.Array
	rows   int
	valid  bits
}

func tableOf(p PayloadType, record arrow.RecordBatch) *columns {
	return &columns{of: p.String(), fields: record.Schema().Fields(), arrays: record.Columns(), rows: int(record.NumRows())}
}

// find gives a column, nil when there is none. One without a row fewer is no column of these.
func (c *columns) find(name string) (arrow.Array, *arrow.Field) {
	for i := range c.fields {
		if c.fields[i].Name == name {
			return c.arrays[i], &c.fields[i]
		}
	}
	return nil, nil
}

// group gives a struct column's fields, nil when there is none.
func (d *decoder) group(c *columns, name string) *columns {
	found, _ := c.find(name)
	if found == nil {
		return nil
	}
	s, ok := found.(*array.Struct)
	if !ok {
		d.wrongType(c, name, found)
		return nil
	}
	fields := s.DataType().(*arrow.StructType).Fields()
	inner := &columns{of: c.of + "." + name, fields: fields, arrays: make([]arrow.Array, len(fields)), rows: s.Len(), valid: validity(s)}
	for i := range fields {
		inner.arrays[i] = s.Field(i)
	}
	return inner
}

func (d *decoder) wrongType(c *columns, name string, found arrow.Array) {
	d.fail(c.of+"."+name, fmt.Errorf("is of type %s", found.DataType()))
}

// bits is a validity bitmap; without one all is valid.
type bits struct {
	bitmap []byte
	offset int
}

func validity(a arrow.Array) bits {
	if a.NullN() == 0 {
		return bits{}
	}
	return bits{a.NullBitmapBytes(), a.Data().Offset()}
}

func (b bits) at(i int) bool {
	if b.bitmap == nil {
		return true
	}
	i += b.offset
	return b.bitmap[i>>3]>>(i&7)&1 != 0
}

// numbers is a column of numbers, dictionary or plain, of any width: signed ones extended,
// doubles as their bits. A null is 0.
type numbers struct {
	v     []uint64 // empty when there is no such column
	valid bits
}

// at is a row's number, 0 where it has none.
func (n *numbers) at(row int) uint64 {
	if row < len(n.v) {
		return n.v[row]
	}
	return 0
}

// has tells whether a row has a number.
func (n *numbers) has(row int) bool { return row < len(n.v) && n.valid.at(row) }

// same tells whether two rows have the same number, or none.
func (n *numbers) same(a, b int) bool { return n.at(a) == n.at(b) && n.has(a) == n.has(b) }

// family is what a column's numbers may be.
type family uint8

const (
	integers family = iota
	moments         // int64 nanoseconds, with or without a type that says so
	doubles
	booleans
)

// numbers reads a column; one that is not there has no number in any row.
func (d *decoder) numbers(c *columns, name string, of family) numbers {
	if c == nil {
		return numbers{}
	}
	found, _ := c.find(name)
	if found == nil {
		return numbers{}
	}
	n, ok := d.widen(found, of)
	if !ok {
		d.wrongType(c, name, found)
	}
	if len(n.v) < c.rows && ok {
		d.fail(c.of+"."+name, fmt.Errorf("has %d rows of %d", len(n.v), c.rows))
	}
	return n
}

func (d *decoder) widen(a arrow.Array, of family) (numbers, bool) {
	n := numbers{v: d.words(a.Len()), valid: validity(a)}
	if dict, isDict := a.(*array.Dictionary); isDict {
		if !d.lookUp(dict, of, n.v, &n.valid) {
			return numbers{}, false
		}
	} else if !fits(a.DataType(), of) || !copyNumbers(a, n.v) {
		return numbers{}, false
	}
	if n.valid.bitmap != nil {
		for i := range n.v {
			if !n.valid.at(i) {
				n.v[i] = 0
			}
		}
	}
	return n, true
}

// lookUp fills in what a dictionary's indices stand for. The values are looked at one by one:
// a stream's dictionary may have grown far beyond one batch.
func (d *decoder) lookUp(dict *array.Dictionary, of family, out []uint64, valid *bits) bool {
	values := dict.Dictionary()
	one := single(values)
	if one == nil || !fits(values.DataType(), of) || !copyNumbers(dict.Indices(), out) {
		return false
	}
	*valid = validity(dict.Indices())
	inner := validity(values)
	for i := range out {
		if !valid.at(i) {
			continue
		}
		if j := int(out[i]); inner.at(j) {
			out[i] = one(j)
		} else {
			out[i] = 0
		}
	}
	return true
}

// fits tells whether a type's numbers are of a family.
func fits(t arrow.DataType, of family) bool {
	switch of {
	case doubles:
		return t.ID() == arrow.FLOAT64
	case booleans:
		return t.ID() == arrow.BOOL
	case moments:
		switch t := t.(type) {
		case *arrow.TimestampType:
			return t.Unit == arrow.Nanosecond
		case *arrow.DurationType:
			return t.Unit == arrow.Nanosecond || t.Unit == arrow.Millisecond // otel-arrow/go v0.24.0 says so of nanoseconds
		}
		return t.ID() == arrow.INT64 || t.ID() == arrow.UINT64
	}
	return arrow.IsInteger(t.ID())
}

// copyNumbers widens an array's values, and is false where it has none.
func copyNumbers(a arrow.Array, out []uint64) bool {
	switch a := a.(type) {
	case *array.Uint8:
		spread(a.Values(), out)
	case *array.Uint16:
		spread(a.Values(), out)
	case *array.Uint32:
		spread(a.Values(), out)
	case *array.Uint64:
		copy(out, a.Values())
	case *array.Int8:
		spread(a.Values(), out)
	case *array.Int16:
		spread(a.Values(), out)
	case *array.Int32:
		spread(a.Values(), out)
	case *array.Int64:
		spread(a.Values(), out)
	case *array.Timestamp:
		spread(a.Values(), out)
	case *array.Duration:
		spread(a.Values(), out)
	case *array.Float64:
		copy(out, arrow.Uint64Traits.CastFromBytes(arrow.Float64Traits.CastToBytes(a.Values())))
	case *array.Boolean:
		for i := range out {
			out[i] = bit(a.Value(i))
		}
	default:
		return false
	}
	return true
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// spread widens; both are of one length, or Go says so.
func spread[T ~uint8 | ~uint16 | ~uint32 | ~int8 | ~int16 | ~int32 | ~int64](in []T, out []uint64) {
	in = in[:len(out)]
	for i := range out {
		out[i] = uint64(in[i])
	}
}

// single gives one value of an array.
func single(a arrow.Array) func(int) uint64 {
	switch a := a.(type) {
	case *array.Uint8:
		return pick(a.Values())
	case *array.Uint16:
		return pick(a.Values())
	case *array.Uint32:
		return pick(a.Values())
	case *array.Uint64:
		return pick(a.Values())
	case *array.Int8:
		return pick(a.Values())
	case *array.Int16:
		return pick(a.Values())
	case *array.Int32:
		return pick(a.Values())
	case *array.Int64:
		return pick(a.Values())
	case *array.Timestamp:
		return pick(a.Values())
	case *array.Duration:
		return pick(a.Values())
	case *array.Float64:
		return pick(arrow.Uint64Traits.CastFromBytes(arrow.Float64Traits.CastToBytes(a.Values())))
	case *array.Boolean:
		return func(i int) uint64 { return bit(a.Value(i)) }
	}
	return nil
}

func pick[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int8 | ~int16 | ~int32 | ~int64](in []T) func(int) uint64 {
	return func(i int) uint64 { return uint64(in[i]) }
}

// texts is a column of texts, bytes or ids, dictionary or plain.
type texts struct {
	there   bool
	valid   bits
	index   []uint64 // of a dictionary
	inner   bits     // of its values
	short   []int32  // offsets, or
	long    []int64  // offsets, or
	width   int      // of each value
	content []byte
}

// texts reads a column; one that is not there has no text in any row. width is the values' when
// they have one, else 0.
func (d *decoder) texts(c *columns, name string, width int) texts {
	if c == nil {
		return texts{}
	}
	found, _ := c.find(name)
	if found == nil {
		return texts{}
	}
	t := texts{there: true, valid: validity(found)}
	values := found
	if dict, isDict := found.(*array.Dictionary); isDict {
		values = dict.Dictionary()
		t.index, t.valid, t.inner = d.words(dict.Len()), validity(dict.Indices()), validity(values)
		if !copyNumbers(dict.Indices(), t.index) {
			d.wrongType(c, name, found)
			return texts{}
		}
	}
	if !t.open(values, width) {
		d.wrongType(c, name, found)
		return texts{}
	}
	if found.Len() < c.rows {
		d.fail(c.of+"."+name, fmt.Errorf("has %d rows of %d", found.Len(), c.rows))
	}
	return t
}

// open takes the values' buffers.
func (t *texts) open(values arrow.Array, width int) bool {
	switch v := values.(type) {
	case *array.String:
		t.short, t.content = v.ValueOffsets(), buffer(v, 2)
	case *array.Binary:
		t.short, t.content = v.ValueOffsets(), buffer(v, 2)
	case *array.LargeString:
		t.long, t.content = v.ValueOffsets(), buffer(v, 2)
	case *array.LargeBinary:
		t.long, t.content = v.ValueOffsets(), buffer(v, 2)
	case *array.FixedSizeBinary:
		t.width = v.DataType().(*arrow.FixedSizeBinaryType).ByteWidth
		t.content = buffer(v, 1)
		return t.width == width && v.Data().Offset() == 0
	default:
		return false
	}
	return true
}

var empty = make([]byte, 0)

// buffer is one of an array's, never nil.
func buffer(a arrow.Array, i int) []byte {
	if b := a.Data().Buffers(); i < len(b) && b[i] != nil && b[i].Bytes() != nil {
		return b[i].Bytes()
	}
	return empty
}

// at is a row's text, nil where it has none.
func (t *texts) at(row int) []byte {
	if !t.there || !t.valid.at(row) {
		return nil
	}
	if t.index != nil {
		row = int(t.index[row])
		if !t.inner.at(row) {
			return nil
		}
	}
	switch {
	case t.short != nil:
		return t.content[t.short[row]:t.short[row+1]]
	case t.long != nil:
		return t.content[t.long[row]:t.long[row+1]]
	case t.width > 0:
		return t.content[row*t.width : (row+1)*t.width]
	}
	return empty // no offsets at all: arrow-go gives none where all values are empty
}

// same tells whether two rows have the same text, or none.
func (t *texts) same(a, b int) bool {
	if !t.there {
		return true
	}
	if t.index != nil && t.index[a] == t.index[b] && t.valid.at(a) && t.valid.at(b) {
		return true
	}
	x, y := t.at(a), t.at(b)
	return (x == nil) == (y == nil) && bytes.Equal(x, y)
}

// sameText is same where no text and an empty one are the same: what is compared is what a
// required column holds.
func (t *texts) sameText(a, b int) bool {
	if !t.there {
		return true
	}
	if t.index != nil && t.index[a] == t.index[b] && t.valid.at(a) && t.valid.at(b) {
		return true
	}
	return bytes.Equal(t.at(a), t.at(b))
}

// lists is a column of lists of numbers.
type lists struct {
	valid   bits
	offsets []int32
	values  numbers
}

// of gives a row's numbers.
func (l *lists) of(row int) []uint64 {
	if l.offsets == nil || !l.valid.at(row) {
		return nil
	}
	return l.values.v[l.offsets[row]:l.offsets[row+1]]
}

func (d *decoder) lists(c *columns, name string, of family) lists {
	if c == nil {
		return lists{}
	}
	found, _ := c.find(name)
	if found == nil {
		return lists{}
	}
	list, ok := found.(*array.List)
	if !ok {
		d.wrongType(c, name, found)
		return lists{}
	}
	values, ok := d.widen(list.ListValues(), of)
	if !ok {
		d.wrongType(c, name, found)
	}
	return lists{valid: validity(list), offsets: list.Offsets(), values: values}
}
