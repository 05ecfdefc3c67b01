package otap

import (
	"fmt"
	"math"
)

// Ids join a table's rows with those of the tables below it. On the wire they are
//
//	plain       as they are
//	delta       each is the sum of all up to it; nulls don't count
//	quasi-delta one in a run of rows that agree in what the table is sorted by is the
//	            difference to the one before, the first of a run is itself
//
// all modulo the column's width.

// ids reads an id column that is delta-encoded unless it says otherwise.
func (d *decoder) ids(c *columns, name string) numbers {
	n, plain, mask := d.rawIDs(c, name, encodingDelta)
	if plain {
		return n
	}
	sum := uint64(0)
	for i, delta := range n.v {
		sum += delta // 0 for a null
		n.v[i] = sum & mask
	}
	return n
}

// parents reads a parent_id column that is quasi-delta-encoded unless it says otherwise; same
// tells whether a row and the one before it are of one run. explicit tells whether the column
// says something.
func (d *decoder) parents(c *columns, same func(row int) bool) []uint64 {
	n, plain, mask := d.rawIDs(c, "parent_id", encodingQuasi)
	if len(n.v) == 0 && c.rows > 0 {
		d.fail(c.of, fmt.Errorf("has no column parent_id"))
		return nil
	}
	if plain {
		return n.v
	}
	for i := 1; i < len(n.v); i++ {
		if same(i) {
			n.v[i] = (n.v[i] + n.v[i-1]) & mask
		}
	}
	return n.v
}

// rawIDs reads an id column as it is, tells whether it is plain, and its width as a mask.
func (d *decoder) rawIDs(c *columns, name, usual string) (n numbers, plain bool, mask uint64) {
	if c == nil {
		return numbers{}, true, 0
	}
	n = d.numbers(c, name, integers)
	if len(n.v) == 0 {
		return n, true, 0
	}
	found := c.find(name)
	switch encoding := found.encoding; encoding {
	case encodingPlain:
		plain = true
	case "", usual:
	case encodingDelta: // of a parent: what the Go producer up to v0.24.0 calls its quasi-delta
	default:
		d.fail(c.of+"."+name, fmt.Errorf("has the encoding %.64q", encoding))
	}
	return n, plain, found.typ.mask()
}

// lax tells by an id column whether its table is of the Go producer, which says nothing of
// encodings, or delta, up to v0.24.0 also where it is quasi-delta.
func (c *columns) lax(id string) bool {
	found := c.find(id)
	return found == nil || found.encoding == "" || found.encoding == encodingDelta
}

// mask is what numbers of a type are cut to.
func (t valueType) mask() uint64 { return math.MaxUint64 >> (64 - 8*t.width) }

// children are a table's rows, or what stands for them, by the id of the row above.
type children struct {
	slots map[uint64]int // for ids far apart
	start []uint64       // start[s] to start[s+1] are slot s's places in rows
	rows  []uint64
}

// spreadLimit is how many times as far apart as there are rows ids may be before their slots
// are looked up.
const spreadLimit = 4

// children sorts rows by their parents, in a row of counters: two passes, nothing allocated. What
// stands for the rows are their numbers, or else these.
func (d *decoder) children(parents, rows []uint64) children {
	var c children
	most := uint64(0)
	for _, p := range parents {
		most = max(most, p)
	}
	if most > uint64(spreadLimit*len(parents)+1<<10) {
		most = c.lookUp(parents)
	}
	c.start, c.rows = d.some(int(most)+3), d.some(len(parents))
	clear(c.start)
	for _, p := range parents { // two ahead: filling moves each start to the next one's
		c.start[c.slot(p)+2]++
	}
	for i := 1; i < len(c.start); i++ {
		c.start[i] += c.start[i-1]
	}
	for row, p := range parents {
		at := &c.start[c.slot(p)+1]
		c.rows[*at] = uint64(row)
		if rows != nil {
			c.rows[*at] = rows[row]
		}
		*at++
	}
	return c
}

// lookUp gives each id a slot, and how many there are.
func (c *children) lookUp(parents []uint64) uint64 {
	c.slots = make(map[uint64]int)
	for _, p := range parents {
		if _, known := c.slots[p]; !known {
			c.slots[p] = len(c.slots)
		}
	}
	return uint64(len(c.slots))
}

func (c *children) slot(id uint64) int {
	if c.slots == nil {
		return int(id)
	}
	return c.slots[id]
}

// of gives the rows below an id, in their order.
func (c *children) of(id uint64) []uint64 {
	slot := int(id)
	if c.slots != nil {
		found, known := c.slots[id]
		if !known {
			return nil
		}
		slot = found
	} else if id >= uint64(max(len(c.start), 2)-2) {
		return nil
	}
	return c.rows[c.start[slot]:c.start[slot+1]]
}
