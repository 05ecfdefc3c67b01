package encode

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// value is the two columns of a number: the exact integer, else the double, else none.
type value struct {
	double column[float64]
	int    column[int64]
}

func bindValue(s source) value {
	return value{double: bind[float64](s, "value"), int: bind[int64](s, "value_int")}
}

// append writes double as_double = field or sfixed64 as_int = 6, present even if zero.
func (v value) append(b []byte, field uint32, row int) []byte {
	if n, ok := v.int.get(row); ok {
		return wire.AppendFixed64(b, 6, uint64(n)) // two's complement
	}
	return appendOptional(b, field, v.double, row)
}

// appendPacked writes a list of eight-byte numbers.
func appendPacked[T any](b []byte, field uint32, l listOf[T], row int, bits func(T) uint64) []byte {
	from, to := l.span(row)
	if from == to {
		return b
	}
	b, place := wire.Begin(b, field)
	for i := from; i < to; i++ {
		b = binary.LittleEndian.AppendUint64(b, bits(l.items.value(i)))
	}
	return wire.End(b, place)
}

// buckets is the columns of Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2 }.
type buckets struct {
	offset column[int32]
	counts listOf[uint64]
}

func bindBuckets(s source, side string) buckets {
	return buckets{offset: bind[int32](s, side+"_offset"), counts: bindListOf[uint64](s, side+"_bucket_counts")}
}

// append writes the message, which is absent where the offset is null.
func (k buckets) append(b []byte, field uint32, row int) []byte {
	offset, sent := k.offset.get(row)
	if !sent {
		return b
	}
	b, place := wire.Begin(b, field)
	if offset != 0 {
		b = wire.AppendSint32(b, 1, offset)
	}
	if from, to := k.counts.span(row); from < to {
		var packed int
		b, packed = wire.Begin(b, 2)
		for i := from; i < to; i++ {
			b = binary.AppendUvarint(b, k.counts.items.value(i))
		}
		b = wire.End(b, packed)
	}
	return wire.End(b, place)
}

// quantiles is the list column of ValueAtQuantile { double quantile = 1; double value = 2 }.
type quantiles struct {
	list
	quantile, value column[float64]
}

func bindQuantiles(s source) quantiles {
	l, items := bindList(s, "quantiles")
	in := structSource("quantiles", items, s.fail)
	return quantiles{list: l, quantile: bind[float64](in, "quantile"), value: bind[float64](in, "value")}
}

func (q quantiles) append(b []byte, field uint32, row int) []byte {
	from, to := q.span(row)
	for i := from; i < to; i++ {
		var place int
		b, place = wire.Begin(b, field)
		b = appendDouble(b, 1, q.quantile.value(i))
		b = appendDouble(b, 2, q.value.value(i))
		b = wire.End(b, place)
	}
	return b
}

// exemplars is the list column of Exemplar { fixed64 time_unix_nano = 2; double as_double
// = 3 | sfixed64 as_int = 6; bytes span_id = 4; bytes trace_id = 5; repeated KeyValue
// filtered_attributes = 7 }.
type exemplars struct {
	list
	table           *table
	time            column[arrow.Timestamp]
	value           value
	traceID, spanID column[[]byte]
	attrs           attributes
}

func bindExemplars(t *table, s source) exemplars {
	l, items := bindList(s, "exemplars")
	in := structSource("exemplars", items, s.fail)
	return exemplars{
		list:    l,
		table:   t,
		time:    times(in, "time_unix_nano"),
		value:   bindValue(in),
		traceID: bind[[]byte](in, "trace_id"),
		spanID:  bind[[]byte](in, "span_id"),
		attrs:   bindAttributes(in, "attributes", "attribute_types", "exemplars"),
	}
}

func (e exemplars) append(b []byte, field uint32, row int) []byte {
	from, to := e.span(row)
	for i := from; i < to; i++ {
		var place int
		b, place = wire.Begin(b, field)
		b = appendTime(b, 2, e.time.value(i))
		b = e.value.append(b, 3, i)
		b = appendText(b, 4, e.spanID.value(i))
		b = appendText(b, 5, e.traceID.value(i))
		b = e.table.appendAttributes(b, 7, e.attrs, i, i-from)
		b = wire.End(b, place)
	}
	return b
}
