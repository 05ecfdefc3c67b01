package column

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Number is a value of fixed width that Arrow stores as Go does.
type Number interface {
	~int32 | ~uint32 | ~int64 | ~uint64 | ~float64
}

// Fixed is a column of numbers or timestamps.
type Fixed[T Number] struct {
	vals  []T
	valid validity
}

// Append adds a value.
func (c *Fixed[T]) Append(v T) {
	push(&c.vals, v)
	c.valid.valid()
}

// AppendNull adds a null.
func (c *Fixed[T]) AppendNull() {
	c.valid.null(len(c.vals))
	push(&c.vals, 0)
}

// AppendIf adds the value, or a null unless it is set.
func (c *Fixed[T]) AppendIf(v T, set bool) {
	if set {
		c.Append(v)
	} else {
		c.AppendNull()
	}
}

// AppendN adds a value n times.
func (c *Fixed[T]) AppendN(v T, n int) {
	c.vals = appendN(c.vals, v, n)
	c.valid.validN(n)
}

// AppendNulls adds n nulls.
func (c *Fixed[T]) AppendNulls(n int) {
	c.valid.nullN(len(c.vals), n)
	c.vals = appendZeros(c.vals, n)
}

// AppendPacked adds eight-byte values as they are in memory, which is how protobuf packs them.
func (c *Fixed[T]) AppendPacked(packed []byte) {
	from := len(c.vals)
	c.vals = room(c.vals, len(packed)/8)[:from+len(packed)/8]
	copy(bytesOf(c.vals[from:]), packed)
	c.valid.validN(len(packed) / 8)
}

// Len is the number of values.
func (c *Fixed[T]) Len() int { return len(c.vals) }

// Truncate keeps the first n values.
func (c *Fixed[T]) Truncate(n int) {
	c.vals = c.vals[:n]
	c.valid.truncate(n)
}

// Reset empties the column.
func (c *Fixed[T]) Reset() {
	c.vals = c.vals[:0]
	c.valid.reset()
}

// Data is the column as Arrow data.
func (c *Fixed[T]) Data(t arrow.DataType) arrow.ArrayData {
	buffers := []*memory.Buffer{c.valid.buffer(), buffer(c.vals)}
	return array.NewData(t, len(c.vals), buffers, nil, c.valid.nulls, 0)
}

// Bool is a column of booleans, a bit each.
type Bool struct {
	bits  bitmap
	valid validity
}

// AppendN adds a value n times.
func (c *Bool) AppendN(v bool, n int) {
	c.bits.pushN(v, n)
	c.valid.validN(n)
}

// AppendNulls adds n nulls.
func (c *Bool) AppendNulls(n int) {
	c.valid.nullN(c.bits.len, n)
	c.bits.pushN(false, n)
}

// Len is the number of values.
func (c *Bool) Len() int { return c.bits.len }

// Truncate keeps the first n values.
func (c *Bool) Truncate(n int) {
	c.bits.truncate(n)
	c.valid.truncate(n)
}

// Reset empties the column.
func (c *Bool) Reset() {
	c.bits.reset()
	c.valid.reset()
}

// Data is the column as Arrow data.
func (c *Bool) Data(t arrow.DataType) arrow.ArrayData {
	buffers := []*memory.Buffer{c.valid.buffer(), memory.NewBufferBytes(c.bits.bits)}
	return array.NewData(t, c.bits.len, buffers, nil, c.valid.nulls, 0)
}

// Binary is a column of byte strings of one width, such as ids.
type Binary struct {
	Width int
	data  []byte
	valid validity
}

var zeros [16]byte

// AppendOrNull adds a value of the column's width, or a null for an empty one.
func (c *Binary) AppendOrNull(v []byte) {
	if len(v) != c.Width {
		c.valid.null(c.Len())
		pushAll(&c.data, zeros[:c.Width])
		return
	}
	pushAll(&c.data, v)
	c.valid.valid()
}

// Len is the number of values.
func (c *Binary) Len() int { return len(c.data) / c.Width }

// Truncate keeps the first n values.
func (c *Binary) Truncate(n int) {
	c.data = c.data[:n*c.Width]
	c.valid.truncate(n)
}

// Reset empties the column.
func (c *Binary) Reset() {
	c.data = c.data[:0]
	c.valid.reset()
}

// Data is the column as Arrow data.
func (c *Binary) Data(t arrow.DataType) arrow.ArrayData {
	buffers := []*memory.Buffer{c.valid.buffer(), buffer(c.data)}
	return array.NewData(t, c.Len(), buffers, nil, c.valid.nulls, 0)
}
