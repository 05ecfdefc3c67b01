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
	ends []int32
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
	c.data = append(c.data, text...)
	c.ends = append(c.ends, int32(len(c.data))) // checked
	return nil
}

// Len is the number of texts.
func (c *Plain) Len() int { return len(c.ends) }

// Truncate keeps the first n texts.
func (c *Plain) Truncate(n int) {
	c.ends = c.ends[:n]
	c.data = c.data[:last(c.ends)]
}

// Reset empties the column.
func (c *Plain) Reset() { c.ends, c.data = c.ends[:0], c.data[:0] }

// Data is the column as Arrow utf8 data.
func (c *Plain) Data(t arrow.DataType) arrow.ArrayData {
	buffers := []*memory.Buffer{nil, offsets(c.ends), buffer(c.data)}
	return array.NewData(t, len(c.ends), buffers, nil, 0, 0)
}

func last(ends []int32) int32 {
	if len(ends) == 0 {
		return 0
	}
	return ends[len(ends)-1]
}

// offsets is Arrow's form of the ends of variable-sized values.
func offsets(ends []int32) *memory.Buffer {
	all := make([]int32, len(ends)+1)
	copy(all[1:], ends)
	return buffer(all)
}

// Repeat adds the texts [from, to) n times more.
func (c *Plain) Repeat(from, to, n int) {
	start, end := int(last(c.ends[:from])), int(last(c.ends[:to]))
	c.ends = repeatEnds(c.ends, from, to, n)
	c.data = repeat(c.data, start, end, n)
}
