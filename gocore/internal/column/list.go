package column

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// List is a column of lists: of one column, of structs, or a map, as the Arrow type
// that Data is given says. A row is made by appending to all children and then Close.
type List struct {
	Children []Column
	ends     ends
	valid    validity
}

// Close ends the row: what was appended to the children since the last one is its list.
func (c *List) Close() {
	c.ends.add(int32(c.Children[0].Len())) // batches are sealed far below 2 GiB
	c.valid.valid()
}

// CloseNull ends the row with a null; nothing may have been appended for it.
func (c *List) CloseNull() { c.AppendNulls(1) }

// AppendNulls adds n rows that are null.
func (c *List) AppendNulls(n int) {
	c.valid.nullN(c.ends.len(), n)
	c.ends.addN(n)
}

// RepeatLast adds the last row n times more.
func (c *List) RepeatLast(n int) { c.Repeat(c.Len()-1, c.Len(), n) }

// Start is where the row that is being made begins in the children.
func (c *List) Start() int { return int(c.ends.last()) }

// Range is where a row lies in the children.
func (c *List) Range(row int) (from, to int) {
	return int(c.ends.start(row)), int(c.ends.end(row))
}

// Len is the number of rows.
func (c *List) Len() int { return c.ends.len() }

// Truncate keeps the first n rows and what they hold.
func (c *List) Truncate(n int) {
	c.ends.truncate(n)
	c.valid.truncate(n)
	for _, child := range c.Children {
		child.Truncate(int(c.ends.last()))
	}
}

// Reset empties the column and its children.
func (c *List) Reset() {
	c.ends.truncate(0)
	c.valid.reset()
	for _, child := range c.Children {
		child.Reset()
	}
}

// Data is the column as Arrow list or map data.
func (c *List) Data(t arrow.DataType) arrow.ArrayData {
	buffers := []*memory.Buffer{c.valid.buffer(), c.ends.buffer()}
	children := []arrow.ArrayData{c.elements(t.(arrow.ListLikeType).Elem())}
	return array.NewData(t, c.Len(), buffers, children, c.valid.nulls, 0)
}

func (c *List) elements(t arrow.DataType) arrow.ArrayData {
	structs, ok := t.(*arrow.StructType)
	if !ok {
		return c.Children[0].Data(t)
	}
	fields := make([]arrow.ArrayData, len(c.Children))
	for i, child := range c.Children {
		fields[i] = child.Data(structs.Field(i).Type)
	}
	return array.NewData(t, c.Children[0].Len(), []*memory.Buffer{nil}, fields, 0, 0)
}

// Repeat adds the rows [from, to), none of them null, n times more.
func (c *List) Repeat(from, to, n int) {
	start, end := int(c.ends.start(from)), int(c.ends.start(to))
	c.ends.repeat(from, to, n)
	c.valid.validN((to - from) * n)
	if start == end {
		return
	}
	for _, child := range c.Children {
		child.(repeater).Repeat(start, end, n)
	}
}

// repeater is a column whose rows can be added once more.
type repeater interface{ Repeat(from, to, n int) }

// repeat appends s[from:to] n times, twice as much with every copy.
func repeat[T any](s []T, from, to, n int) []T {
	added, size := len(s), (to-from)*n
	s = room(s, size)[:added+size]
	for done := copy(s[added:], s[from:to]); done < size; {
		done += copy(s[added+done:], s[added:added+done])
	}
	return s
}
