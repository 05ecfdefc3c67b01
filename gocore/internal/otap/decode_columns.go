package otap

import (
	"fmt"
	"math"
)

// columns are a record's, or a struct column's.
type columns struct {
	of    string
	all   []column
	rows  int
	valid validBits
}

// find gives a column, nil when there is none.
func (c *columns) find(name string) *column {
	for i := range c.all {
		if c.all[i].name == name {
			return &c.all[i]
		}
	}
	return nil
}

// group gives a struct column's fields, nil when there is none.
func (d *decoder) group(c *columns, name string) *columns {
	found := c.find(name)
	if found == nil {
		return nil
	}
	if found.typ.kind != fbStruct || found.dict != nil {
		d.wrongType(found)
		return nil
	}
	valid, ok := d.valid(c, found)
	if !ok {
		return nil
	}
	return &columns{of: found.path, all: found.children, rows: found.rows, valid: valid}
}

func (d *decoder) wrongType(c *column) { d.fail(c.path, fmt.Errorf("is of type %s", c.typ)) }

// valid gives a column's validity, and is false when it has too few rows, or is damaged.
func (d *decoder) valid(of *columns, c *column) (validBits, bool) {
	if c.rows < of.rows {
		d.fail(c.path, fmt.Errorf("has %d rows of %d", c.rows, of.rows))
		return validBits{}, false
	}
	valid, err := d.in.valid(c)
	if err != nil {
		d.fail(c.path, err)
	}
	return valid, err == nil
}

// numbers is a column of numbers, dictionary or plain, of any width: signed ones extended,
// doubles as their bits. A null is 0.
type numbers struct {
	v     []uint64 // empty when there is no such column
	valid validBits
}

// at is a row's number, 0 where it has none.
func (n *numbers) at(row int) uint64 {
	if row < len(n.v) {
		return n.v[row]
	}
	return 0
}

// has tells whether a row has a number.
func (n *numbers) has(row int) bool { return row < len(n.v) && n.valid.at(row) }

// same tells whether a row has the number of the row before it, or both have none.
func (n *numbers) same(row int) bool {
	return n.v == nil || n.v[row] == n.v[row-1] && (n.valid.bitmap == nil || n.has(row) == n.has(row-1))
}

// family is what a column's numbers may be.
type family uint8

const (
	integers family = iota
	moments         // int64 nanoseconds, with or without a type that says so
	doubles
	booleans
)

// numbers reads a column; one that is not there has no number in any row.
func (d *decoder) numbers(c *columns, name string, of family) numbers {
	if c == nil {
		return numbers{}
	}
	found := c.find(name)
	if found == nil {
		return numbers{}
	}
	valid, ok := d.valid(c, found)
	if !ok {
		return numbers{}
	}
	if !found.typ.fits(of) {
		d.wrongType(found)
		return numbers{}
	}
	n := numbers{d.some(found.rows), valid}
	if err := d.widen(found, n.v, valid, 0); err != nil {
		d.fail(found.path, err)
	}
	return n
}

// widen gives the numbers of a column, or what its dictionary has in their place.
func (d *decoder) widen(c *column, out []uint64, valid validBits, none uint64) error {
	data, err := d.in.part(c, 1)
	if err != nil {
		return err
	}
	if c.dict == nil {
		err = c.typ.spread(out, data)
	} else if err = c.index.spread(out, data); err == nil {
		if bad := resolve(out, c.dict.words, none, valid); bad >= 0 {
			err = errRow(bad)
		}
	}
	if err == nil {
		valid.blank(out, none)
	}
	return err
}

// fits tells whether a type's numbers are of a family.
func (t valueType) fits(of family) bool {
	switch of {
	case doubles:
		return t.kind == fbFloat && t.width == 8
	case booleans:
		return t.kind == fbBool
	case moments:
		if t.kind == fbDuration && t.unit == fbMillisecond { // otel-arrow/go v0.24.0 says so of nanoseconds
			return true
		}
		return (t.kind == fbTimestamp || t.kind == fbDuration) && t.unit == fbNanosecond || t.kind == fbInt && t.width == 8
	}
	return t.kind == fbInt && t.width > 0
}

