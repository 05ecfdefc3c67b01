package otap

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

func appendFixed64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

func appendVarint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// buckets are those of an exponential histogram, on one side of zero.
type buckets struct {
	columns *columns
	offset  numbers
	counts  lists
}

func (d *decoder) buckets(c *columns, name string) buckets {
	inner := d.group(c, name)
	return buckets{inner, d.numbers(inner, "offset", integers), d.lists(inner, "bucket_counts", integers)}
}

// quantiles is a column of lists of quantile and value.
type quantiles struct {
	valid           bits
	offsets         []int32
	items           int // of all rows; quantile and value may both be missing, where all are 0
	quantile, value numbers
}

func (d *decoder) quantiles(c *columns) quantiles {
	found, _ := c.find("quantile")
	if found == nil {
		return quantiles{}
	}
	list, ok := found.(*array.List)
	if !ok {
		d.wrongType(c, "quantile", found)
		return quantiles{}
	}
	item := list.ListValues()
	holder := &columns{of: c.of, fields: []arrow.Field{{Name: "quantile"}}, arrays: []arrow.Array{item}, rows: item.Len()}
	inner := d.group(holder, "quantile")
	return quantiles{
		valid: validity(list), offsets: list.Offsets(), items: item.Len(),
		quantile: d.numbers(inner, "quantile", doubles), value: d.numbers(inner, "value", doubles),
	}
}

// of gives a row's first item and the one behind its last.
func (q *quantiles) of(row int) (from, to int) {
	if q.offsets == nil || !q.valid.at(row) {
		return 0, 0
	}
	from, to = int(q.offsets[row]), int(q.offsets[row+1])
	if from < 0 || from > to || to > q.items {
		panic(errBodies)
	}
	return from, to
}

// exemplars is the table of one kind of points' exemplars.
type exemplars struct {
	children
	ids, time, integer, double numbers
	traceID, spanID            texts
	attrs                      *attrs
}

func (d *decoder) exemplars(table, attributes PayloadType) *exemplars {
	c := d.tables[table]
	if c == nil {
		return nil
	}
	e := &exemplars{
		ids: d.ids(c, "id"), time: d.numbers(c, "time_unix_nano", moments), integer: d.numbers(c, "int_value", integers),
		double: d.numbers(c, "double_value", doubles), traceID: d.texts(c, "trace_id", 16), spanID: d.texts(c, "span_id", 8),
		attrs: d.attrs(attributes),
	}
	_, field := c.find("parent_id")
	asInGo := lax(field)
	e.children = d.children(d.parents(c, func(row int) bool { return e.same(row, asInGo) }))
	return e
}

// same tells whether a row and the one before it have the same value, or none. The Go producer
// compares doubles as Go does, the Rust engine bit by bit.
func (e *exemplars) same(row int, lax bool) bool {
	if !e.integer.same(row, row-1) || e.double.has(row) != e.double.has(row-1) {
		return false
	}
	a, b := e.double.at(row), e.double.at(row-1)
	if lax {
		return math.Float64frombits(a) == math.Float64frombits(b)
	}
	return a == b
}
