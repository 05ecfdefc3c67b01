package decode

import (
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// point is what every kind of data point has, and counts for its growth.
type point struct {
	start, time uint64
	flags       uint32
	numbers     int
}

// number is the value oneof of data points and exemplars.
type number struct {
	bits  uint64
	has   bool
	isInt bool
}

func double(bits uint64) number { return number{bits: bits, has: true} }
func integer(v uint64) number   { return number{bits: v, has: true, isInt: true} }

func (n number) append(value *column.Fixed[float64], exact *column.Fixed[int64]) {
	switch {
	case !n.has:
		value.AppendNull()
		exact.AppendNull()
	case n.isInt:
		value.Append(float64(int64(n.bits))) // sfixed64 on the wire
		exact.Append(int64(n.bits))          // as above
	default:
		value.Append(math.Float64frombits(n.bits))
		exact.AppendNull()
	}
}

// optional is a proto3 optional double.
type optional struct {
	bits uint64
	has  bool
}

func (o optional) append(col *column.Fixed[float64]) {
	col.AppendIf(math.Float64frombits(o.bits), o.has)
}

// numberPoint reads a NumberDataPoint.
func (m *metrics) numberPoint(b []byte, p *point) error {
	var v number
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 2<<3 | 1:
			p.start = c.Fixed64()
		case 3<<3 | 1:
			p.time = c.Fixed64()
		case 4<<3 | 1:
			v = double(c.Fixed64())
		case 5<<3 | 2:
			if err := m.exemplar(c.Bytes(), p); err != nil {
				return err
			}
		case 6<<3 | 1:
			v = integer(c.Fixed64())
		case 7<<3 | 2:
			if err := m.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 8 << 3:
			p.flags = uint32(c.Varint()) // protobuf truncates
		default:
			m.table.unknown()
		}
	}
	v.append(&m.value, &m.valueInt)
	return c.Err()
}

func (m *metrics) appendStatistics(total, lowest, highest optional) {
	total.append(&m.sum)
	lowest.append(&m.min)
	highest.append(&m.max)
}

// histogramPoint reads a HistogramDataPoint.
func (m *metrics) histogramPoint(b []byte, p *point) error {
	var count uint64
	var total, lowest, highest optional
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 2<<3 | 1:
			p.start = c.Fixed64()
		case 3<<3 | 1:
			p.time = c.Fixed64()
		case 4<<3 | 1:
			count = c.Fixed64()
		case 5<<3 | 1:
			total = optional{c.Fixed64(), true}
		case 6<<3 | 1:
			m.bucketCount.Append(c.Fixed64())
			p.numbers++
		case 6<<3 | 2:
			p.numbers += packed64(&c, &m.bucketCount)
		case 7<<3 | 1:
			m.explicitBound.Append(math.Float64frombits(c.Fixed64()))
			p.numbers++
		case 7<<3 | 2:
			p.numbers += packed64(&c, &m.explicitBound)
		case 8<<3 | 2:
			if err := m.exemplar(c.Bytes(), p); err != nil {
				return err
			}
		case 9<<3 | 2:
			if err := m.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 10 << 3:
			p.flags = uint32(c.Varint()) // protobuf truncates
		case 11<<3 | 1:
			lowest = optional{c.Fixed64(), true}
		case 12<<3 | 1:
			highest = optional{c.Fixed64(), true}
		default:
			m.table.unknown()
		}
	}
	m.count.Append(count)
	m.appendStatistics(total, lowest, highest)
	return c.Err()
}

// packed64 appends the current field, packed eight-byte numbers, and gives how many.
func packed64[T uint64 | float64](c *wire.Cursor, col *column.Fixed[T]) int {
	packed := c.Bytes()
	if err := wire.CheckFixed64s(packed); err != nil {
		c.Fail(err)
		return 0
	}
	col.AppendPacked(packed)
	return len(packed) / 8
}

