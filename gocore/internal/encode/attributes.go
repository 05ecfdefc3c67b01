package encode

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// attributes is a map column with the column of its entries' types.
type attributes struct {
	column       string // where duplicates say they belong
	entries      list
	keys, values text
	types        text
}

// bindAttributes binds the map of this name; column is how duplicate_attributes calls it.
func bindAttributes(s source, name, types, column string) attributes {
	entries, pairs := bindList(s, name)
	a := attributes{column: column, entries: entries, types: bindText(s, types)}
	if pairs == nil {
		return a
	}
	pair, ok := pairs.(*array.Struct)
	if !ok || pair.NumField() != 2 {
		s.wrongType(name, entries.lists)
		return a
	}
	part := func(i int) source {
		return source{prefix: s.prefix, fail: s.fail, find: func(string) arrow.Array { return pair.Field(i) }}
	}
	a.keys, a.values = bindText(part(0), name), bindText(part(1), name)
	return a
}

// same tells whether two rows have equal attributes in equal order, duplicates aside.
func (a attributes) same(x, y int) bool {
	return a.types.same(x, y) && sameLists(a.entries, x, y, func(i, j int) bool {
		return a.keys.same(i, j) && a.values.same(i, j)
	})
}

// containerAttributes binds the attributes of a container, whose duplicates every row
// inside it repeats.
func (t *table) containerAttributes(s source, name, types string) attributes {
	t.earlier.shared = append(t.earlier.shared, name)
	return bindAttributes(s, name, types, name)
}

func (t *table) appendContainerAttributes(b []byte, field uint32, a attributes, row int) []byte {
	b, err := a.append(b, field, row, t.earlier.now[place{a.column, 0}])
	t.fault(a.column, err)
	return b
}

// appendAttributes writes those of an item, or of the n-th struct in one of its lists.
func (t *table) appendAttributes(b []byte, field uint32, a attributes, row, n int) []byte {
	b, err := a.append(b, field, row, t.earlier.take(a.column, n))
	t.fault(a.column, err)
	return b
}

// append writes a row's attributes as KeyValues, the earlier ones among them at the
// places they had.
func (a attributes) append(b []byte, field uint32, row int, earlier []duplicate) ([]byte, error) {
	from, to := a.entries.span(row)
	types := a.types.value(row)
	if len(types) != to-from {
		return b, fmt.Errorf("%d entries but types %q", to-from, types)
	}
	for place := 0; from < to || len(earlier) > 0; place++ {
		var err error
		switch {
		case len(earlier) > 0 && earlier[0].Place == place:
			b, err = earlier[0].append(b, field)
			earlier = earlier[1:]
		case from == to:
			return b, fmt.Errorf("a duplicate of %q at place %d has none before it", earlier[0].Key, earlier[0].Place)
		default:
			key, value := a.keys.value(from), optional(a.values.get(from))
			b, err = appendKeyValue(b, field, key, types[len(types)-(to-from)], value)
			from++
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// optionalText is a text that may be null.
type optionalText struct {
	text  string
	valid bool
}

func optional(text string, valid bool) optionalText { return optionalText{text, valid} }

// appendKeyValue writes KeyValue { string key = 1; AnyValue value = 2 }.
func appendKeyValue(b []byte, field uint32, key string, letter byte, value optionalText) ([]byte, error) {
	b, open := wire.Begin(b, field)
	b = appendText(b, 1, key)
	b, err := appendAnyValue(b, 2, letter, value)
	if err != nil {
		return b, fmt.Errorf("key %q: %w", key, err)
	}
	return wire.End(b, open), nil
}
