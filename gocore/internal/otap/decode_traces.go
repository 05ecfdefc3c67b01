package otap

import "github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"

// spans is the root table of traces, and those below it.
type spans struct {
	ids, start, duration, kind, flags           numbers
	droppedAttrs, droppedEvents, droppedLinks   numbers
	traceID, spanID, parentID, traceState, name texts
	status                                      *columns
	code                                        numbers
	message                                     texts
	attrs                                       *attrs
	events                                      *events
	links                                       *links
}

func (d *decoder) traces() {
	c := d.rootOf(Spans)
	if c == nil {
		return
	}
	status := d.group(c, "status")
	s := &spans{
		ids: d.ids(c, "id"), start: d.numbers(c, "start_time_unix_nano", moments),
		duration: d.numbers(c, "duration_time_unix_nano", moments), kind: d.numbers(c, "kind", integers),
		flags: d.numbers(c, "flags", integers), droppedAttrs: d.numbers(c, "dropped_attributes_count", integers),
		droppedEvents: d.numbers(c, "dropped_events_count", integers), droppedLinks: d.numbers(c, "dropped_links_count", integers),
		traceID: d.texts(c, "trace_id", 16), spanID: d.texts(c, "span_id", 8), parentID: d.texts(c, "parent_span_id", 8),
		traceState: d.texts(c, "trace_state", 0), name: d.texts(c, "name", 0),
		status: status, code: d.numbers(status, "code", integers), message: d.texts(status, "status_message", 0),
		attrs: d.attrs(SpanAttrs, 9), events: d.events(), links: d.links(),
	}
	d.root(c, func(out []byte, row int) []byte { return d.span(out, s, row) })
}

// span writes the fields of a Span.
func (d *decoder) span(out []byte, s *spans, row int) []byte {
	start := s.start.at(row)
	out = id(out, 1, s.traceID.at(row))
	out = id(out, 2, s.spanID.at(row))
	out = text(out, 3, s.traceState.at(row))
	out = id(out, 4, s.parentID.at(row))
	out = text(out, 5, s.name.at(row))
	out = number(out, 6, s.kind.at(row))
	out = fixed64(out, 7, start)
	out = fixed64(out, 8, start+s.duration.at(row))
	out = d.attributes(out, s.attrs, &s.ids, row)
	out = number(out, 10, s.droppedAttrs.at(row))
	out = d.spanEvents(out, s, row)
	out = number(out, 12, s.droppedEvents.at(row))
	out = d.spanLinks(out, s, row)
	out = number(out, 14, s.droppedLinks.at(row))
	if s.status != nil && s.status.valid.at(row) {
		var place int
		out, place = wire.Begin(out, 15)
		out = text(out, 2, s.message.at(row))
		out = number(out, 3, s.code.at(row))
		out = wire.End(out, place)
	}
	out = fixed32(out, 16, s.flags.at(row))
	return out
}

// events is the table of spans' events.
type events struct {
	children
	ids, time, dropped numbers
	name               texts
	attrs              *attrs
}

func (d *decoder) events() *events {
	c := d.tables[SpanEvents]
	if c == nil {
		return nil
	}
	e := &events{
		ids: d.ids(c, "id"), time: d.numbers(c, "time_unix_nano", moments), name: d.texts(c, "name", 0),
		dropped: d.numbers(c, "dropped_attributes_count", integers), attrs: d.attrs(EventAttrs, 3),
	}
	e.children = d.children(d.parents(c, func(row int) bool { return e.name.sameText(row) }), nil)
	return e
}

func (d *decoder) spanEvents(out []byte, s *spans, row int) []byte {
	if s.events == nil || !s.ids.has(row) {
		return out
	}
	e := s.events
	for _, child := range e.children.of(s.ids.v[row]) {
		if !d.room(out) {
			return out
		}
		var place int
		out, place = wire.Begin(out, 11)
		out = fixed64(out, 1, e.time.at(int(child)))
		out = text(out, 2, e.name.at(int(child)))
		out = d.attributes(out, e.attrs, &e.ids, int(child))
		out = number(out, 4, e.dropped.at(int(child)))
		out = wire.End(out, place)
	}
	return out
}

// links is the table of spans' links.
type links struct {
	children
	ids, dropped, flags         numbers
	traceID, spanID, traceState texts
	attrs                       *attrs
}

func (d *decoder) links() *links {
	c := d.tables[SpanLinks]
	if c == nil {
		return nil
	}
	l := &links{
		ids: d.ids(c, "id"), dropped: d.numbers(c, "dropped_attributes_count", integers), flags: d.numbers(c, "flags", integers),
		traceID: d.texts(c, "trace_id", 16), spanID: d.texts(c, "span_id", 8), traceState: d.texts(c, "trace_state", 0),
		attrs: d.attrs(LinkAttrs, 4),
	}
	l.children = d.children(d.parents(c, func(row int) bool { return l.traceID.sameText(row) }), nil)
	return l
}

func (d *decoder) spanLinks(out []byte, s *spans, row int) []byte {
	if s.links == nil || !s.ids.has(row) {
		return out
	}
	l := s.links
	for _, child := range l.children.of(s.ids.v[row]) {
		if !d.room(out) {
			return out
		}
		var place int
		out, place = wire.Begin(out, 13)
		out = id(out, 1, l.traceID.at(int(child)))
		out = id(out, 2, l.spanID.at(int(child)))
		out = text(out, 3, l.traceState.at(int(child)))
		out = d.attributes(out, l.attrs, &l.ids, int(child))
		out = number(out, 5, l.dropped.at(int(child)))
		out = fixed32(out, 6, l.flags.at(int(child)))
		out = wire.End(out, place)
	}
	return out
}
