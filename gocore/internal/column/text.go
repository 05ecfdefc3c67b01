package column

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Text is a dictionary-encoded column of texts. Neighbouring rows often repeat a
// text, so the last index is tried before the table.
type Text struct {
	Dict    Dict
	indices []int32
	valid   validity
	last    int32
}

// Append adds a text.
func (c *Text) Append(text []byte) error {
	i, err := c.Index(text)
	if err != nil {
		return err
	}
	c.AppendIndex(i)
	return nil
}

// Index finds or adds a text without a row for it.
func (c *Text) Index(text []byte) (int32, error) {
	if int(c.last) < c.Dict.Len() && bytes.Equal(c.Dict.Text(c.last), text) {
		return c.last, nil
	}
	i, err := c.Dict.Index(text)
	if err == nil {
		c.last = i
	}
	return i, err
}

// AppendIndex adds a row for a text that Index gave.
func (c *Text) AppendIndex(i int32) {
	push(&c.indices, i)
	c.valid.valid()
}

// AppendIndexN adds n rows for a text that Index gave.
func (c *Text) AppendIndexN(i int32, n int) {
	c.indices = appendN(c.indices, i, n)
	c.valid.validN(n)
}

// AppendNulls adds n nulls.
func (c *Text) AppendNulls(n int) {
	c.valid.nullN(len(c.indices), n)
	c.indices = appendN(c.indices, 0, n)
}

// AppendNull adds a null.
func (c *Text) AppendNull() {
	c.valid.null(len(c.indices))
	push(&c.indices, 0)
}

// IndexAt is the index of a row, and whether it is null.
func (c *Text) IndexAt(row int) (int32, bool) { return c.indices[row], c.valid.isNull(row) }

// Copy moves a row's index onto an earlier row of the column.
func (c *Text) Copy(to, from int) {
	null := c.valid.isNull(from)
	if null != c.valid.isNull(to) {
		c.valid.set(to, !null)
	}
	c.indices[to] = c.indices[from]
}

// Repeat adds the rows [from, to) n times more.
func (c *Text) Repeat(from, to, n int) {
	c.indices = repeat(c.indices, from, to, n)
	for range n {
		c.valid.repeat(from, to)
	}
}

// Len is the number of rows.
func (c *Text) Len() int { return len(c.indices) }

// Truncate keeps the first n rows; texts that only later rows use stay, see Mark.
func (c *Text) Truncate(n int) {
	c.indices = c.indices[:n]
	c.valid.truncate(n)
}

// Reset empties the column and its dictionary.
func (c *Text) Reset() {
	c.Dict.Reset()
	c.indices = c.indices[:0]
	c.valid.reset()
	c.last = 0
}

// Data is the column as Arrow dictionary data.
func (c *Text) Data(t arrow.DataType) arrow.ArrayData {
	dict := c.Dict.array()
	buffers := []*memory.Buffer{c.valid.buffer(), buffer(c.indices)}
	return array.NewDataWithDictionary(t, len(c.indices), buffers, c.valid.nulls, 0, dict.(*array.Data))
}
