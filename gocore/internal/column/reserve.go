package column

import "math/bits"

// Held is as in Column.
func (c *Fixed[T]) Held(to []int) []int { return append(to, len(c.vals), c.valid.held()) }

// Reserve is as in Column.
func (c *Fixed[T]) Reserve(held []int) []int {
	c.vals = spare(c.vals, held[0])
	c.valid.reserve(held[1])
	return held[2:]
}

// Held is as in Column.
func (c *Bool) Held(to []int) []int { return append(to, len(c.bits.bits), c.valid.held()) }

// Reserve is as in Column.
func (c *Bool) Reserve(held []int) []int {
	c.bits.bits = spare(c.bits.bits, held[0])
	c.valid.reserve(held[1])
	return held[2:]
}

// Held is as in Column.
func (c *Binary) Held(to []int) []int { return append(to, len(c.data), c.valid.held()) }

// Reserve is as in Column.
func (c *Binary) Reserve(held []int) []int {
	c.data = spare(c.data, held[0])
	c.valid.reserve(held[1])
	return held[2:]
}

// Held is as in Column.
func (c *Text) Held(to []int) []int {
	return c.Dict.held(append(to, len(c.indices), c.valid.held()))
}

// Reserve is as in Column.
func (c *Text) Reserve(held []int) []int {
	c.indices = spare(c.indices, held[0])
	c.valid.reserve(held[1])
	return c.Dict.reserve(held[2:])
}

// Held is as in Column.
func (c *Plain) Held(to []int) []int { return append(to, c.ends.len(), len(c.data)) }

// Reserve is as in Column.
func (c *Plain) Reserve(held []int) []int {
	c.ends.room(withSpare(held[0]))
	c.data = spare(c.data, held[1])
	return held[2:]
}

// Held is as in Column.
func (c *List) Held(to []int) []int {
	to = append(to, c.ends.len(), c.valid.held())
	for _, child := range c.Children {
		to = child.Held(to)
	}
	return to
}

// Reserve is as in Column.
func (c *List) Reserve(held []int) []int {
	c.ends.room(withSpare(held[0]))
	c.valid.reserve(held[1])
	held = held[2:]
	for _, child := range c.Children {
		held = child.Reserve(held)
	}
	return held
}

// Held is as in Column; what is owed has no buffer yet.
func (c *Late) Held(to []int) []int { return c.Column.Held(to) }

// Reserve is as in Column.
func (c *Late) Reserve(held []int) []int { return c.Column.Reserve(held) }

// held leaves the slots out, which stay as many as there ever were: what texts need follows from them.
func (d *Dict) held(to []int) []int {
	return append(to, len(d.hashes), len(d.stable), len(d.data))
}

func (d *Dict) reserve(held []int) []int {
	if n := held[0]; n > 0 {
		d.begin(1 << bits.Len(uint(2*withSpare(n)-1)))
		d.hashes, d.stable = spare(d.hashes, n), spare(d.stable, held[1])
		d.offsets = spare(d.offsets, n)
		d.data = spare(d.data, held[2])
	}
	return held[3:]
}

func (v *validity) held() int {
	if !v.active {
		return 0
	}
	return len(v.bits)
}

func (v *validity) reserve(n int) { v.bits = spare(v.bits, n) }

// withSpare is a little more than n: the next batch is not of quite the same size.
func withSpare(n int) int { return n + n/8 }

// spare is room for n values and some more; none where there are none.
func spare[T any](s []T, n int) []T { return room(s, withSpare(n)) }
