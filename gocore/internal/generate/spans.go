package generate

import (
	"strconv"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// The fields of Span, Span.Event and Status.
const (
	traceIDField      = 1
	spanIDField       = 2
	parentSpanIDField = 4
	nameField         = 5
	kindField         = 6
	startField        = 7
	endField          = 8
	spanAttributes    = 9
	eventsField       = 11
	statusField       = 15
	spanFlags         = 16

	eventTime, eventName, eventAttributes = 1, 2, 3
	statusMessage, statusCode, isError    = 2, 3, 2

	scopeItems = 2 // of ScopeSpans, ScopeLogs and ScopeMetrics

	sampled = 1
)

// span is one that is made.
type span struct {
	trace      [16]byte
	id, parent [8]byte
	start, end time.Time
	failed     bool
}

// spans makes n of them in whole traces, but for the last one, which may lack some.
func (m *Maker) spans(n int) {
	for m.left = n; m.left > 0; {
		visit := &visits[m.r.IntN(len(visits))]
		begin := m.now().Add(-time.Second - time.Duration(m.r.IntN(int(time.Second))))
		m.walk(visit, span{trace: m.traceID(), start: begin})
	}
}

// walk makes the span of a step and those below. It gives back when it ended, and whether it failed.
func (m *Maker) walk(of *step, s span) span {
	m.left--
	s.id = m.id()
	work := m.about(of.mean)
	at := s.start.Add(work / 2)
	for i := range of.calls {
		if m.left == 0 {
			break
		}
		below := m.walk(&of.calls[i], span{trace: s.trace, parent: s.id, start: at})
		at, s.failed = below.end, s.failed || below.failed
	}
	s.failed = s.failed || len(of.calls) == 0 && m.chance(0.01)
	s.end = at.Add(work - work/2)
	m.items[of.service] = m.span(m.items[of.service], of, s)
	return s
}

func (m *Maker) span(b []byte, of *step, s span) []byte {
	b, place := wire.Begin(b, scopeItems)
	b = wire.AppendBytes(b, traceIDField, s.trace[:])
	b = wire.AppendBytes(b, spanIDField, s.id[:])
	if s.parent != [8]byte{} {
		b = wire.AppendBytes(b, parentSpanIDField, s.parent[:])
	}
	b = wire.AppendBytes(b, nameField, of.name)
	b = wire.AppendUint(b, kindField, of.kind)
	b = wire.AppendFixed64(b, startField, uint64(s.start.UnixNano()))
	b = wire.AppendFixed64(b, endField, uint64(s.end.UnixNano()))
	b = m.attributes(b, of, s.failed)
	if s.failed {
		b = m.failure(b, len(of.calls) == 0, s.end)
	}
	b = wire.AppendFixed32(b, spanFlags, sampled)
	return wire.End(b, place)
}

func (m *Maker) attributes(b []byte, of *step, failed bool) []byte {
	switch {
	case of.database != "":
		b = text(b, spanAttributes, "db.system.name", of.database)
		b = text(b, spanAttributes, "db.operation.name", strings.Fields(of.name)[0])
		b = text(b, spanAttributes, "db.query.text", of.query)
		return text(b, spanAttributes, "server.address", of.to)
	case of.topic != "":
		b = text(b, spanAttributes, "messaging.system", "kafka")
		b = text(b, spanAttributes, "messaging.destination.name", of.topic)
		b = text(b, spanAttributes, "messaging.operation.name", strings.Fields(of.name)[0])
		return number(b, spanAttributes, "messaging.kafka.offset", m.r.IntN(1e6))
	case of.rpc != "":
		service, method, _ := strings.Cut(of.rpc, "/")
		b = text(b, spanAttributes, "rpc.system", "grpc")
		b = text(b, spanAttributes, "rpc.service", service)
		b = text(b, spanAttributes, "rpc.method", method)
		return number(b, spanAttributes, "rpc.grpc.status_code", pick(failed, 14, 0))
	}
	return m.http(b, of, failed)
}

func (m *Maker) http(b []byte, of *step, failed bool) []byte {
	path := strings.NewReplacer("{id}", strconv.Itoa(m.r.IntN(500)), "{user}", "user-"+strconv.Itoa(m.r.IntN(2000))).Replace(of.route)
	b = text(b, spanAttributes, "http.request.method", of.method)
	b = number(b, spanAttributes, "http.response.status_code", pick(failed, 500, 200))
	b = text(b, spanAttributes, "network.protocol.version", "1.1")
	if of.kind == client {
		b = text(b, spanAttributes, "url.full", "http://"+of.to+":8080"+path)
		b = text(b, spanAttributes, "server.address", of.to)
		return number(b, spanAttributes, "server.port", 8080)
	}
	b = text(b, spanAttributes, "http.route", of.route)
	b = text(b, spanAttributes, "url.path", path)
	b = text(b, spanAttributes, "url.scheme", "http")
	b = text(b, spanAttributes, "user_agent.original", agents[m.r.IntN(len(agents))])
	b = text(b, spanAttributes, "enduser.id", "user-"+strconv.Itoa(m.r.IntN(2000)))
	return number(b, spanAttributes, "http.response.body.size", 200+m.r.IntN(20_000))
}

var agents = [...]string{
	"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)",
	"curl/8.14.1",
}

func pick(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// failure is the status, with the exception where it came from.
func (m *Maker) failure(b []byte, source bool, at time.Time) []byte {
	const what = "the upstream did not answer within 1s"
	if source {
		var place int
		b, place = wire.Begin(b, eventsField)
		b = wire.AppendFixed64(b, eventTime, uint64(at.UnixNano()))
		b = wire.AppendBytes(b, eventName, "exception")
		b = text(b, eventAttributes, "exception.type", "TimeoutError")
		b = text(b, eventAttributes, "exception.message", what)
		b = wire.End(b, place)
	}
	b, place := wire.Begin(b, statusField)
	b = wire.AppendBytes(b, statusMessage, what)
	b = wire.AppendUint(b, statusCode, isError)
	return wire.End(b, place)
}
