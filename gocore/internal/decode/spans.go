package decode

import (
	"errors"
	"math"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

var (
	errTraceID = errors.New("a trace id has 0 or 16 bytes")
	errSpanID  = errors.New("a span id has 0 or 8 bytes")
)

// spans is the columns of traces.
type spans struct {
	table                                                 *Table
	traceID, spanID, parentID                             column.Binary
	traceState, name, statusMessage                       column.Text
	kind, statusCode                                      enum
	flags, droppedAttributes, droppedEvents, droppedLinks column.Fixed[uint32]
	start, end, duration                                  column.Fixed[int64]
	attributes                                            attrs
	events                                                events
	links                                                 links
}

func (s *spans) bind(named *columns) {
	s.traceID.Width, s.spanID.Width, s.parentID.Width = 16, 8, 8
	named.add("trace_id", &s.traceID)
	named.add("span_id", &s.spanID)
	named.add("parent_span_id", &s.parentID)
	named.add("trace_state", &s.traceState)
	named.add("flags", &s.flags)
	named.add("name", &s.name)
	s.kind.bind(named, "kind", spanKinds)
	named.add("start_time_unix_nano", &s.start)
	named.add("end_time_unix_nano", &s.end)
	named.add("duration_nano", &s.duration)
	s.statusCode.bind(named, "status_code", statusCodes)
	named.add("status_message", &s.statusMessage)
	named.attrs("attributes", "attribute_types", &s.attributes)
	named.add("dropped_attributes_count", &s.droppedAttributes)
	s.events.bind(s.table, named)
	named.add("events", &s.events.list)
	named.add("dropped_events_count", &s.droppedEvents)
	s.links.bind(s.table, named)
	named.add("links", &s.links.list)
	named.add("dropped_links_count", &s.droppedLinks)
}

// spanFields is what a Span holds once; the last of each counts.
type spanFields struct {
	traceID, spanID, parentID, traceState, name, status []byte
	hasStatus                                           bool
	flags, droppedAttributes, droppedEvents             uint32
	droppedLinks                                        uint32
	kind                                                int32
	start, end                                          uint64
}

// span reads a Span:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/trace/v1/trace.proto
func (s *spans) span(b []byte) error {
	var f spanFields
	s.attributes.begin()
	s.events.count, s.links.count = 0, 0 // a refused request may have left them in the middle
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1<<3 | 2:
			f.traceID = c.Bytes()
		case 2<<3 | 2:
			f.spanID = c.Bytes()
		case 3<<3 | 2:
			f.traceState = s.table.later("trace_state", f.traceState, c.Bytes())
		case 4<<3 | 2:
			f.parentID = c.Bytes()
		case 5<<3 | 2:
			f.name = s.table.later("name", f.name, c.Bytes())
		case 6 << 3:
			f.kind = int32(c.Varint()) // protobuf truncates
		case 7<<3 | 1:
			f.start = c.Fixed64()
		case 8<<3 | 1:
			f.end = c.Fixed64()
		case 9<<3 | 2:
			if err := s.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 10 << 3:
			f.droppedAttributes = uint32(c.Varint()) // protobuf truncates
		case 11<<3 | 2:
			if err := s.events.add(c.Bytes()); err != nil {
				return err
			}
		case 12 << 3:
			f.droppedEvents = uint32(c.Varint()) // protobuf truncates
		case 13<<3 | 2:
			if err := s.links.add(c.Bytes()); err != nil {
				return err
			}
		case 14 << 3:
			f.droppedLinks = uint32(c.Varint()) // protobuf truncates
		case 15<<3 | 2:
			f.status, f.hasStatus = merge(f.hasStatus, f.status, c.Bytes()), true
		case 16<<3 | 5:
			f.flags = c.Fixed32()
		default:
			s.table.unknown()
		}
	}
	s.append(&f)
	if err := s.table.end(&c); err != nil {
		return err
	}
	return s.finish()
}

func (s *spans) append(f *spanFields) {
	t := s.table
	t.check("trace_id", appendID(&s.traceID, f.traceID, errTraceID))
	t.check("span_id", appendID(&s.spanID, f.spanID, errSpanID))
	t.check("parent_span_id", appendID(&s.parentID, f.parentID, errSpanID))
	t.check("trace_state", s.traceState.Append(f.traceState))
	t.check("name", s.name.Append(f.name))
	t.check("kind", s.kind.append(f.kind, 1))
	s.flags.Append(f.flags)
	appendTime(&s.start, f.start)
	appendTime(&s.end, f.end)
	duration := f.end - f.start
	s.duration.AppendIf(int64(duration), f.start != 0 && f.end >= f.start && duration <= math.MaxInt64) // checked
	s.droppedAttributes.Append(f.droppedAttributes)
	s.droppedEvents.Append(f.droppedEvents)
	s.droppedLinks.Append(f.droppedLinks)
	t.check("status", s.status(f.status, f.hasStatus))
}

func (s *spans) finish() error {
	t := s.table
	if err := s.attributes.finish(-1); err != nil {
		return err
	}
	if err := t.promoted.fill(&s.attributes, 1); err != nil {
		return err
	}
	s.attributes.close()
	t.duplicate(&s.attributes)
	s.events.close()
	s.links.close()
	return t.row()
}

// status reads Status { string message = 2; StatusCode code = 3 }.
func (s *spans) status(b []byte, has bool) error {
	if !has {
		s.statusCode.AppendNull()
		return s.statusMessage.Append(nil)
	}
	var message []byte
	var code int32
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 2<<3 | 2:
			if !utf8.Valid(message) { // protobuf also checks one that does not count
				return in("message", column.ErrUTF8)
			}
			message = c.Bytes()
		case 3 << 3:
			code = int32(c.Varint()) // protobuf truncates
		default:
			s.table.unknown()
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	if err := s.statusCode.append(code, 1); err != nil {
		return err
	}
	return in("message", s.statusMessage.Append(message))
}

// appendTime writes a time; 0 is OTLP's "not set" and null.
func appendTime(col *column.Fixed[int64], v uint64) {
	col.AppendIf(int64(v), v != 0) // wraps, as the schema says
}

func appendID(col *column.Binary, id []byte, wrong error) error {
	col.AppendOrNull(id)
	if len(id) != 0 && len(id) != col.Width {
		return wrong
	}
	return nil
}

// looseID writes an id that the protos allow to be ill-sized: then there is none.
func (t *Table) looseID(col *column.Binary, id []byte) {
	col.AppendOrNull(id)
	if len(id) != 0 && len(id) != col.Width {
		t.Stats.IllSizedIDs++
	}
}
