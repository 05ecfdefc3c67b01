package generate

import (
	"encoding/binary"
	"math"
	"sort"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// The fields of Metric and of its kinds.
const (
	metricName        = 1
	metricDescription = 2
	metricUnit        = 3
	metricGauge       = 5
	metricSum         = 7
	metricHistogram   = 9

	dataPoints  = 1
	temporality = 2 // of Sum and Histogram
	monotonic   = 3
	cumulative  = 2

	pointStart      = 2 // of all kinds of points, and the next
	pointTime       = 3
	pointDouble     = 4
	pointInt        = 6
	pointAttributes = 7

	histogramCount      = 4
	histogramSum        = 5
	histogramBuckets    = 6
	histogramBounds     = 7
	histogramAttributes = 9
)

// metric is what its series have in common.
type metric struct {
	kind                    uint32
	name, unit, description string
}

var (
	cpu      = metric{metricGauge, "process.cpu.utilization", "1", "CPU in use by the process"}
	requests = metric{metricSum, "shop.requests", "{request}", "Requests answered"}
	duration = metric{metricHistogram, "http.server.request.duration", "s", "Duration of HTTP server requests"}
)

var bounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// series is one, with what it has counted.
type series struct {
	*metric
	service int
	route   string
	status  int

	count   uint64
	sum     float64
	buckets []uint64
}

// allSeries are ordered by service and metric.
func (m *Maker) allSeries() (all []series) {
	for i := range services {
		all = append(all, series{metric: &cpu, service: i})
		for _, status := range []int{200, 404, 500} {
			for _, route := range routes(i) {
				all = append(all, series{metric: &requests, service: i, route: route, status: status})
			}
		}
		for _, route := range routes(i) {
			all = append(all, series{metric: &duration, service: i, route: route, status: 200, buckets: make([]uint64, len(bounds)+1)})
		}
	}
	return all
}

// routes are those that a service answers in visits, in order.
func routes(service int) (all []string) {
	seen := map[string]bool{}
	var walk func(steps []step)
	walk = func(steps []step) {
		for i := range steps {
			if s := &steps[i]; s.service == service && s.kind == server && s.route != "" {
				seen[s.route] = true
			}
			walk(steps[i].calls)
		}
	}
	walk(visits)
	for route := range seen {
		all = append(all, route)
	}
	sort.Strings(all)
	return all
}

// points makes n of them, of one series after the other.
func (m *Maker) points(n int) {
	for n > 0 {
		of := m.series[m.place].metric
		service := m.series[m.place].service
		b := m.items[service]
		var outer, inner int
		b, outer = wire.Begin(b, scopeItems)
		b = wire.AppendBytes(b, metricName, of.name)
		b = wire.AppendBytes(b, metricDescription, of.description)
		b = wire.AppendBytes(b, metricUnit, of.unit)
		b, inner = wire.Begin(b, of.kind)
		if of.kind != metricGauge {
			b = wire.AppendUint(b, temporality, cumulative)
		}
		if of.kind == metricSum {
			b = wire.AppendUint(b, monotonic, 1)
		}
		for first := true; n > 0 && (first || m.place > 0) && m.series[m.place].metric == of && m.series[m.place].service == service; n-- {
			b, first = m.point(b, &m.series[m.place]), false
			m.place = (m.place + 1) % len(m.series)
		}
		m.items[service] = wire.End(wire.End(b, inner), outer)
	}
}

func (m *Maker) point(b []byte, s *series) []byte {
	b, place := wire.Begin(b, dataPoints)
	if s.kind != metricGauge {
		b = wire.AppendFixed64(b, pointStart, uint64(m.begun.UnixNano()))
	}
	b = wire.AppendFixed64(b, pointTime, uint64(m.now().UnixNano()))
	switch s.kind {
	case metricGauge:
		b = wire.AppendDouble(b, pointDouble, 0.2+0.6*m.r.Float64())
		b = text(b, pointAttributes, "cpu.mode", "user")
	case metricSum:
		s.count += uint64(m.r.IntN(100))
		b = wire.AppendFixed64(b, pointInt, s.count)
		b = s.attributes(b, pointAttributes)
	default:
		b = m.histogram(b, s)
	}
	return wire.End(b, place)
}

func (m *Maker) histogram(b []byte, s *series) []byte {
	for range 1 + m.r.IntN(20) {
		took := m.about(40 * time.Millisecond).Seconds()
		s.buckets[sort.SearchFloat64s(bounds, took)]++
		s.count, s.sum = s.count+1, s.sum+took
	}
	b = wire.AppendFixed64(b, histogramCount, s.count)
	b = wire.AppendDouble(b, histogramSum, s.sum)
	b = wire.AppendBytes(b, histogramBuckets, packed(s.buckets))
	sizes := make([]uint64, len(bounds))
	for i, bound := range bounds {
		sizes[i] = math.Float64bits(bound)
	}
	b = wire.AppendBytes(b, histogramBounds, packed(sizes))
	return s.attributes(b, histogramAttributes)
}

func (s *series) attributes(b []byte, field uint32) []byte {
	b = text(b, field, "http.route", s.route)
	return number(b, field, "http.response.status_code", s.status)
}

// packed are numbers of eight bytes, as a repeated field has them.
func packed(numbers []uint64) (b []byte) {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}
