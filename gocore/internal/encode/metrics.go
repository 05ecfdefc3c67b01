package encode

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// kind is what differs in field numbers between the kinds of metrics:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/metrics/v1/metrics.proto
type kind struct {
	name string
	data uint32 // in Metric
	// In the data point; 0 where there is no such field.
	attributes, exemplars, flags, min, max uint32
	// own writes the fields that only this kind of point has.
	own func(m *metrics, b []byte, row int) []byte
}

var kinds = []kind{
	{"gauge", 5, 7, 5, 8, 0, 0, (*metrics).number},
	{"sum", 7, 7, 5, 8, 0, 0, (*metrics).number},
	{"histogram", 9, 9, 8, 10, 11, 12, (*metrics).histogram},
	{"exponential_histogram", 10, 1, 11, 10, 12, 13, (*metrics).exponential},
	{"summary", 11, 7, 0, 8, 0, 0, (*metrics).summary},
}

// metrics is the columns of Metric, a container, and of its data points.
type metrics struct {
	table                        *table
	name, description, unit, typ text
	metadata                     attributes
	temporality                  text
	monotonic                    column[bool]

	attrs                    attributes
	start, time              column[arrow.Timestamp]
	flags                    column[uint32]
	value                    value
	count, zeroCount         column[uint64]
	sum, min, max, threshold column[float64]
	bucketCounts             listOf[uint64]
	bounds                   listOf[float64]
	scale                    column[int32]
	positive, negative       buckets
	quantiles                quantiles
	exemplars                exemplars

	kind                   *kind // of the open metric
	metricPlace, dataPlace int
}

func bindMetrics(t *table, s source) *metrics {
	return &metrics{
		table:        t,
		name:         bindText(s, "metric_name"),
		description:  bindText(s, "metric_description"),
		unit:         bindText(s, "metric_unit"),
		typ:          bindText(s, "metric_type"),
		metadata:     t.containerAttributes(s, "metric_metadata", "metric_metadata_types"),
		temporality:  bindText(s, "aggregation_temporality"),
		monotonic:    bind[bool](s, "is_monotonic"),
		attrs:        bindAttributes(s, "attributes", "attribute_types", "attributes"),
		start:        times(s, "start_time_unix_nano"),
		time:         times(s, "time_unix_nano"),
		flags:        bind[uint32](s, "flags"),
		value:        bindValue(s),
		count:        bind[uint64](s, "count"),
		zeroCount:    bind[uint64](s, "zero_count"),
		sum:          bind[float64](s, "sum"),
		min:          bind[float64](s, "min"),
		max:          bind[float64](s, "max"),
		threshold:    bind[float64](s, "zero_threshold"),
		bucketCounts: bindListOf[uint64](s, "bucket_counts"),
		bounds:       bindListOf[float64](s, "explicit_bounds"),
		scale:        bind[int32](s, "scale"),
		positive:     bindBuckets(s, "positive"),
		negative:     bindBuckets(s, "negative"),
		quantiles:    bindQuantiles(s),
		exemplars:    bindExemplars(t, s),
	}
}

func (m *metrics) same(row int) bool {
	return m.name.same(row-1, row) && m.typ.same(row-1, row) && m.unit.same(row-1, row) &&
		m.description.same(row-1, row) && m.temporality.same(row-1, row) && same(m.monotonic, row-1, row) &&
		m.metadata.same(row-1, row) && m.table.earlier.same(m.metadata.column)
}

// open writes Metric { string name = 1; string description = 2; string unit = 3; repeated
// KeyValue metadata = 12 } and the head of its data { AggregationTemporality = 2; bool
// is_monotonic = 3 }, into which the points come.
func (m *metrics) open(b []byte, row int) []byte {
	m.kind = m.kindAt(row)
	b, m.metricPlace = wire.Begin(b, 2)
	b = appendText(b, 1, m.name.value(row))
	b = appendText(b, 2, m.description.value(row))
	b = appendText(b, 3, m.unit.value(row))
	b = m.table.appendContainerAttributes(b, 12, m.metadata, row)
	b, m.dataPlace = wire.Begin(b, m.kind.data)
	b = appendInt32(b, 2, m.table.enumAt(temporalities, "aggregation_temporality", m.temporality, row))
	if m.monotonic.value(row) {
		b = wire.AppendUint(b, 3, 1)
	}
	return b
}

func (m *metrics) kindAt(row int) *kind {
	name := m.typ.value(row)
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	m.table.fault("metric_type", fmt.Errorf("%q is no kind of metric", name))
	return &kinds[0]
}

func (m *metrics) close(b []byte) []byte { return wire.End(wire.End(b, m.dataPlace), m.metricPlace) }

// point writes a data point; start, time and count have the same numbers in all kinds.
func (m *metrics) point(b []byte, row int) []byte {
	k := m.kind
	b, place := wire.Begin(b, 1)
	b = m.table.appendAttributes(b, k.attributes, m.attrs, row, 0)
	b = appendTime(b, 2, m.start.value(row))
	b = appendTime(b, 3, m.time.value(row))
	b = k.own(m, b, row)
	if k.exemplars != 0 {
		b = m.exemplars.append(b, k.exemplars, row)
	}
	if k.min != 0 {
		b = appendOptional(b, k.min, m.min, row)
		b = appendOptional(b, k.max, m.max, row)
	}
	b = appendUint(b, k.flags, uint64(m.flags.value(row)))
	return wire.End(b, place)
}

func (m *metrics) number(b []byte, row int) []byte { return m.value.append(b, 4, row) }

func (m *metrics) histogram(b []byte, row int) []byte {
	b = appendFixed64(b, 4, m.count.value(row))
	b = appendOptional(b, 5, m.sum, row)
	b = appendPacked(b, 6, m.bucketCounts, row, func(v uint64) uint64 { return v })
	return appendPacked(b, 7, m.bounds, row, math.Float64bits)
}

func (m *metrics) exponential(b []byte, row int) []byte {
	b = appendFixed64(b, 4, m.count.value(row))
	b = appendOptional(b, 5, m.sum, row)
	if scale := m.scale.value(row); scale != 0 {
		b = wire.AppendSint32(b, 6, scale)
	}
	b = appendFixed64(b, 7, m.zeroCount.value(row))
	b = m.positive.append(b, 8, row)
	b = m.negative.append(b, 9, row)
	return appendDouble(b, 14, m.threshold.value(row))
}

func (m *metrics) summary(b []byte, row int) []byte {
	b = appendFixed64(b, 4, m.count.value(row))
	b = appendDouble(b, 5, m.sum.value(row))
	return m.quantiles.append(b, 6, row)
}
