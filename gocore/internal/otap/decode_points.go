package otap

import (
	"encoding/binary"
	"math"
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
	ranges          ranges
	quantile, value numbers // both may be missing, where all are 0
}

func (d *decoder) quantiles(c *columns) quantiles {
	found := c.find("quantile")
	if found == nil {
		return quantiles{}
	}
	all, ok := d.listed(c, found)
	if !ok {
		return quantiles{}
	}
	item := &found.children[0]
	if item.typ.kind != fbStruct {
		d.wrongType(item)
		return quantiles{}
	}
	inner := &columns{of: found.path, all: item.children, rows: item.rows}
	return quantiles{ranges: all, quantile: d.numbers(inner, "quantile", doubles), value: d.numbers(inner, "value", doubles)}
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
		attrs: d.attrs(attributes, 7),
	}
	lax := c.lax("parent_id")
	e.children = d.children(d.parents(c, func(row int) bool { return e.same(row, lax) }), nil)
	return e
}

// same tells whether a row and the one before it have the same value, or none. The Go producer
// compares doubles as Go does, the Rust engine bit by bit.
func (e *exemplars) same(row int, lax bool) bool {
	if !e.integer.same(row) || e.double.has(row) != e.double.has(row-1) {
		return false
	}
	a, b := e.double.at(row), e.double.at(row-1)
	if lax {
		return math.Float64frombits(a) == math.Float64frombits(b)
	}
	return a == b
}
