package column

import (
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Plain is a column of texts without a dictionary: what stands directly inside lists.
type Plain struct {
	ends ends
	data []byte
}

// Append adds a text.
func (c *Plain) Append(text []byte) error {
	if !utf8.Valid(text) {
		return ErrUTF8
	}
	if len(c.data)+len(text) > math.MaxInt32 {
		return ErrFull
	}
	pushAll(&c.data, text)
	c.ends.add(int32(len(c.data))) // checked
	return nil
}

// Len is the number of texts.
func (c *Plain) Len() int { return c.ends.len() }

// Truncate keeps the first n texts.
func (c *Plain) Truncate(n int) {
	c.ends.truncate(n)
	c.data = c.data[:c.ends.last()]
}

// Reset empties the column.
func (c *Plain) Reset() { c.Truncate(0) }

// Data is the column as Arrow utf8 data.
func (c *Plain) Data(t arrow.DataType) arrow.ArrayData {
	buffers := []*memory.Buffer{nil, c.ends.buffer(), buffer(c.data)}
	return array.NewData(t, c.Len(), buffers, nil, 0, 0)
}

// Repeat adds the texts [from, to) n times more.
func (c *Plain) Repeat(from, to, n int) {
	start, end := int(c.ends.start(from)), int(c.ends.start(to))
	c.ends.repeat(from, to, n)
	c.data = repeat(c.data, start, end, n)
}
