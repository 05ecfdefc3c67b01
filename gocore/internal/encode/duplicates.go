package encode

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// duplicate is an earlier value of a key that a list of attributes has more than once.
type duplicate struct {
	Column string  `json:"column"`
	Item   int     `json:"item"`
	Place  int     `json:"place"`
	Key    string  `json:"key"`
	Type   string  `json:"type"`
	Value  *string `json:"value"`
}

func (d duplicate) value() optionalText {
	if d.Value == nil {
		return optionalText{}
	}
	return optionalText{*d.Value, true}
}

func (d duplicate) append(b []byte, field uint32) ([]byte, error) {
	if len(d.Type) != 1 {
		return b, fmt.Errorf("key %q: duplicate of type %q", d.Key, d.Type)
	}
	return appendKeyValue(b, field, d.Key, d.Type[0], d.value())
}

func (d duplicate) equal(o duplicate) bool {
	return d.Place == o.Place && d.Key == o.Key && d.Type == o.Type && d.value() == o.value()
}

// place is one list of attributes within a row: a column, and an index where that
// column is a list.
type place struct {
	column string
	item   int
}

// duplicates is a row's earlier values by the list they belong to; nil for most rows.
type duplicates map[place][]duplicate

func parseDuplicates(text string) (duplicates, error) {
	var all []duplicate
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b duplicate) int { return a.Place - b.Place })
	byPlace := duplicates{}
	for _, d := range all {
		at := place{d.Column, d.Item}
		byPlace[at] = append(byPlace[at], d)
	}
	return byPlace, nil
}

// earlier keeps the duplicates of the present row.
type earlier struct {
	text   text
	shared []string // columns of containers

	// Of the containers' columns: the previous row's and the present row's.
	before, now duplicates
	// rest is what of the present row is not yet written; containers' left out.
	rest duplicates
}

// read steps to a row.
func (e *earlier) read(row int) (err error) {
	e.before, e.now, e.rest = e.now, nil, nil
	text, ok := e.text.get(row)
	if !ok {
		return nil
	}
	if e.rest, err = parseDuplicates(text); err != nil {
		return err
	}
	e.now = duplicates{}
	for _, column := range e.shared {
		e.now[place{column, 0}] = e.take(column, 0)
	}
	return nil
}

// same tells whether a container's duplicates are those of the row before.
func (e *earlier) same(column string) bool {
	at := place{column, 0}
	return slices.EqualFunc(e.before[at], e.now[at], duplicate.equal)
}

// take removes a list's values, so that those which belong nowhere are found.
func (e *earlier) take(column string, item int) []duplicate {
	if e.rest == nil {
		return nil
	}
	at := place{column, item}
	found := e.rest[at]
	delete(e.rest, at)
	return found
}

var errNoPlace = errors.New("belongs to no attributes of this row")

// left is the fault of values that nobody took.
func (e *earlier) left() error {
	for at, values := range e.rest {
		return fmt.Errorf("%q in %s[%d] %w", values[0].Key, at.column, at.item, errNoPlace)
	}
	return nil
}
