package decode

import (
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// About what an element takes in its columns, with their slack.
const (
	eventCost    = 48
	linkCost     = 96
	exemplarCost = 96
	quantileCost = 32
	entityCost   = 64
)

// events is the list column of a span's events.
type events struct {
	table      *Table
	list       column.List
	time       column.Fixed[int64]
	name       column.Text
	attributes attrs
	dropped    column.Fixed[uint32]
	count      int // of the present row
}

func (e *events) bind(t *Table, named *columns) {
	e.table = t
	named.text(&e.name)
	named.nestedAttrs(&e.attributes, "events", "attributes")
	e.list.Children = []column.Column{&e.time, &e.name, &e.attributes.list, &e.attributes.types, &e.dropped}
}

func (e *events) close() { e.list.Close() }

func (e *events) add(b []byte) error {
	index := e.count
	e.count++
	if err := e.table.grow(eventCost); err != nil {
		return err
	}
	return at("events", index, e.event(b, index))
}

// event reads Event { fixed64 time = 1; name = 2; repeated KeyValue attributes = 3; uint32 dropped = 4 }.
func (e *events) event(b []byte, index int) error {
	var name []byte
	var time uint64
	var dropped uint32
	t := e.table
	e.attributes.begin()
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1<<3 | 1:
			time = c.Fixed64()
		case 2<<3 | 2:
			name = t.later("name", name, c.Bytes())
		case 3<<3 | 2:
			if err := e.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 4 << 3:
			dropped = uint32(c.Varint()) // protobuf truncates
		default:
			t.unknown()
		}
	}
	if err := t.end(&c); err != nil {
		return err
	}
	appendTime(&e.time, time)
	e.dropped.Append(dropped)
	if err := e.name.Append(name); err != nil {
		return in("name", err)
	}
	return e.attributes.closeNested(index)
}

// links is the list column of a span's links.
type links struct {
	table           *Table
	list            column.List
	traceID, spanID column.Binary
	traceState      column.Text
	attributes      attrs
	dropped, flags  column.Fixed[uint32]
	count           int // of the present row
}

func (l *links) bind(t *Table, named *columns) {
	l.table = t
	l.traceID.Width, l.spanID.Width = 16, 8
	named.text(&l.traceState)
	named.nestedAttrs(&l.attributes, "links", "attributes")
	l.list.Children = []column.Column{&l.traceID, &l.spanID, &l.traceState, &l.attributes.list, &l.attributes.types, &l.dropped, &l.flags}
}

func (l *links) close() { l.list.Close() }

func (l *links) add(b []byte) error {
	index := l.count
	l.count++
	if err := l.table.grow(linkCost); err != nil {
		return err
	}
	return at("links", index, l.link(b, index))
}

// link reads Link { trace_id = 1; span_id = 2; trace_state = 3; repeated KeyValue attributes = 4;
// uint32 dropped = 5; fixed32 flags = 6 }.
func (l *links) link(b []byte, index int) error {
	var traceID, spanID, state []byte
	var dropped, flags uint32
	t := l.table
	l.attributes.begin()
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1<<3 | 2:
			traceID = c.Bytes()
		case 2<<3 | 2:
			spanID = c.Bytes()
		case 3<<3 | 2:
			state = t.later("trace_state", state, c.Bytes())
		case 4<<3 | 2:
			if err := l.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 5 << 3:
			dropped = uint32(c.Varint()) // protobuf truncates
		case 6<<3 | 5:
			flags = c.Fixed32()
		default:
			t.unknown()
		}
	}
	if err := t.end(&c); err != nil {
		return err
	}
	t.looseID(&l.traceID, traceID)
	t.looseID(&l.spanID, spanID)
	l.dropped.Append(dropped)
	l.flags.Append(flags)
	if err := l.traceState.Append(state); err != nil {
		return in("trace_state", err)
	}
	return l.attributes.closeNested(index)
}

// closeNested ends the map of an element of a list.
func (a *attrs) closeNested(index int) error {
	if err := a.finish(index); err != nil {
		return err
	}
	a.close()
	a.table.duplicate(a)
	return nil
}
