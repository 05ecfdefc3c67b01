package otap

import (
	"fmt"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// metrics is the root table of metrics, and those below it.
type metrics struct {
	ids, kind, temporality, monotonic numbers
	name, description, unit           texts
	metadata                          *attrs
	points                            [metricSummary + 1]*points // by kind; gauges and sums have the same
}

func (d *decoder) metrics() {
	c := d.rootOf(UnivariateMetrics)
	if c == nil {
		return
	}
	m := &metrics{
		ids: d.ids(c, "id"), kind: d.numbers(c, "metric_type", integers), temporality: d.numbers(c, "aggregation_temporality", integers),
		monotonic: d.numbers(c, "is_monotonic", booleans), name: d.texts(c, "name", 0), description: d.texts(c, "description", 0),
		unit: d.texts(c, "unit", 0), metadata: d.attrs(MetricAttrs, 12),
	}
	numbers := d.points(NumberPoints, NumberAttrs, NumberExemplars, NumberExemplarAttrs)
	m.points = [...]*points{
		metricGauge: numbers, metricSum: numbers,
		metricHistogram:    d.points(HistogramPoints, HistogramAttrs, HistogramExemplars, HistogramExemplarAttrs),
		metricExpHistogram: d.points(ExpHistogramPoints, ExpHistogramAttrs, ExpHistogramExemplars, ExpHistogramExemplAttrs),
		metricSummary:      d.points(SummaryPoints, SummaryAttrs, 0, 0),
	}
	d.root(c, func(out []byte, row int) []byte { return d.metric(out, m, row) })
}

// data are the fields of a Metric's data, by kind, and how a point of it is written.
var data = [...]struct {
	field uint32
	point func(*decoder, []byte, *points, int) []byte
}{
	metricGauge:        {5, (*decoder).numberPoint},
	metricSum:          {7, (*decoder).numberPoint},
	metricHistogram:    {9, (*decoder).histogramPoint},
	metricExpHistogram: {10, (*decoder).expHistogramPoint},
	metricSummary:      {11, (*decoder).summaryPoint},
}

// metric writes the fields of a Metric.
func (d *decoder) metric(out []byte, m *metrics, row int) []byte {
	out = text(out, 1, m.name.at(row))
	out = text(out, 2, m.description.at(row))
	out = text(out, 3, m.unit.at(row))
	switch kind := m.kind.at(row); {
	case kind == metricEmpty:
	case kind >= uint64(len(data)):
		d.fail("UNIVARIATE_METRICS.metric_type", fmt.Errorf("%d is no kind of metric", kind))
	default:
		var place int
		width := d.widths.data
		out, place = wire.BeginWide(out, data[kind].field, width)
		out = d.pointsOf(out, m, row, int(kind))
		if kind == metricSum || kind == metricHistogram || kind == metricExpHistogram {
			out = number(out, 2, m.temporality.at(row))
		}
		if kind == metricSum {
			out = number(out, 3, m.monotonic.at(row))
		}
		out, d.widths.data = wire.EndWide(out, place, width)
	}
	out = d.attributes(out, m.metadata, &m.ids, row)
	return out
}

func (d *decoder) pointsOf(out []byte, m *metrics, row, kind int) []byte {
	p := m.points[kind]
	if p == nil || !m.ids.has(row) {
		return out
	}
	width := d.widths.point
	for _, child := range p.children.of(m.ids.v[row]) {
		if !d.room(out) {
			return out
		}
		var place int
		out, place = wire.BeginWide(out, 1, width)
		out = data[kind].point(d, out, p, int(child))
		out, width = wire.EndWide(out, place, width)
	}
	d.widths.point = width
	return out
}

// points is a table of data points of one kind, with the columns that any kind has.
type points struct {
	children
	ids, start, time, flags  numbers
	integer, double          numbers // of numbers
	count, sum, least, most  numbers // of the others
	scale, zeroes, threshold numbers // of exponential histograms
	counts, bounds           lists   // of histograms
	positive, negative       buckets
	quantiles                quantiles
	attrs                    *attrs
	exemplars                *exemplars
}

// pointAttrs are the numbers of the attributes' field in a point of each kind.
var pointAttrs = [payloadTypes]uint32{NumberPoints: 7, HistogramPoints: 9, ExpHistogramPoints: 1, SummaryPoints: 7}

// points reads a table of data points, nil when there is none.
func (d *decoder) points(table, attributes, exemplarsTable, exemplarAttrs PayloadType) *points {
	c := d.tables[table]
	if c == nil {
		return nil
	}
	parents := d.ids(c, "parent_id")
	if len(parents.v) == 0 {
		d.fail(c.of, fmt.Errorf("has no column parent_id"))
		return nil
	}
	p := &points{
		children: d.children(parents.v, nil), ids: d.ids(c, "id"), flags: d.numbers(c, "flags", integers),
		start: d.numbers(c, "start_time_unix_nano", moments), time: d.numbers(c, "time_unix_nano", moments),
		attrs: d.attrs(attributes, pointAttrs[table]), exemplars: d.exemplars(exemplarsTable, exemplarAttrs),
	}
	if table == NumberPoints {
		p.integer, p.double = d.numbers(c, "int_value", integers), d.numbers(c, "double_value", doubles)
		return p
	}
	p.count, p.sum = d.numbers(c, "count", integers), d.numbers(c, "sum", doubles)
	switch table {
	case SummaryPoints:
		p.quantiles = d.quantiles(c)
		return p
	case HistogramPoints:
		p.counts, p.bounds = d.lists(c, "bucket_counts", integers), d.lists(c, "explicit_bounds", doubles)
	default:
		p.scale, p.zeroes = d.numbers(c, "scale", integers), d.numbers(c, "zero_count", integers)
		p.threshold = d.numbers(c, "zero_threshold", doubles)
		p.positive, p.negative = d.buckets(c, "positive"), d.buckets(c, "negative")
	}
	p.least, p.most = d.numbers(c, "min", doubles), d.numbers(c, "max", doubles)
	return p
}

// numberPoint writes the fields of a NumberDataPoint.
func (d *decoder) numberPoint(out []byte, p *points, row int) []byte {
	out = fixed64(out, 2, p.start.at(row))
	out = fixed64(out, 3, p.time.at(row))
	out = given(out, 4, &p.double, row)
	out = d.pointExemplars(out, 5, p, row)
	out = given(out, 6, &p.integer, row)
	out = d.attributes(out, p.attrs, &p.ids, row)
	out = number(out, 8, p.flags.at(row))
	return out
}

// histogramPoint writes the fields of a HistogramDataPoint.
func (d *decoder) histogramPoint(out []byte, p *points, row int) []byte {
	out = fixed64(out, 2, p.start.at(row))
	out = fixed64(out, 3, p.time.at(row))
	out = fixed64(out, 4, p.count.at(row))
	out = given(out, 5, &p.sum, row)
	out = d.packed(out, 6, p.counts.of(row))
	out = d.packed(out, 7, p.bounds.of(row))
	out = d.pointExemplars(out, 8, p, row)
	out = d.attributes(out, p.attrs, &p.ids, row)
	out = number(out, 10, p.flags.at(row))
	out = given(out, 11, &p.least, row)
	out = given(out, 12, &p.most, row)
	return out
}

// expHistogramPoint writes the fields of an ExponentialHistogramDataPoint.
func (d *decoder) expHistogramPoint(out []byte, p *points, row int) []byte {
	out = d.attributes(out, p.attrs, &p.ids, row)
	out = fixed64(out, 2, p.start.at(row))
	out = fixed64(out, 3, p.time.at(row))
	out = fixed64(out, 4, p.count.at(row))
	out = given(out, 5, &p.sum, row)
	out = zigzag(out, 6, p.scale.at(row))
	out = fixed64(out, 7, p.zeroes.at(row))
	out = d.pointBuckets(out, 8, &p.positive, row)
	out = d.pointBuckets(out, 9, &p.negative, row)
	out = number(out, 10, p.flags.at(row))
	out = d.pointExemplars(out, 11, p, row)
	out = given(out, 12, &p.least, row)
	out = given(out, 13, &p.most, row)
	out = fixed64(out, 14, p.threshold.at(row))
	return out
}

// summaryPoint writes the fields of a SummaryDataPoint.
func (d *decoder) summaryPoint(out []byte, p *points, row int) []byte {
	out = fixed64(out, 2, p.start.at(row))
	out = fixed64(out, 3, p.time.at(row))
	out = fixed64(out, 4, p.count.at(row))
	out = fixed64(out, 5, p.sum.at(row))
	out = d.pointQuantiles(out, &p.quantiles, row)
	out = d.attributes(out, p.attrs, &p.ids, row)
	out = number(out, 8, p.flags.at(row))
	return out
}

// packed writes a packed repeated field of eight bytes each.
func (d *decoder) packed(out []byte, field uint32, all []uint64) []byte {
	if len(all) == 0 {
		return out
	}
	var place int
	out, place = wire.Begin(out, field)
	for _, v := range all {
		out = appendFixed64(out, v)
	}
	out = wire.End(out, place)
	return out
}

// pointBuckets writes a Buckets message of an exponential histogram, if it has one.
func (d *decoder) pointBuckets(out []byte, field uint32, b *buckets, row int) []byte {
	if b.columns == nil || !b.columns.valid.at(row) {
		return out
	}
	var place int
	out, place = wire.Begin(out, field)
	out = zigzag(out, 1, b.offset.at(row))
	if counts := b.counts.of(row); len(counts) > 0 {
		var inner int
		out, inner = wire.Begin(out, 2)
		for _, v := range counts {
			out = appendVarint(out, v)
		}
		out = wire.End(out, inner)
	}
	out = wire.End(out, place)
	return out
}

func (d *decoder) pointQuantiles(out []byte, q *quantiles, row int) []byte {
	from, n := q.ranges.of(row)
	for i := from; i < from+n; i++ {
		if !d.room(out) {
			return out
		}
		var place int
		out, place = wire.Begin(out, 6)
		out = fixed64(out, 1, q.quantile.at(i))
		out = fixed64(out, 2, q.value.at(i))
		out = wire.End(out, place)
	}
	return out
}

// pointExemplars writes a point's Exemplars.
func (d *decoder) pointExemplars(out []byte, field uint32, p *points, row int) []byte {
	if p.exemplars == nil || !p.ids.has(row) {
		return out
	}
	e := p.exemplars
	for _, child := range e.children.of(p.ids.v[row]) {
		if !d.room(out) {
			return out
		}
		var place int
		i := int(child)
		out, place = wire.Begin(out, field)
		out = fixed64(out, 2, e.time.at(i))
		out = given(out, 3, &e.double, i)
		out = id(out, 4, e.spanID.at(i))
		out = id(out, 5, e.traceID.at(i))
		out = given(out, 6, &e.integer, i)
		out = d.attributes(out, e.attrs, &e.ids, i)
		out = wire.End(out, place)
	}
	return out
}
