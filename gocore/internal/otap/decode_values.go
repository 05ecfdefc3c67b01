package otap

import (
	"fmt"
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// values is a column for each kind of AnyValue, and one that says which is meant.
type values struct {
	of      string
	kind    numbers
	str     texts
	integer numbers
	double  numbers
	boolean numbers
	bytes   texts
	ser     texts
	// lax is the way of the Go producer, whose columns say no encoding: a null where there
	// should be a text is an empty one. Elsewhere it is no value.
	lax bool
}

func (d *decoder) values(c *columns, lax bool) values {
	return values{
		of: c.of, lax: lax, kind: d.numbers(c, "type", integers),
		str: d.texts(c, "str", 0), integer: d.numbers(c, "int", integers), double: d.numbers(c, "double", doubles),
		boolean: d.numbers(c, "bool", booleans), bytes: d.texts(c, "bytes", 0), ser: d.texts(c, "ser", 0),
	}
}

// missing tells whether a row has no value of its kind.
func (v *values) missing(row int) bool {
	switch v.kind.at(row) {
	case kindStr:
		return !v.str.there || !v.lax && v.str.at(row) == nil
	case kindInt:
		return len(v.integer.v) == 0 || !v.lax && !v.integer.has(row)
	case kindDouble:
		return len(v.double.v) == 0 || !v.lax && !v.double.has(row)
	case kindBool:
		return len(v.boolean.v) == 0 || !v.lax && !v.boolean.has(row)
	case kindBytes:
		return !v.bytes.there || !v.lax && v.bytes.at(row) == nil
	case kindMap, kindSlice:
		return v.ser.at(row) == nil
	}
	return true
}

// same tells whether a row and the one before it have the same value, as far as parent ids of
// such rows are deltas: for maps, slices and what has no value they never are.
func (v *values) same(row int) bool {
	kind := v.kind.v[row]
	switch {
	case kind != v.kind.v[row-1], !v.lax && (v.missing(row) || v.missing(row-1)):
		return false
	case kind == kindStr:
		return v.str.sameText(row)
	case kind == kindInt:
		return v.integer.at(row) == v.integer.at(row-1)
	case kind == kindDouble:
		return v.sameDouble(row)
	case kind == kindBool:
		return v.boolean.at(row) == v.boolean.at(row-1)
	}
	return kind == kindBytes && v.bytes.sameText(row)
}

// sameDouble compares as Go does, where a NaN differs from itself, or as Arrow for Rust does,
// bit by bit.
func (v *values) sameDouble(row int) bool {
	a, b := v.double.at(row), v.double.at(row-1)
	if v.lax {
		return math.Float64frombits(a) == math.Float64frombits(b)
	}
	return a == b
}

// value writes the fields of a row's AnyValue; without a value there are none.
func (d *decoder) value(out []byte, v *values, row int) []byte {
	kind := v.kind.at(row)
	if kind > kindBytes {
		d.fail(v.of+".type", fmt.Errorf("%d is no kind of value", kind))
		return out
	}
	if v.missing(row) {
		return out
	}
	switch kind {
	case kindStr:
		out = wire.AppendBytes(out, 1, v.str.at(row))
	case kindBool:
		out = wire.AppendUint(out, 2, v.boolean.at(row))
	case kindInt:
		out = wire.AppendUint(out, 3, v.integer.at(row))
	case kindDouble:
		out = wire.AppendFixed64(out, 4, v.double.at(row))
	case kindBytes:
		out = wire.AppendBytes(out, 7, v.bytes.at(row))
	case kindMap, kindSlice:
		var err error
		if out, err = appendCBOR(out, v.ser.at(row)); err != nil {
			d.fail(v.of+".ser", err)
		}
	}
	return out
}

// sameBits tells whether what is same is also written the same: 0 and -0 are not.
func (v *values) sameBits(row int) bool {
	return v.kind.at(row) != kindDouble || v.double.at(row) == v.double.at(row-1)
}
