package encode

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// source is where columns are looked up by name: a batch, or the struct within a list.
type source struct {
	prefix string // of names in faults: "events."
	find   func(name string) arrow.Array
	fail   *failure
}

func batchSource(batch arrow.RecordBatch, fail *failure) source {
	return source{fail: fail, find: func(name string) arrow.Array {
		if i := batch.Schema().FieldIndices(name); len(i) > 0 {
			return batch.Column(i[0])
		}
		return nil
	}}
}

func structSource(prefix string, values arrow.Array, fail *failure) source {
	s := source{prefix: prefix + ".", fail: fail, find: func(string) arrow.Array { return nil }}
	if values == nil {
		return s
	}
	items, ok := values.(*array.Struct)
	if !ok {
		fail.set(prefix, fmt.Errorf("%w: list of %s, want of struct", errColumnType, values.DataType()))
		return s
	}
	s.find = func(name string) arrow.Array {
		if i, ok := items.DataType().(*arrow.StructType).FieldIdx(name); ok {
			return items.Field(i)
		}
		return nil
	}
	return s
}

func (s source) wrongType(name string, a arrow.Array) {
	s.fail.set(s.prefix+name, fmt.Errorf("%w: %s", errColumnType, a.DataType()))
}

// column is any column whose values need no more than a look-up. The zero value is a
// missing column: all null.
type column[T any] struct{ values valued[T] }

type valued[T any] interface {
	arrow.Array
	Value(row int) T
}

func bind[T any](s source, name string) (c column[T]) {
	a := s.find(name)
	if a == nil {
		return c
	}
	var ok bool
	if c.values, ok = a.(valued[T]); !ok {
		s.wrongType(name, a)
	}
	return c
}

// get is a value and whether there is one; null gives the zero value, OTLP's default.
func (c column[T]) get(row int) (v T, ok bool) {
	if c.values == nil || c.values.IsNull(row) {
		return v, false
	}
	return c.values.Value(row), true
}

func (c column[T]) value(row int) T {
	v, _ := c.get(row)
	return v
}

func same[T comparable](c column[T], a, b int) bool {
	x, xOK := c.get(a)
	y, yOK := c.get(b)
	return x == y && xOK == yOK
}

// times is a column of timestamps; unsigned times of OTLP wrapped into it and wrap back.
func times(s source, name string) column[arrow.Timestamp] {
	c := bind[arrow.Timestamp](s, name)
	if c.values != nil && c.values.DataType().(*arrow.TimestampType).Unit != arrow.Nanosecond {
		s.wrongType(name, c.values) // coarser times have lost what they were
	}
	return c
}

// text is a column of texts, as a dictionary or plain (string or large_string).
type text struct {
	plain column[string]
	dict  *array.Dictionary
}

func bindText(s source, name string) (t text) {
	a := s.find(name)
	dict, ok := a.(*array.Dictionary)
	if !ok {
		return text{plain: bind[string](s, name)}
	}
	if t.plain.values, ok = dict.Dictionary().(valued[string]); !ok {
		s.wrongType(name, a)
		return t
	}
	t.dict = dict
	return t
}

func (t text) get(row int) (string, bool) {
	if t.dict == nil {
		return t.plain.get(row)
	}
	if t.dict.IsNull(row) {
		return "", false
	}
	return t.plain.get(t.dict.GetValueIndex(row))
}

func (t text) value(row int) string {
	v, _ := t.get(row)
	return v
}

// same compares two rows. Equal indices are the usual case; a dictionary made elsewhere
// may hold a text twice, so unequal ones say nothing.
func (t text) same(a, b int) bool {
	if t.dict != nil && t.dict.IsValid(a) && t.dict.IsValid(b) && t.dict.GetValueIndex(a) == t.dict.GetValueIndex(b) {
		return true
	}
	x, xOK := t.get(a)
	y, yOK := t.get(b)
	return x == y && xOK == yOK
}

// list is a column of lists (or maps) of which the elements are bound apart.
type list struct{ lists array.ListLike }

// bindList also gives the elements, nil where the column is missing.
func bindList(s source, name string) (list, arrow.Array) {
	a := s.find(name)
	if a == nil {
		return list{}, nil
	}
	lists, ok := a.(array.ListLike)
	if !ok {
		s.wrongType(name, a)
		return list{}, nil
	}
	return list{lists}, lists.ListValues()
}

// span is where a row's elements begin and end; a null list has none.
func (l list) span(row int) (from, to int) {
	if l.lists == nil || l.lists.IsNull(row) {
		return 0, 0
	}
	start, end := l.lists.ValueOffsets(row)
	return int(start), int(end)
}

// listOf is a column of lists of plain values.
type listOf[T any] struct {
	list
	items column[T]
}

func bindListOf[T any](s source, name string) (l listOf[T]) {
	var values arrow.Array
	l.list, values = bindList(s, name)
	if values != nil {
		l.items = bind[T](source{fail: s.fail, prefix: s.prefix, find: func(string) arrow.Array { return values }}, name)
	}
	return l
}

// sameLists compares two rows' lists by their elements.
func sameLists(l list, a, b int, equal func(a, b int) bool) bool {
	aFrom, aTo := l.span(a)
	bFrom, bTo := l.span(b)
	if aTo-aFrom != bTo-bFrom {
		return false
	}
	for i := range aTo - aFrom {
		if !equal(aFrom+i, bFrom+i) {
			return false
		}
	}
	return true
}

// texts is a column of lists of texts.
type texts struct {
	list
	items text
}

func bindTexts(s source, name string) (l texts) {
	var values arrow.Array
	l.list, values = bindList(s, name)
	if values != nil {
		l.items = bindText(source{fail: s.fail, prefix: s.prefix, find: func(string) arrow.Array { return values }}, name)
	}
	return l
}

func (l texts) same(a, b int) bool { return sameLists(l.list, a, b, l.items.same) }

func (l texts) append(b []byte, field uint32, row int) []byte {
	from, to := l.span(row)
	for i := from; i < to; i++ {
		b = wire.AppendBytes(b, field, l.items.value(i)) // an empty element counts
	}
	return b
}
