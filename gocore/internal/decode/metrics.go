package decode

import (
	"errors"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// The kinds of a Metric's data, by their field numbers:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/metrics/v1/metrics.proto
const (
	gauge       = 5
	sum         = 7
	histogram   = 9
	exponential = 10
	summary     = 11
)

var metricTypes = map[uint32][]byte{
	gauge: []byte("gauge"), sum: []byte("sum"), histogram: []byte("histogram"),
	exponential: []byte("exponential_histogram"), summary: []byte("summary"),
}

// dataPaths are the fields' names, for errors.
var dataPaths = map[uint32]string{
	gauge: "gauge", sum: "sum", histogram: "histogram", exponential: "exponential_histogram", summary: "summary",
}

// metrics is the columns of metrics.
type metrics struct {
	table *Table
	trial *Table // see superseded
	state metricState

	name, description, unit, kind column.Text
	temporality                   enum
	metadata                      attrs
	monotonic                     column.Bool
	series                        column.Fixed[uint64]
	start, time                   column.Fixed[int64]
	attributes                    attrs
	flags                         column.Fixed[uint32]
	value                         column.Fixed[float64]
	valueInt                      column.Fixed[int64]
	count                         column.Fixed[uint64]
	sum, min, max                 column.Fixed[float64]
	bucketCounts, explicitBounds  column.List
	bucketCount                   column.Fixed[uint64]
	explicitBound                 column.Fixed[float64]
	scale                         column.Fixed[int32]
	zeroCount                     column.Fixed[uint64]
	zeroThreshold                 column.Fixed[float64]
	positive, negative            buckets
	rare                          []*column.Late // what is exponential histograms' alone
	ofSummaries                   column.Late    // likewise quantiles
	quantiles                     column.List
	quantile, quantileValue       column.Fixed[float64]
	exemplars                     exemplars
}

// metricState is what a metric's points have in common.
type metricState struct {
	field                                 uint32 // which data
	nameAt, descriptionAt, unitAt, kindAt int32
	temporality                           int32
	monotonic                             bool
	rows                                  int
	hash                                  uint64
}

func (m *metrics) bind(named *columns) {
	named.add("metric_name", &m.name)
	named.add("metric_description", &m.description)
	named.add("metric_unit", &m.unit)
	named.add("metric_type", &m.kind)
	named.attrs("metric_metadata", "metric_metadata_types", &m.metadata)
	m.metadata.field = "metadata"
	m.temporality.bind(named, "aggregation_temporality", temporalities)
	named.add("is_monotonic", &m.monotonic)
	named.add("series_id", &m.series)
	named.add("start_time_unix_nano", &m.start)
	named.add("time_unix_nano", &m.time)
	named.attrs("attributes", "attribute_types", &m.attributes)
	named.add("flags", &m.flags)
	named.add("value", &m.value)
	named.add("value_int", &m.valueInt)
	m.bindHistograms(named)
	m.exemplars.bind(m.table, named)
	named.add("exemplars", &m.exemplars.list)
}

func (m *metrics) bindHistograms(named *columns) {
	named.add("count", &m.count)
	named.add("sum", &m.sum)
	named.add("min", &m.min)
	named.add("max", &m.max)
	m.bucketCounts.Children = []column.Column{&m.bucketCount}
	m.explicitBounds.Children = []column.Column{&m.explicitBound}
	m.quantiles.Children = []column.Column{&m.quantile, &m.quantileValue}
	named.add("bucket_counts", &m.bucketCounts)
	named.add("explicit_bounds", &m.explicitBounds)
	m.positive.bind()
	m.negative.bind()
	m.bindRare(named, "scale", &m.scale)
	m.bindRare(named, "zero_count", &m.zeroCount)
	m.bindRare(named, "zero_threshold", &m.zeroThreshold)
	m.bindRare(named, "positive_offset", &m.positive.offset)
	m.bindRare(named, "positive_bucket_counts", &m.positive.counts)
	m.bindRare(named, "negative_offset", &m.negative.offset)
	m.bindRare(named, "negative_bucket_counts", &m.negative.counts)
	m.ofSummaries.Column = &m.quantiles
	named.add("quantiles", &m.ofSummaries)
}

// bindRare binds a column that only exponential histograms fill.
func (m *metrics) bindRare(named *columns, name string, col nullable) {
	late := &column.Late{Column: col}
	m.rare = append(m.rare, late)
	named.add(name, late)
}

type nullable interface {
	column.Column
	AppendNulls(n int)
}

// metricFields is what a Metric holds once; of the data the last kind counts.
type metricFields struct {
	name, description, unit, data []byte
	field                         uint32
}

func (m *metrics) metric(b []byte) error {
	var f metricFields
	m.metadata.begin()
	c := wire.NewCursor(b)
	for c.Next() {
		switch tag := c.Tag(); tag {
		case 1<<3 | 2:
			f.name = m.table.later("name", f.name, c.Bytes())
		case 2<<3 | 2:
			f.description = m.table.later("description", f.description, c.Bytes())
		case 3<<3 | 2:
			f.unit = m.table.later("unit", f.unit, c.Bytes())
		case gauge<<3 | 2, sum<<3 | 2, histogram<<3 | 2, exponential<<3 | 2, summary<<3 | 2:
			if f.field != 0 && f.field != tag>>3 {
				if err := m.superseded(f.field, f.data); err != nil {
					return err
				}
			}
			f.data = merge(f.field == tag>>3, f.data, c.Bytes())
			f.field = tag >> 3
		case 12<<3 | 2:
			if err := m.metadata.add(c.Bytes()); err != nil {
				return err
			}
		default:
			m.table.unknown()
		}
	}
	if err := m.table.end(&c); err != nil {
		return err
	}
	if err := m.begin(&f); err != nil {
		return err
	}
	return in(dataPaths[f.field], m.data(f.data))
}

const trialRows = 1000

// superseded checks data that does not count because data of another kind comes behind it, as
// protobuf does. Nobody is known to send that, so it may cost a table of its own.
func (m *metrics) superseded(field uint32, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	body := data
	for _, around := range []uint32{field, 2, 2, 1} { // metric, scope, resource, request
		body = wire.AppendBytes(nil, around, body)
	}
	if m.trial == nil {
		m.trial = New(m.table.signal)
	}
	if m.trial.Rows() > trialRows {
		m.trial.Reset()
	}
	m.trial.MaxGrowth = m.table.MaxGrowth
	if wrong := new(fault.Error); errors.As(m.trial.Decode(body), &wrong) {
		return in(dataPaths[field], wrong.Err)
	}
	return nil
}

// begin takes in what the points of the metric repeat.
func (m *metrics) begin(f *metricFields) error {
	t := m.table
	s := &m.state
	*s = metricState{field: f.field}
	var err error
	s.nameAt, err = m.name.Index(f.name)
	t.check("name", err)
	s.descriptionAt, err = m.description.Index(f.description)
	t.check("description", err)
	s.unitAt, err = m.unit.Index(f.unit)
	t.check("unit", err)
	if f.field != 0 {
		s.kindAt, err = m.kind.Index(metricTypes[f.field])
		t.check("data", err)
	}
	t.check("metadata", m.metadata.finish(-1))
	err = t.bad
	t.bad = nil
	return err
}

// data reads Gauge, Sum, Histogram, ExponentialHistogram or Summary: they agree on
// { repeated points = 1; aggregation_temporality = 2; bool is_monotonic = 3 }.
func (m *metrics) data(b []byte) error {
	if err := m.dataHead(b); err != nil {
		return err
	}
	m.hashMetric()
	m.settle()
	c := wire.NewCursor(b)
	for i := 0; c.Next(); {
		if c.Tag() != 1<<3|2 {
			continue
		}
		if err := m.point(c.Bytes()); err != nil {
			return at("data_points", i, err)
		}
		i++
	}
	if err := c.Err(); err != nil {
		return err
	}
	return m.fill()
}

// settle makes the columns ready that only this kind of points fills.
func (m *metrics) settle() {
	switch m.state.field {
	case exponential:
		for _, late := range m.rare {
			late.Settle()
		}
	case summary:
		m.ofSummaries.Settle()
	}
}

// fill appends, for all points of the metric at once, what they repeat and the nulls of the
// fields that its type does not have.
func (m *metrics) fill() error {
	s := &m.state
	n := s.rows
	m.metadata.closeN(n)
	if n == 0 {
		m.table.Stats.EmptyContainers++
		return nil
	}
	m.name.AppendIndexN(s.nameAt, n)
	m.description.AppendIndexN(s.descriptionAt, n)
	m.unit.AppendIndexN(s.unitAt, n)
	m.kind.AppendIndexN(s.kindAt, n)
	m.fillNulls(s.field, n)
	return m.fillIdentity(s, n)
}

// fillNulls is the other half of what the point functions append.
func (m *metrics) fillNulls(field uint32, n int) {
	if field == gauge || field == sum {
		m.count.AppendNulls(n)
		m.sum.AppendNulls(n)
	} else {
		m.value.AppendNulls(n)
		m.valueInt.AppendNulls(n)
	}
	if field != histogram && field != exponential {
		m.min.AppendNulls(n)
		m.max.AppendNulls(n)
	}
	if field != histogram {
		m.bucketCounts.AppendNulls(n)
		m.explicitBounds.AppendNulls(n)
	}
	if field != exponential {
		for _, late := range m.rare {
			late.AppendNulls(n)
		}
	}
	if field == summary {
		m.exemplars.list.AppendNulls(n)
	} else {
		m.ofSummaries.AppendNulls(n)
	}
}

func (m *metrics) fillIdentity(s *metricState, n int) error {
	if s.field == sum {
		m.monotonic.AppendN(s.monotonic, n)
	} else {
		m.monotonic.AppendNulls(n)
	}
	if s.field == gauge || s.field == summary {
		m.temporality.AppendNulls(n)
		return nil
	}
	return m.temporality.append(s.temporality, n)
}

func (m *metrics) dataHead(b []byte) error {
	s := &m.state
	c := wire.NewCursor(b)
	for c.Next() {
		switch {
		case c.Tag() == 1<<3|2:
		case c.Tag() == 2<<3 && (s.field == sum || s.field == histogram || s.field == exponential):
			s.temporality = int32(c.Varint()) // protobuf truncates
		case c.Tag() == 3<<3 && s.field == sum:
			s.monotonic = c.Varint() != 0
		default:
			m.table.unknown()
		}
	}
	return c.Err()
}

func (m *metrics) point(b []byte) error {
	m.attributes.begin()
	m.exemplars.count = 0 // a refused request may have left it in the middle
	var err error
	var p point
	switch m.state.field {
	case gauge, sum:
		err = m.numberPoint(b, &p)
	case histogram:
		err = m.histogramPoint(b, &p)
	case exponential:
		err = m.exponentialPoint(b, &p)
	default:
		err = m.summaryPoint(b, &p)
	}
	if err != nil {
		return err
	}
	return m.finish(&p)
}

// finish ends a point's row with what all kinds have.
func (m *metrics) finish(p *point) error {
	t, s := m.table, &m.state
	if err := m.attributes.finish(-1); err != nil {
		return err
	}
	if err := t.promoted.fill(&m.attributes, 1); err != nil {
		return err
	}
	m.attributes.close()
	t.duplicate(&m.attributes)
	t.duplicate(&m.metadata)
	s.rows++
	m.series.Append(m.seriesID())
	appendTime(&m.start, p.start)
	appendTime(&m.time, p.time)
	m.flags.Append(p.flags)
	m.closeLists()
	if err := t.grow(attrCost*m.metadata.size() + 8*p.numbers); err != nil {
		return err
	}
	return t.row()
}

// closeLists ends the row in the list columns that the metric's type has.
func (m *metrics) closeLists() {
	switch m.state.field {
	case histogram:
		m.bucketCounts.Close()
		m.explicitBounds.Close()
	case exponential:
		m.positive.counts.Close()
		m.negative.counts.Close()
	case summary:
		m.quantiles.Close()
		return
	}
	m.exemplars.list.Close()
}
