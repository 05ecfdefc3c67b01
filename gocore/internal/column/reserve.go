package column

import "hash/maphash"

// Held is as in Column.
func (c *Fixed[T]) Held(to []int) []int { return append(to, len(c.vals), c.valid.held()) }

// Reserve is as in Column.
func (c *Fixed[T]) Reserve(held []int) []int {
	c.vals = room(c.vals, held[0])
	c.valid.reserve(held[1])
	return held[2:]
}

// Held is as in Column.
func (c *Bool) Held(to []int) []int { return append(to, len(c.bits.bits), c.valid.held()) }

// Reserve is as in Column.
func (c *Bool) Reserve(held []int) []int {
	c.bits.bits = room(c.bits.bits, held[0])
	c.valid.reserve(held[1])
	return held[2:]
}

// Held is as in Column.
func (c *Binary) Held(to []int) []int { return append(to, len(c.data), c.valid.held()) }

// Reserve is as in Column.
func (c *Binary) Reserve(held []int) []int {
	c.data = room(c.data, held[0])
	c.valid.reserve(held[1])
	return held[2:]
}

// Held is as in Column.
func (c *Text) Held(to []int) []int {
	return c.Dict.held(append(to, len(c.indices), c.valid.held()))
}

// Reserve is as in Column.
func (c *Text) Reserve(held []int) []int {
	c.indices = room(c.indices, held[0])
	c.valid.reserve(held[1])
	return c.Dict.reserve(held[2:])
}

// Held is as in Column.
func (c *Plain) Held(to []int) []int { return append(to, c.ends.len(), len(c.data)) }

// Reserve is as in Column.
func (c *Plain) Reserve(held []int) []int {
	c.ends.room(held[0])
	c.data = room(c.data, held[1])
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
	c.ends.room(held[0])
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

func (d *Dict) held(to []int) []int {
	return append(to, len(d.slots), len(d.hashes), len(d.stable), len(d.data))
}

func (d *Dict) reserve(held []int) []int {
	if held[0] > 0 {
		d.slots, d.seed = make([]uint32, held[0]), maphash.MakeSeed()
		d.hashes, d.stable = room(d.hashes, held[1]), room(d.stable, held[2])
		d.offsets = append(room(d.offsets, held[1]+1), 0)
		d.data = room(d.data, held[3])
	}
	return held[4:]
}

func (v *validity) held() int {
	if !v.active {
		return 0
	}
	return len(v.bits)
}

func (v *validity) reserve(n int) { v.bits = room(v.bits, n) }