// exponentialPoint reads an ExponentialHistogramDataPoint.
func (m *metrics) exponentialPoint(b []byte, p *point) error {
	var count, zeroCount, threshold uint64
	var scale int32
	var total, lowest, highest optional
	var positive, negative []byte
	var hasPositive, hasNegative bool
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1<<3 | 2:
			if err := m.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 2<<3 | 1:
			p.start = c.Fixed64()
		case 3<<3 | 1:
			p.time = c.Fixed64()
		case 4<<3 | 1:
			count = c.Fixed64()
		case 5<<3 | 1:
			total = optional{c.Fixed64(), true}
		case 6 << 3:
			scale = c.Sint32()
		case 7<<3 | 1:
			zeroCount = c.Fixed64()
		case 8<<3 | 2:
			positive, hasPositive = merge(hasPositive, positive, c.Bytes()), true
		case 9<<3 | 2:
			negative, hasNegative = merge(hasNegative, negative, c.Bytes()), true
		case 10 << 3:
			p.flags = uint32(c.Varint()) // protobuf truncates
		case 11<<3 | 2:
			if err := m.exemplar(c.Bytes(), p); err != nil {
				return err
			}
		case 12<<3 | 1:
			lowest = optional{c.Fixed64(), true}
		case 13<<3 | 1:
			highest = optional{c.Fixed64(), true}
		case 14<<3 | 1:
			threshold = c.Fixed64()
		default:
			m.table.unknown()
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	m.count.Append(count)
	m.appendStatistics(total, lowest, highest)
	m.scale.Append(scale)
	m.zeroCount.Append(zeroCount)
	m.zeroThreshold.Append(math.Float64frombits(threshold))
	if err := m.positive.add(m.table, positive, hasPositive, p); err != nil {
		return in("positive", err)
	}
	return in("negative", m.negative.add(m.table, negative, hasNegative, p))
}

// buckets is one side of an exponential histogram.
type buckets struct {
	offset column.Fixed[int32]
	counts column.List
	count  column.Fixed[uint64]
}

func (k *buckets) bind() { k.counts.Children = []column.Column{&k.count} }

// add reads Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2 }.
func (k *buckets) add(t *Table, b []byte, has bool, p *point) error {
	var offset int32
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1 << 3:
			offset = c.Sint32()
		case 2 << 3:
			if err := t.grow(8); err != nil {
				return err
			}
			k.count.Append(c.Varint())
		case 2<<3 | 2:
			add := func(v uint64) bool {
				k.count.Append(v)
				p.numbers++
				return p.numbers <= t.MaxGrowth/8 // one more is refused when the point ends
			}
			if err := wire.Varints(c.Bytes(), add); err != nil {
				return err
			}
		default:
			t.unknown()
		}
	}
	k.offset.AppendIf(offset, has)
	return c.Err()
}

// summaryPoint reads a SummaryDataPoint.
func (m *metrics) summaryPoint(b []byte, p *point) error {
	var count, total uint64
	quantiles := 0
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 2<<3 | 1:
			p.start = c.Fixed64()
		case 3<<3 | 1:
			p.time = c.Fixed64()
		case 4<<3 | 1:
			count = c.Fixed64()
		case 5<<3 | 1:
			total = c.Fixed64()
		case 6<<3 | 2:
			if err := m.table.grow(quantileCost); err != nil {
				return err
			}
			if err := m.addQuantile(c.Bytes()); err != nil {
				return at("quantile_values", quantiles, err)
			}
			quantiles++
		case 7<<3 | 2:
			if err := m.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 8 << 3:
			p.flags = uint32(c.Varint()) // protobuf truncates
		default:
			m.table.unknown()
		}
	}
	m.count.Append(count)
	m.sum.Append(math.Float64frombits(total))
	return c.Err()
}

// addQuantile reads ValueAtQuantile { double quantile = 1; double value = 2 }.
func (m *metrics) addQuantile(b []byte) error {
	var quantile, at uint64
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1<<3 | 1:
			quantile = c.Fixed64()
		case 2<<3 | 1:
			at = c.Fixed64()
		default:
			m.table.unknown()
		}
	}
	m.quantile.Append(math.Float64frombits(quantile))
	m.quantileValue.Append(math.Float64frombits(at))
	return c.Err()
}
