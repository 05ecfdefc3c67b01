package otap

import "github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"

// metricTables are what metrics become: a root row a metric, and a table for each sort of points.
type metricTables struct {
	e *encoder

	kind, name, description, unit, temporality, monotonic *emitCol
	metadata                                              *attrTable

	number, summary, histogram, exp *pointTable
}

func newMetricTables(e *encoder) *metricTables {
	t := &metricTables{
		e: e, kind: plainCol("metric_type", tU8).must(), name: dictCol("name", tText, indexU8).must(),
		description: dictCol("description", tText, indexU8), unit: dictCol("unit", tText, indexU8),
		temporality: dictCol("aggregation_temporality", tI32, indexU8), monotonic: plainCol("is_monotonic", tBool),
	}
	e.rootCols.id.must()
	e.root = newEmitTable(UnivariateMetrics, append(e.rootCols.cols(), t.kind, t.name, t.description, t.unit, t.temporality, t.monotonic)...)
	t.metadata = newAttrTable(MetricAttrs, false, e.lost)
	t.number = newPointTable(e, NumberPoints, NumberAttrs, NumberExemplars, NumberExemplarAttrs, numberPoint())
	t.summary = newPointTable(e, SummaryPoints, SummaryAttrs, 0, 0, summaryPoint())
	t.histogram = newPointTable(e, HistogramPoints, HistogramAttrs, HistogramExemplars, HistogramExemplarAttrs, histogramPoint())
	t.exp = newPointTable(e, ExpHistogramPoints, ExpHistogramAttrs, ExpHistogramExemplars, ExpHistogramExemplAttrs, expPoint())
	return t
}

func (t *metricTables) tables() []sender {
	out := []sender{t.metadata}
	for _, p := range []*pointTable{t.number, t.summary, t.histogram, t.exp} {
		out = append(out, p, p.attrs)
		if p.exemplars != nil {
			out = append(out, p.exemplars, p.exemplars.attrs)
		}
	}
	return out
}

func (t *metricTables) clear() {
	for _, p := range []*pointTable{t.number, t.summary, t.histogram, t.exp} {
		p.childIDs.clear()
	}
}

type metricFields struct {
	name, description, unit []byte
	kind                    uint8
	data                    []byte
	metadata                int
}

func (t *metricTables) item(b []byte) error {
	e := t.e
	row, id := e.root.rows, e.at.nextID
	if err := e.begin(row); err != nil {
		return err
	}
	e.rootID(row)
	e.root.rows++
	var f metricFields
	from := t.metadata.from()
	c := wire.NewCursor(b)
	for c.Next() {
		if err := t.field(&c, &f, id, from); err != nil {
			return err
		}
	}
	if c.Err() != nil {
		return c.Err()
	}
	t.kind.u8(row, f.kind)
	for _, v := range []struct {
		c *emitCol
		v []byte
	}{{t.description, f.description}, {t.unit, f.unit}} {
		if err := checked(v.c, row, v.v); err != nil {
			return err
		}
	}
	if err := required(t.name, row, f.name); err != nil {
		return err
	}
	return under(dataNames[f.kind], t.data(row, id, &f))
}

func (t *metricTables) field(c *wire.Cursor, f *metricFields, id uint32, from int) error {
	switch c.Tag() {
	case wire.Tag(1, wire.Bytes):
		f.name = c.Bytes()
	case wire.Tag(2, wire.Bytes):
		f.description = c.Bytes()
	case wire.Tag(3, wire.Bytes):
		f.unit = c.Bytes()
	case wire.Tag(5, wire.Bytes):
		f.oneof(metricGauge, c.Bytes())
	case wire.Tag(7, wire.Bytes):
		f.oneof(metricSum, c.Bytes())
	case wire.Tag(9, wire.Bytes):
		f.oneof(metricHistogram, c.Bytes())
	case wire.Tag(10, wire.Bytes):
		f.oneof(metricExpHistogram, c.Bytes())
	case wire.Tag(11, wire.Bytes):
		f.oneof(metricSummary, c.Bytes())
	case wire.Tag(12, wire.Bytes):
		f.metadata++
		if !t.e.opts.MetricMetadata {
			t.e.lost.MetricMetadata++
			return nil
		}
		return underAt("metadata", f.metadata-1, t.metadata.add(id, from, c.Bytes()))
	default:
		t.e.lost.UnknownFields++
	}
	return nil
}

// oneof sets the data: of two sorts the last counts, two of one sort are one.
func (f *metricFields) oneof(kind uint8, b []byte) {
	if f.kind != kind {
		f.data = nil
	}
	f.kind, f.data = kind, joined(f.data, b)
}

var dataNames = [...]string{"data", "gauge", "sum", "histogram", "exponential_histogram", "summary"}

// data walks a Gauge, Sum, Histogram, ExponentialHistogram or Summary, whose fields agree.
func (t *metricTables) data(row int, id uint32, f *metricFields) error {
	points := [...]*pointTable{nil, t.number, t.number, t.histogram, t.exp, t.summary}[f.kind]
	var temporality uint32
	var monotonic bool
	c, i := wire.NewCursor(f.data), 0
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(1, wire.Bytes):
			if err := points.add(id, c.Bytes()); err != nil {
				return underAt("data_points", i, err)
			}
			i++
		case wire.Tag(2, wire.Varint):
			temporality = uint32(c.Varint())
		case wire.Tag(3, wire.Varint):
			monotonic = c.Varint() != 0
		default:
			t.e.lost.UnknownFields++
		}
	}
	count(t.temporality, row, temporality)
	if f.kind == metricSum {
		t.monotonic.bool(row, monotonic)
	}
	return c.Err()
}
