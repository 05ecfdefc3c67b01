package decode

import (
	"bytes"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// attrs is a column of attribute maps with the column of their types. A row is made by
// begin, add for each KeyValue and finish; close or closeN then ends it in the columns.
type attrs struct {
	table  *Table
	name   string // the column, for duplicate_attributes
	field  string // the field in errors
	list   column.List
	keys   column.Text
	values column.Text
	types  column.Text

	letters []byte  // of the present row
	typesAt int32   // their index
	dups    []byte  // JSON objects of the present row's earlier values, comma-separated
	guesses []guess // what each place held last: the next row is often alike
	ints    [256]intText
	seen    []uint32 // by key index: the last row that had it
	stamp   uint32
	repeats bool // the present row has a key twice
	from    int  // where the present row lies in keys and values
	to      int
}

type guess struct {
	key, value int32
	same       bool // the last value was that of the row before
}

const (
	attrCost   = 16   // about what an entry takes in its columns, with their slack
	maxGuesses = 1024 // entries of a map that are worth a guess
)

// intText remembers the index of a number's text, see column.Dict.Cuts.
type intText struct {
	value int64
	index int32 // + 1
	cuts  uint32
}

func (a *attrs) bind(t *Table, name, field string) {
	a.table, a.name, a.field = t, name, field
	a.list.Children = []column.Column{&a.keys, &a.values}
}

func (a *attrs) begin() {
	a.letters, a.dups, a.repeats = a.letters[:0], a.dups[:0], false
	a.from = a.list.Start()
	a.stamp++
	if a.stamp == 0 { // after 2^32 rows stamps would look alike
		clear(a.seen)
		a.stamp = 1
	}
}

// size is the entries of the present row.
func (a *attrs) size() int { return a.to - a.from }

// add reads KeyValue { string key = 1; AnyValue value = 2 }.
func (a *attrs) add(b []byte) error {
	place := len(a.letters)
	if err := a.table.grow(attrCost); err != nil {
		return err
	}
	key, value, has, err := a.table.Stats.keyValue(b)
	if err != nil {
		return at(a.field, place, err)
	}
	g := a.guess(place)
	if g.key, err = likely(&a.keys, g.key, key); err != nil {
		return at(a.field, place, in("key", err))
	}
	a.noteKey(g.key)
	a.keys.AppendIndex(g.key)
	if !has {
		a.letters = append(a.letters, '-')
		a.values.AppendNull()
		return nil
	}
	if err := a.value(g, value); err != nil {
		return at(a.field, place, in("value", err))
	}
	return nil
}

func (a *attrs) guess(place int) *guess {
	if place < len(a.guesses) {
		return &a.guesses[place]
	}
	if place < maxGuesses {
		a.guesses = append(a.guesses, guess{})
		return &a.guesses[place]
	}
	return &a.guesses[maxGuesses-1]
}

// likely is Index that tries the text which stood in this place before.
func likely(col *column.Text, guess int32, text []byte) (int32, error) {
	if int(guess) < col.Dict.Len() && bytes.Equal(col.Dict.Text(guess), text) {
		return guess, nil
	}
	return col.Dict.Index(text)
}

func (a *attrs) noteKey(key int32) {
	for int(key) >= len(a.seen) {
		a.seen = append(a.seen, 0)
	}
	if a.seen[key] == a.stamp {
		a.repeats = true
	}
	a.seen[key] = a.stamp
}

func (a *attrs) value(g *guess, b []byte) error {
	if text, ok := shortString(b); ok {
		return a.text('s', g, text)
	}
	if v, ok := shortInt(b); ok {
		return a.integer(v)
	}
	v, err := a.table.Stats.anyValue(b)
	if err != nil {
		return err
	}
	switch v.kind {
	case 's':
		return a.text('s', g, v.bytes)
	case 'i':
		return a.integer(int64(v.number)) // int64 on the wire
	case 'n':
		a.letters = append(a.letters, 'n')
		a.values.AppendNull()
		return nil
	}
	text, err := a.table.textOf(v)
	if err != nil {
		return err
	}
	return a.text(v.kind, g, text)
}

// shortString is the text of an AnyValue that is just a string of under 128 bytes, as most are.
func shortString(b []byte) ([]byte, bool) {
	if len(b) >= 2 && b[0] == anyString && b[1] < 0x80 && int(b[1]) == len(b)-2 {
		return b[2:], true
	}
	return nil, false
}

// shortInt is the number of an AnyValue that is just an int below 2^21, as most are.
func shortInt(b []byte) (int64, bool) {
	switch {
	case len(b) < 2 || b[0] != anyInt:
		return 0, false
	case len(b) == 2 && b[1] < 0x80:
		return int64(b[1]), true
	case len(b) == 3 && b[1] >= 0x80 && b[2] < 0x80:
		return int64(b[1]&0x7f) | int64(b[2])<<7, true
	case len(b) == 4 && b[1] >= 0x80 && b[2] >= 0x80 && b[3] < 0x80:
		return int64(b[1]&0x7f) | int64(b[2]&0x7f)<<7 | int64(b[3])<<14, true
	}
	return 0, false
}

func (a *attrs) text(kind byte, g *guess, text []byte) error {
	index, err := a.lookup(g, text)
	if err != nil {
		return err
	}
	g.same, g.value = index == g.value, index
	a.letters = append(a.letters, kind)
	a.values.AppendIndex(index)
	return nil
}

// lookup compares with the row before only where that was right the last time: a place's values
// are mostly all the same or all different.
func (a *attrs) lookup(g *guess, text []byte) (int32, error) {
	if g.same {
		return likely(&a.values, g.value, text)
	}
	return a.values.Dict.Index(text)
}

func (a *attrs) integer(v int64) error {
	known := &a.ints[byte(v)^byte(v>>8)]
	if cuts := a.values.Dict.Cuts(); known.index == 0 || known.value != v || known.cuts != cuts {
		a.table.scratch = appendInt(a.table.scratch[:0], v)
		index, err := a.values.Dict.Index(a.table.scratch)
		if err != nil {
			return err
		}
		*known = intText{v, index + 1, cuts}
	}
	a.letters = append(a.letters, 'i')
	a.values.AppendIndex(known.index - 1)
	return nil
}

// finish completes the row's values, types and duplicates; item is its index in events,
// links or exemplars, -1 elsewhere.
func (a *attrs) finish(item int) error {
	if a.repeats {
		if err := a.takeDuplicates(item); err != nil {
			return err
		}
	}
	a.to = a.keys.Len()
	index, err := a.types.Index(a.letters)
	a.typesAt = index
	return err
}

// close ends the row in the columns.
func (a *attrs) close() {
	a.list.Close()
	a.types.AppendIndex(a.typesAt)
}

// closeN ends the row and adds it n-1 times more; with n 0 it takes the row back.
func (a *attrs) closeN(n int) {
	if n == 0 {
		start := a.list.Start()
		a.keys.Truncate(start)
		a.values.Truncate(start)
		return
	}
	a.list.Close()
	a.list.RepeatLast(n - 1)
	a.types.AppendIndexN(a.typesAt, n)
}

// keyValue takes a KeyValue apart; has tells whether a value was there, even an empty one.
func (s *Stats) keyValue(b []byte) (key, value []byte, has bool, err error) {
	if key, value, ok := shortKeyValue(b); ok {
		return key, value, true, nil
	}
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1<<3 | 2:
			if !utf8.Valid(key) { // protobuf also checks one that does not count
				return nil, nil, false, in("key", column.ErrUTF8)
			}
			key = c.Bytes()
		case 2<<3 | 2:
			value, has = merge(has, value, c.Bytes()), true
		default:
			s.unknown()
		}
	}
	return key, value, has, c.Err()
}

// shortKeyValue takes the usual form apart: key, then value, whose lengths take a byte each
// since together they are short.
func shortKeyValue(b []byte) (key, value []byte, ok bool) {
	if len(b) < 4 || len(b) >= 0x80 || b[0] != 1<<3|2 || int(b[1])+4 > len(b) {
		return nil, nil, false
	}
	key, rest := b[2:2+b[1]], b[2+b[1]:]
	if rest[0] != 2<<3|2 || int(rest[1]) != len(rest)-2 {
		return nil, nil, false
	}
	return key, rest[2:], true
}
