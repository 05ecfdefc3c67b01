package column

import "github.com/apache/arrow-go/v18/arrow"

// Late is a column that most rows, and often all, leave null, such as what only exponential
// histograms have. It counts nulls instead of adding them, until a value follows or the column
// is taken: then Settle adds all of them at once.
type Late struct {
	Column interface {
		Column
		AppendNulls(n int)
	}
	owed int
}

// AppendNulls adds n nulls.
func (c *Late) AppendNulls(n int) { c.owed += n }

// Settle adds what is owed; it comes before values are appended to Column.
func (c *Late) Settle() {
	if c.owed > 0 {
		c.Column.AppendNulls(c.owed)
		c.owed = 0
	}
}

// Len is the number of values, owed nulls among them.
func (c *Late) Len() int { return c.Column.Len() + c.owed }

// Truncate keeps the first n values.
func (c *Late) Truncate(n int) {
	held := c.Column.Len()
	if n < held {
		c.Column.Truncate(n)
	}
	c.owed = max(0, n-held)
}

// Reset empties the column.
func (c *Late) Reset() {
	c.Column.Reset()
	c.owed = 0
}

// Data is the column as Arrow data.
func (c *Late) Data(t arrow.DataType) arrow.ArrayData {
	c.Settle()
	return c.Column.Data(t)
}