// texts is a column of texts, bytes or ids, dictionary or plain.
type texts struct {
	there   bool
	dict    bool
	spans   []uint64 // of content, noSpan where a row has none
	content []byte
}

var empty = make([]byte, 0)

// texts reads a column; one that is not there has no text in any row. width is the values' when
// they have one, else 0.
func (d *decoder) texts(c *columns, name string, width int) texts {
	if c == nil {
		return texts{}
	}
	found := c.find(name)
	if found == nil {
		return texts{}
	}
	valid, ok := d.valid(c, found)
	if !ok {
		return texts{}
	}
	if !found.typ.isText() || found.typ.kind == fbFixedBinary && found.typ.width != width {
		d.wrongType(found)
		return texts{}
	}
	t := texts{there: true, dict: found.dict != nil, spans: d.some(found.rows)}
	var err error
	if t.dict {
		t.content = found.dict.content
		err = d.widen(found, t.spans, valid, noSpan)
	} else if t.content, err = d.in.texts(found, t.spans, valid); err == nil {
		valid.blank(t.spans, noSpan)
	}
	if err != nil {
		d.fail(found.path, err)
		return texts{}
	}
	if t.content == nil {
		t.content = empty
	}
	return t
}

// at is a row's text, nil where it has none.
func (t *texts) at(row int) []byte {
	if row >= len(t.spans) || t.spans[row] == noSpan {
		return nil
	}
	s := t.spans[row]
	return t.content[s>>32:][:uint32(s)]
}

// same tells whether a row has the text of the row before it, or both have none.
func (t *texts) same(row int) bool {
	return t.spans == nil || t.spans[row] == t.spans[row-1] || t.equal(row) && t.none(row) == t.none(row-1)
}

// sameText is same where no text and an empty one are the same: what is compared is what a
// required column holds.
func (t *texts) sameText(row int) bool {
	return t.spans == nil || t.spans[row] == t.spans[row-1] || t.equal(row)
}

func (t *texts) none(row int) bool { return t.spans[row] == noSpan }

// equal compares the texts, which may stand twice in a dictionary. It is rare: inlined, it would
// keep those that call it from being that.
//
//go:noinline
func (t *texts) equal(row int) bool { return string(t.at(row)) == string(t.at(row-1)) }

// ranges are where each row's items lie in what a list column lists.
type ranges []uint64

// of gives a row's first item, and how many it has.
func (r ranges) of(row int) (from, n int) {
	if row >= len(r) || r[row] == noSpan {
		return 0, 0
	}
	return int(r[row] >> 32), int(uint32(r[row]))
}

// listed gives a list column's ranges.
func (d *decoder) listed(c *columns, found *column) (ranges, bool) {
	valid, ok := d.valid(c, found)
	if !ok {
		return nil, false
	}
	if found.typ.kind != fbList || found.dict != nil || len(found.children) != 1 {
		d.wrongType(found)
		return nil, false
	}
	offsets, err := d.in.part(found, 1)
	all := d.some(found.rows)
	switch {
	case err != nil:
	case len(offsets) > 0 && len(offsets)/4 <= found.rows:
		err = errShort
	case found.children[0].rows > math.MaxInt32:
		err = errContent
	default:
		if bad := spanTexts(all, offsets, 4, found.children[0].rows, 0, valid); bad >= 0 {
			err = errRow(bad)
		}
		valid.blank(all, noSpan)
	}
	if err != nil {
		d.fail(found.path, err)
	}
	return all, err == nil
}

// lists is a column of lists of numbers.
type lists struct {
	ranges ranges
	values numbers
}

// of gives a row's numbers.
func (l *lists) of(row int) []uint64 {
	from, n := l.ranges.of(row)
	return l.values.v[from : from+n]
}

func (d *decoder) lists(c *columns, name string, of family) lists {
	if c == nil {
		return lists{}
	}
	found := c.find(name)
	if found == nil {
		return lists{}
	}
	all, ok := d.listed(c, found)
	if !ok {
		return lists{}
	}
	item := &columns{of: found.path, all: found.children[:1], rows: found.children[0].rows}
	values := d.numbers(item, item.all[0].name, of)
	if d.err != nil {
		return lists{}
	}
	return lists{ranges: all, values: values}
}
