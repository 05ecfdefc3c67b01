package otap

import (
	"bytes"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// addEvent appends an event of a span. Events stay in their order: sorting them by name would
// lose the order within a span and spare little.
func (t *traceTables) addEvent(span uint32, b []byte) error {
	ev, row := &t.event, t.events.rows
	var time uint64
	var name []byte
	var drops uint32
	attrs, from := 0, t.eventAttrs.from()
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(1, wire.Fixed64):
			time = c.Fixed64()
		case wire.Tag(2, wire.Bytes):
			name = c.Bytes()
		case wire.Tag(3, wire.Bytes):
			if err := t.eventAttrs.add(ev.next, from, c.Bytes()); err != nil {
				return underAt("attributes", attrs, err)
			}
			attrs++
		case wire.Tag(4, wire.Varint):
			drops = uint32(c.Varint())
		default:
			t.e.lost.UnknownFields++
		}
	}
	if attrs > 0 {
		ev.named(row)
	}
	ev.up(row, span, row > 0 && bytes.Equal(name, ev.prevName))
	ev.prevName = name
	moment(ev.time, row, time)
	count(ev.drops, row, drops)
	t.events.rows++
	if ev.name.raw(row, name) && !utf8.Valid(name) {
		return under("name", errNotUTF8)
	}
	return c.Err()
}

// addLink appends a link of a span.
func (t *traceTables) addLink(span uint32, b []byte) error {
	var traceID, spanID, state []byte
	var drops, flags uint32
	attrs, from := 0, t.linkAttrs.from()
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(1, wire.Bytes):
			traceID = c.Bytes()
		case wire.Tag(2, wire.Bytes):
			spanID = c.Bytes()
		case wire.Tag(3, wire.Bytes):
			state = c.Bytes()
		case wire.Tag(4, wire.Bytes):
			if err := t.linkAttrs.add(t.link.next, from, c.Bytes()); err != nil {
				return underAt("attributes", attrs, err)
			}
			attrs++
		case wire.Tag(5, wire.Varint):
			drops = uint32(c.Varint())
		case wire.Tag(6, wire.Fixed32):
			flags = c.Fixed32()
		default:
			t.e.lost.UnknownFields++
		}
	}
	if c.Err() != nil {
		return c.Err()
	}
	return t.putLink(span, attrs > 0, traceID, spanID, state, drops, flags)
}

func (t *traceTables) putLink(span uint32, attrs bool, traceID, spanID, state []byte, drops, flags uint32) error {
	l, row := &t.link, t.links.rows
	t.links.rows++
	if attrs {
		l.named(row)
	}
	var id [16]byte // as it is sent
	if len(traceID) == len(id) {
		copy(id[:], traceID)
	}
	l.up(row, span, row > 0 && id == l.prevTrace)
	l.prevTrace = id
	t.e.idOrZeros(l.traceID, row, traceID)
	t.e.idOrZeros(l.spanID, row, spanID)
	count(l.drops, row, drops)
	count(l.flags, row, flags)
	return checked(l.state, row, state)
}
