package decode

import (
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// exemplars is the list column of a data point's exemplars.
type exemplars struct {
	table           *Table
	list            column.List
	time            column.Fixed[int64]
	value           column.Fixed[float64]
	valueInt        column.Fixed[int64]
	traceID, spanID column.Binary
	attributes      attrs
	count           int // of the present row
}

func (x *exemplars) bind(t *Table, named *columns) {
	x.table = t
	x.traceID.Width, x.spanID.Width = 16, 8
	named.nestedAttrs(&x.attributes, "exemplars", "filtered_attributes")
	x.list.Children = []column.Column{
		&x.time, &x.value, &x.valueInt, &x.traceID, &x.spanID, &x.attributes.list, &x.attributes.types,
	}
}

func (m *metrics) exemplar(b []byte, p *point) error {
	index := m.exemplars.count
	m.exemplars.count++
	return at("exemplars", index, m.exemplars.add(b, index))
}

// add reads Exemplar { fixed64 time = 2; double as_double = 3; span_id = 4; trace_id = 5;
// sfixed64 as_int = 6; repeated KeyValue filtered_attributes = 7 }.
func (x *exemplars) add(b []byte, index int) error {
	var traceID, spanID []byte
	var time uint64
	var v number
	t := x.table
	x.attributes.begin()
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 2<<3 | 1:
			time = c.Fixed64()
		case 3<<3 | 1:
			v = double(c.Fixed64())
		case 4<<3 | 2:
			spanID = c.Bytes()
		case 5<<3 | 2:
			traceID = c.Bytes()
		case 6<<3 | 1:
			v = integer(c.Fixed64())
		case 7<<3 | 2:
			if err := x.attributes.add(c.Bytes()); err != nil {
				return err
			}
		default:
			t.unknown()
		}
	}
	if err := t.grow(exemplarCost); err != nil {
		return err
	}
	if err := c.Err(); err != nil {
		return err
	}
	appendTime(&x.time, time)
	v.append(&x.value, &x.valueInt)
	t.looseID(&x.traceID, traceID)
	t.looseID(&x.spanID, spanID)
	return x.attributes.closeNested(index)
}
