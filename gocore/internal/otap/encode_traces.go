package otap

import (
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// traceTables are what spans become.
type traceTables struct {
	e *encoder

	start, duration, traceID, spanID, state, parentSpan, flags, name, kind, drops, eventDrops, linkDrops *emitCol
	status, code, message                                                                                *emitCol

	attrs                 *attrTable
	events, links         *emitTable
	eventAttrs, linkAttrs *attrTable
	event                 eventCols
	link                  linkCols
}

type eventCols struct {
	childIDs
	time, name, drops *emitCol
	prevName          []byte
}

type linkCols struct {
	childIDs
	traceID, spanID, state, drops, flags *emitCol
	prevTrace                            [16]byte
}

// childIDs are the columns that tie a row to its parent and to its own attributes. Parents
// are steps where readers expect steps.
type childIDs struct {
	id, parent           *emitCol
	next, prevID, prevUp uint32
}

func newChildIDs() childIDs {
	return childIDs{id: plainCol("id", tU32), parent: plainCol("parent_id", tU16).must()}
}

func (c *childIDs) clear() { c.next, c.prevID, c.prevUp = 0, 0, 0 }

// up sets the parent; step says that readers add it to the last.
func (c *childIDs) up(row int, parent uint32, step bool) {
	v := parent
	if step {
		v -= c.prevUp
	}
	c.prevUp = parent
	if c.parent.typ == tU16 {
		c.parent.u16(row, uint16(v))
	} else {
		c.parent.u32(row, v)
	}
}

// named sets the row's own id, since others refer to it.
func (c *childIDs) named(row int) {
	c.id.u32(row, c.next-c.prevID)
	c.prevID = c.next
	c.next++
}

func newTraceTables(e *encoder) *traceTables {
	t := &traceTables{
		e: e, start: plainCol("start_time_unix_nano", tTime).must(),
		duration: dictCol("duration_time_unix_nano", tDuration, indexU8).must(),
		traceID:  dictCol("trace_id", tID16, indexU8).must(), spanID: plainCol("span_id", tID8).must(),
		state: dictCol("trace_state", tText, indexU8), parentSpan: plainCol("parent_span_id", tID8), flags: plainCol("flags", tU32),
		name: dictCol("name", tText, indexU8).must(), kind: dictCol("kind", tI32, indexU8),
		drops: plainCol("dropped_attributes_count", tU32), eventDrops: plainCol("dropped_events_count", tU32),
		linkDrops: plainCol("dropped_links_count", tU32), code: dictCol("code", tI32, indexU8),
		message: dictCol("status_message", tText, indexU8),
	}
	t.spanID.noise = true
	t.status = structCol("status", t.code, t.message)
	e.root = newEmitTable(Spans, append(e.rootCols.cols(), t.start, t.duration, t.traceID, t.spanID, t.state, t.parentSpan,
		t.flags, t.name, t.kind, t.drops, t.eventDrops, t.linkDrops, t.status)...)
	t.attrs = newAttrTable(SpanAttrs, false, e.lost)
	ev := &t.event
	*ev = eventCols{childIDs: newChildIDs(), time: plainCol("time_unix_nano", tTime), name: dictCol("name", tText, indexU8).must(),
		drops: plainCol("dropped_attributes_count", tU32)}
	t.events = newEmitTable(SpanEvents, ev.id, ev.parent, ev.time, ev.name, ev.drops)
	t.eventAttrs = newAttrTable(EventAttrs, true, e.lost)
	l := &t.link
	*l = linkCols{childIDs: newChildIDs(), traceID: dictCol("trace_id", tID16, indexU8).must(), spanID: plainCol("span_id", tID8).must(),
		state: dictCol("trace_state", tText, indexU8), drops: plainCol("dropped_attributes_count", tU32), flags: plainCol("flags", tU32)}
	t.links = newEmitTable(SpanLinks, l.id, l.parent, l.traceID, l.spanID, l.state, l.drops, l.flags)
	t.linkAttrs = newAttrTable(LinkAttrs, true, e.lost)
	return t
}

func (t *traceTables) tables() []sender {
	return []sender{t.attrs, t.events, t.links, t.eventAttrs, t.linkAttrs}
}

func (t *traceTables) clear() {
	t.event.clear()
	t.link.clear()
}

type spanFields struct {
	traceID, spanID, state, parent, name, status []byte
	kind                                         int32
	start, end                                   uint64
	drops, eventDrops, linkDrops, flags          uint32
	attrs, events, links                         int
}

func (t *traceTables) item(b []byte) error {
	e := t.e
	row, id := e.root.rows, e.at.nextID
	if err := e.begin(row); err != nil {
		return err
	}
	var f spanFields
	from := t.attrs.from()
	c := wire.NewCursor(b)
	for c.Next() {
		if err := t.field(&c, &f, id, from); err != nil {
			return err
		}
	}
	if c.Err() != nil {
		return c.Err()
	}
	if f.attrs+f.events+f.links > 0 {
		e.rootID(row)
	}
	e.root.rows++
	return t.put(row, &f)
}

func (t *traceTables) field(c *wire.Cursor, f *spanFields, id uint32, from int) error {
	switch c.Tag() {
	case wire.Tag(1, wire.Bytes):
		f.traceID = c.Bytes()
	case wire.Tag(2, wire.Bytes):
		f.spanID = c.Bytes()
	case wire.Tag(3, wire.Bytes):
		f.state = c.Bytes()
	case wire.Tag(4, wire.Bytes):
		f.parent = c.Bytes()
	case wire.Tag(5, wire.Bytes):
		f.name = c.Bytes()
	case wire.Tag(6, wire.Varint):
		f.kind = int32(c.Varint())
	case wire.Tag(7, wire.Fixed64):
		f.start = c.Fixed64()
	case wire.Tag(8, wire.Fixed64):
		f.end = c.Fixed64()
	case wire.Tag(9, wire.Bytes):
		f.attrs++
		return underAt("attributes", f.attrs-1, t.attrs.add(id, from, c.Bytes()))
	case wire.Tag(10, wire.Varint):
		f.drops = uint32(c.Varint())
	case wire.Tag(11, wire.Bytes):
		f.events++
		return underAt("events", f.events-1, t.addEvent(id, c.Bytes()))
	case wire.Tag(12, wire.Varint):
		f.eventDrops = uint32(c.Varint())
	case wire.Tag(13, wire.Bytes):
		f.links++
		return underAt("links", f.links-1, t.addLink(id, c.Bytes()))
	case wire.Tag(14, wire.Varint):
		f.linkDrops = uint32(c.Varint())
	case wire.Tag(15, wire.Bytes):
		f.status = joined(f.status, c.Bytes())
	case wire.Tag(16, wire.Fixed32):
		f.flags = c.Fixed32()
	default:
		t.e.lost.UnknownFields++
	}
	return nil
}

func (t *traceTables) put(row int, f *spanFields) error {
	e := t.e
	if err := e.requiredID(t.traceID, row, f.traceID); err != nil {
		return err
	}
	if err := e.requiredID(t.spanID, row, f.spanID); err != nil {
		return err
	}
	if n := len(f.parent); n != 0 && n != 8 {
		return e.requiredID(t.parentSpan, row, f.parent)
	}
	e.id(t.parentSpan, row, f.parent)
	t.start.u64(row, f.start)
	t.duration.u64(row, f.end-f.start)
	count(t.flags, row, f.flags)
	count(t.kind, row, uint32(f.kind))
	count(t.drops, row, f.drops)
	count(t.eventDrops, row, f.eventDrops)
	count(t.linkDrops, row, f.linkDrops)
	if t.name.raw(row, f.name) && !utf8.Valid(f.name) {
		return under("name", errNotUTF8)
	}
	if err := checked(t.state, row, f.state); err != nil {
		return err
	}
	return under("status", t.putStatus(row, f.status))
}

func (t *traceTables) putStatus(row int, b []byte) error {
	var message []byte
	var code uint32
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(2, wire.Bytes):
			message = c.Bytes()
		case wire.Tag(3, wire.Varint):
			code = uint32(c.Varint())
		default:
			t.e.lost.UnknownFields++
		}
	}
	if c.Err() != nil || code == 0 && len(message) == 0 {
		return c.Err()
	}
	t.status.mark(row)
	count(t.code, row, code)
	return checked(t.message, row, message)
}
