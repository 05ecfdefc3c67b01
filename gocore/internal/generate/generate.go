// Package generate makes OTLP requests for trying things out: what the services of a web shop would send, with
// attributes of the semantic conventions. The same seed and clock give the same requests.
//
//	traces   whole trees that cross services, some with an error that goes up to the root
//	logs     lines of the services, several to a trace
//	metrics  a point of each series in turn: gauges, and sums and histograms that only grow
//
// A request has a resource for each service in it. A Maker belongs to one goroutine at a time.
package generate

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// Maker makes requests of one signal.
type Maker struct {
	signal otlp.Signal
	now    func() time.Time
	begun  time.Time
	r      *rand.Rand
	items  [len(services)][]byte // encoded, by service

	left   int // spans that the request may still have
	series []series
	place  int // the next of series
}

// New makes a Maker. now is the time that the data is of.
func New(signal otlp.Signal, seed uint64, now func() time.Time) *Maker {
	m := &Maker{signal: signal, now: now, begun: now(), r: rand.New(rand.NewPCG(seed, uint64(signal)))} //nolint:gosec // repeatable on purpose
	if signal == otlp.Metrics {
		m.series = m.allSeries()
	}
	return m
}

// Body is a request of n items.
func (m *Maker) Body(n int) []byte {
	for i := range m.items {
		m.items[i] = m.items[i][:0]
	}
	switch m.signal {
	case otlp.Traces:
		m.spans(n)
	case otlp.Logs:
		m.logs(n)
	default:
		m.points(n)
	}
	return m.request()
}

// request puts what the services have together; the field numbers are those of all signals.
func (m *Maker) request() (b []byte) {
	const resourceItems, resource, scopeItems, scope = 1, 1, 2, 1
	for i, items := range m.items {
		if len(items) == 0 {
			continue
		}
		var outer, inner int
		b, outer = wire.Begin(b, resourceItems)
		b = m.resource(b, resource, &services[i])
		b, inner = wire.Begin(b, scopeItems)
		b = wire.AppendBytes(b, scope, services[i].scope())
		b = append(b, items...)
		b = wire.End(wire.End(b, inner), outer)
	}
	return b
}

func (m *Maker) resource(b []byte, field uint32, s *service) []byte {
	const attributes = 1
	b, place := wire.Begin(b, field)
	b = text(b, attributes, "service.name", s.name)
	b = text(b, attributes, "service.namespace", "shop")
	b = text(b, attributes, "service.version", s.version)
	b = text(b, attributes, "service.instance.id", s.instance)
	b = text(b, attributes, "host.name", s.host)
	b = text(b, attributes, "telemetry.sdk.language", s.language)
	b = text(b, attributes, "telemetry.sdk.name", "opentelemetry")
	b = text(b, attributes, "deployment.environment.name", "production")
	return wire.End(b, place)
}

// id is a random id that is not empty, as OTLP wants it.
func (m *Maker) id() (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], m.r.Uint64()|1)
	return id
}

func (m *Maker) traceID() [16]byte {
	high, low := m.id(), m.id()
	return [16]byte(append(high[:], low[:]...))
}

// about is a time that is around a mean, with a long tail.
func (m *Maker) about(mean time.Duration) time.Duration {
	return mean/2 + time.Duration(m.r.ExpFloat64()*float64(mean)/2)
}

func (m *Maker) chance(p float64) bool { return m.r.Float64() < p }
