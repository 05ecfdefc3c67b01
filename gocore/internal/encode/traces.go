package encode

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// spans is the columns of Span:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/trace/v1/trace.proto
type spans struct {
	table                          *table
	traceID, spanID, parent        column[[]byte]
	traceState, name, kind         text
	flags                          column[uint32]
	start, end                     column[arrow.Timestamp]
	statusCode, statusMessage      text
	attrs                          attributes
	dropped, lostEvents, lostLinks column[uint32]
	events                         events
	links                          links
}

func bindSpans(t *table, s source) *spans {
	return &spans{
		table:         t,
		traceID:       bind[[]byte](s, "trace_id"),
		spanID:        bind[[]byte](s, "span_id"),
		parent:        bind[[]byte](s, "parent_span_id"),
		traceState:    bindText(s, "trace_state"),
		name:          bindText(s, "name"),
		kind:          bindText(s, "kind"),
		flags:         bind[uint32](s, "flags"),
		start:         times(s, "start_time_unix_nano"),
		end:           times(s, "end_time_unix_nano"),
		statusCode:    bindText(s, "status_code"),
		statusMessage: bindText(s, "status_message"),
		attrs:         bindAttributes(s, "attributes", "attribute_types", "attributes"),
		dropped:       bind[uint32](s, "dropped_attributes_count"),
		lostEvents:    bind[uint32](s, "dropped_events_count"),
		lostLinks:     bind[uint32](s, "dropped_links_count"),
		events:        bindEvents(t, s),
		links:         bindLinks(t, s),
	}
}

func (s *spans) span(b []byte, row int) []byte {
	b, place := wire.Begin(b, 2)
	b = appendText(b, 1, s.traceID.value(row))
	b = appendText(b, 2, s.spanID.value(row))
	b = appendText(b, 3, s.traceState.value(row))
	b = appendText(b, 4, s.parent.value(row))
	b = appendText(b, 5, s.name.value(row))
	b = appendInt32(b, 6, s.table.enumAt(spanKinds, "kind", s.kind, row))
	b = appendTime(b, 7, s.start.value(row))
	b = appendTime(b, 8, s.end.value(row))
	b = s.table.appendAttributes(b, 9, s.attrs, row, 0)
	b = appendUint(b, 10, uint64(s.dropped.value(row)))
	b = s.events.append(b, row)
	b = appendUint(b, 12, uint64(s.lostEvents.value(row)))
	b = s.links.append(b, row)
	b = appendUint(b, 14, uint64(s.lostLinks.value(row)))
	b = s.status(b, row)
	b = appendFlags(b, 16, s.flags.value(row))
	return wire.End(b, place)
}

// status writes Status { string message = 2; StatusCode code = 3 }, which may be there
// and yet empty.
func (s *spans) status(b []byte, row int) []byte {
	if _, sent := s.statusCode.get(row); !sent {
		return b
	}
	b, place := wire.Begin(b, 15)
	b = appendText(b, 2, s.statusMessage.value(row))
	b = appendInt32(b, 3, s.table.enumAt(statusCodes, "status_code", s.statusCode, row))
	return wire.End(b, place)
}

// events is the list column of Event { fixed64 time_unix_nano = 1; string name = 2;
// repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4 }.
type events struct {
	list
	table   *table
	time    column[arrow.Timestamp]
	name    text
	attrs   attributes
	dropped column[uint32]
}

func bindEvents(t *table, s source) events {
	l, items := bindList(s, "events")
	in := structSource("events", items, s.fail)
	return events{
		list:    l,
		table:   t,
		time:    times(in, "time_unix_nano"),
		name:    bindText(in, "name"),
		attrs:   bindAttributes(in, "attributes", "attribute_types", "events"),
		dropped: bind[uint32](in, "dropped_attributes_count"),
	}
}

func (e events) append(b []byte, row int) []byte {
	from, to := e.span(row)
	for i := from; i < to; i++ {
		var place int
		b, place = wire.Begin(b, 11)
		b = appendTime(b, 1, e.time.value(i))
		b = appendText(b, 2, e.name.value(i))
		b = e.table.appendAttributes(b, 3, e.attrs, i, i-from)
		b = appendUint(b, 4, uint64(e.dropped.value(i)))
		b = wire.End(b, place)
	}
	return b
}

// links is the list column of Link { bytes trace_id = 1; bytes span_id = 2; string
// trace_state = 3; repeated KeyValue attributes = 4; uint32 dropped_attributes_count = 5;
// fixed32 flags = 6 }.
type links struct {
	list
	table           *table
	traceID, spanID column[[]byte]
	traceState      text
	attrs           attributes
	dropped, flags  column[uint32]
}

func bindLinks(t *table, s source) links {
	l, items := bindList(s, "links")
	in := structSource("links", items, s.fail)
	return links{
		list:       l,
		table:      t,
		traceID:    bind[[]byte](in, "trace_id"),
		spanID:     bind[[]byte](in, "span_id"),
		traceState: bindText(in, "trace_state"),
		attrs:      bindAttributes(in, "attributes", "attribute_types", "links"),
		dropped:    bind[uint32](in, "dropped_attributes_count"),
		flags:      bind[uint32](in, "flags"),
	}
}

func (l links) append(b []byte, row int) []byte {
	from, to := l.span(row)
	for i := from; i < to; i++ {
		var place int
		b, place = wire.Begin(b, 13)
		b = appendText(b, 1, l.traceID.value(i))
		b = appendText(b, 2, l.spanID.value(i))
		b = appendText(b, 3, l.traceState.value(i))
		b = l.table.appendAttributes(b, 4, l.attrs, i, i-from)
		b = appendUint(b, 5, uint64(l.dropped.value(i)))
		b = appendFlags(b, 6, l.flags.value(i))
		b = wire.End(b, place)
	}
	return b
}
