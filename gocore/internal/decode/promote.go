package decode

import (
	"slices"
	"strconv"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// promoter fills the columns that are typed copies of a map's attributes, from the row in the
// map: so a repeated key's last value counts.
type promoter struct {
	columns []promotedColumn
	keys    []string // of all columns
	slots   []int32  // by key index: where it is in keys, +1; 0 is not looked up yet, none is no key of ours
	cuts    uint32   // of the keys when slots were true
	found   []int    // by place in keys: the entry in the present row, -1 for none
}

const none = -1

// promotedColumn is a column with the places of its attribute's names in the promoter's keys.
type promotedColumn struct {
	promoted
	key, former int // former is -1 where there is no older name
}

// promoted is a column that takes a copy of an attribute.
type promoted interface {
	// take appends the value n times; text is the map's, which null says is none.
	take(letter byte, text []byte, n int) error
	takeNulls(n int)
}

// add makes a promotion's column.
func (p *promoter) add(named *columns, what schema.Promotion) {
	col := promotedColumn{newPromoted(named, what), p.addKey(what.Attribute), -1}
	if what.Former != "" {
		col.former = p.addKey(what.Former)
	}
	p.columns = append(p.columns, col)
}

// addKey gives a name's place; an older name of one column may be the name of another.
func (p *promoter) addKey(name string) int {
	if at := slices.Index(p.keys, name); at >= 0 {
		return at
	}
	p.keys, p.found = append(p.keys, name), append(p.found, -1)
	return len(p.keys) - 1
}

func newPromoted(named *columns, what schema.Promotion) promoted {
	switch what.Kind {
	case 'i':
		c := &promotedInt{}
		named.add(what.Column, &c.col)
		return c
	case 'd':
		c := &promotedDouble{}
		named.add(what.Column, &c.col)
		return c
	case 'b':
		c := &promotedBool{}
		named.add(what.Column, &c.col)
		return c
	default:
		c := &promotedText{any: what.Kind == schema.Any}
		named.add(what.Column, &c.col)
		return c
	}
}

// fill appends the present row's values n times.
func (p *promoter) fill(a *attrs, n int) error {
	if len(p.columns) == 0 || n == 0 {
		return nil
	}
	for i := range p.found {
		p.found[i] = -1
	}
	for i := a.from; i < a.to; i++ {
		key, _ := a.keys.IndexAt(i)
		if slot := p.slot(a, key); slot != none {
			p.found[slot-1] = i
		}
	}
	for _, col := range p.columns {
		entry := p.found[col.key]
		if entry < 0 && col.former >= 0 {
			entry = p.found[col.former]
		}
		if entry < 0 {
			col.takeNulls(n)
			continue
		}
		if err := p.copyTo(col.promoted, a, entry, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *promoter) copyTo(col promoted, a *attrs, entry, n int) error {
	index, null := a.values.IndexAt(entry)
	if null {
		col.takeNulls(n)
		return nil
	}
	return col.take(a.letters[entry-a.from], a.values.Dict.Text(index), n)
}

// slot finds which of our keys a key is, and remembers it by the key's index.
func (p *promoter) slot(a *attrs, key int32) int32 {
	if cuts := a.keys.Dict.Cuts(); cuts != p.cuts {
		p.slots, p.cuts = p.slots[:0], cuts
	}
	for int(key) >= len(p.slots) {
		p.slots = append(p.slots, 0)
	}
	if p.slots[key] == 0 {
		p.slots[key] = none
		for i, wanted := range p.keys {
			if string(a.keys.Dict.Text(key)) == wanted {
				p.slots[key] = int32(i + 1)
			}
		}
	}
	return p.slots[key]
}

type promotedText struct {
	col   column.Text
	guess int32
	any   bool // values of other types too, as their text
}

func (c *promotedText) takeNulls(n int) { c.col.AppendNulls(n) }

func (c *promotedText) take(letter byte, text []byte, n int) (err error) {
	if letter != 's' && !c.any {
		c.takeNulls(n)
		return nil
	}
	if c.guess, err = likely(&c.col, c.guess, text); err == nil {
		c.col.AppendIndexN(c.guess, n)
	}
	return err
}

type promotedInt struct{ col column.Fixed[int64] }

func (c *promotedInt) takeNulls(n int) { c.col.AppendNulls(n) }

func (c *promotedInt) take(letter byte, text []byte, n int) error {
	if v, err := strconv.ParseInt(string(text), 10, 64); letter == 'i' && err == nil {
		c.col.AppendN(v, n)
	} else {
		c.takeNulls(n)
	}
	return nil
}

type promotedDouble struct{ col column.Fixed[float64] }

func (c *promotedDouble) takeNulls(n int) { c.col.AppendNulls(n) }

func (c *promotedDouble) take(letter byte, text []byte, n int) error {
	if v, err := strconv.ParseFloat(string(text), 64); letter == 'd' && err == nil {
		c.col.AppendN(v, n)
	} else {
		c.takeNulls(n)
	}
	return nil
}

type promotedBool struct{ col column.Bool }

func (c *promotedBool) takeNulls(n int) { c.col.AppendNulls(n) }

func (c *promotedBool) take(letter byte, text []byte, n int) error {
	if letter == 'b' {
		c.col.AppendN(string(text) == "true", n)
	} else {
		c.takeNulls(n)
	}
	return nil
}
