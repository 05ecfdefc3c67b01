package decode

import (
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// logs is the columns of logs.
type logs struct {
	table                               *Table
	time, observed                      column.Fixed[int64]
	severity                            column.Fixed[int32]
	severityText, body, bodyType, event column.Text
	attributes                          attrs
	dropped, flags                      column.Fixed[uint32]
	traceID, spanID                     column.Binary
}

func (l *logs) bind(named *columns) {
	l.traceID.Width, l.spanID.Width = 16, 8
	named.add("time_unix_nano", &l.time)
	named.add("observed_time_unix_nano", &l.observed)
	named.add("severity_number", &l.severity)
	named.add("severity_text", &l.severityText)
	named.add("body", &l.body)
	named.add("body_type", &l.bodyType)
	named.attrs("attributes", "attribute_types", &l.attributes)
	named.add("dropped_attributes_count", &l.dropped)
	named.add("trace_id", &l.traceID)
	named.add("span_id", &l.spanID)
	named.add("flags", &l.flags)
	named.add("event_name", &l.event)
}

// logFields is what a LogRecord holds once; the last of each counts.
type logFields struct {
	severityText, body, traceID, spanID, event []byte
	hasBody                                    bool
	time, observed                             uint64
	severity                                   int32
	dropped, flags                             uint32
}

// record reads a LogRecord:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/logs/v1/logs.proto
func (l *logs) record(b []byte) error {
	var f logFields
	l.attributes.begin()
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case 1<<3 | 1:
			f.time = c.Fixed64()
		case 2 << 3:
			f.severity = int32(c.Varint()) // protobuf truncates
		case 3<<3 | 2:
			f.severityText = l.table.later("severity_text", f.severityText, c.Bytes())
		case 5<<3 | 2:
			f.body, f.hasBody = merge(f.hasBody, f.body, c.Bytes()), true
		case 6<<3 | 2:
			if err := l.attributes.add(c.Bytes()); err != nil {
				return err
			}
		case 7 << 3:
			f.dropped = uint32(c.Varint()) // protobuf truncates
		case 8<<3 | 5:
			f.flags = c.Fixed32()
		case 9<<3 | 2:
			f.traceID = c.Bytes()
		case 10<<3 | 2:
			f.spanID = c.Bytes()
		case 11<<3 | 1:
			f.observed = c.Fixed64()
		case 12<<3 | 2:
			f.event = l.table.later("event_name", f.event, c.Bytes())
		default:
			l.table.unknown()
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	return l.append(&f)
}

func (l *logs) append(f *logFields) error {
	t := l.table
	appendTime(&l.time, f.time)
	appendTime(&l.observed, f.observed)
	l.severity.Append(f.severity)
	l.dropped.Append(f.dropped)
	l.flags.Append(f.flags)
	t.looseID(&l.traceID, f.traceID)
	t.looseID(&l.spanID, f.spanID)
	t.check("severity_text", l.severityText.Append(f.severityText))
	t.check("event_name", l.event.Append(f.event))
	t.check("body", l.appendBody(f.body, f.hasBody))
	t.check("attributes", l.attributes.finish(-1))
	if err := t.bad; err != nil {
		t.bad = nil
		return err
	}
	if err := t.promoted.fill(&l.attributes, 1); err != nil {
		return err
	}
	l.attributes.close()
	t.duplicate(&l.attributes)
	return t.row()
}

// appendBody writes a body's text and type letter.
func (l *logs) appendBody(b []byte, has bool) error {
	t := l.table
	v := value{kind: '-'}
	if has {
		var err error
		if v, err = t.Stats.anyValue(b); err != nil {
			return err
		}
	}
	if err := l.bodyType.Append([]byte{v.kind}); err != nil {
		return err
	}
	switch v.kind {
	case '-', 'n':
		l.body.AppendNull()
		return nil
	case 's':
		return l.body.Append(v.bytes)
	}
	text, err := t.textOf(v)
	if err != nil {
		return err
	}
	return l.body.Append(text)
}
