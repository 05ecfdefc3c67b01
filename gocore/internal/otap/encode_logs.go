package otap

import "github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"

// logTables are what log records become.
type logTables struct {
	e *encoder

	time, observed, traceID, spanID, severity, severityText, drops, flags, event *emitCol
	body                                                                         *emitCol
	value                                                                        valueCols
	attrs                                                                        *attrTable
}

func newLogTables(e *encoder) *logTables {
	t := &logTables{
		e: e, time: plainCol("time_unix_nano", tTime), observed: plainCol("observed_time_unix_nano", tTime),
		traceID: dictCol("trace_id", tID16, indexU8).must(), spanID: dictCol("span_id", tID8, indexU8).must(),
		severity: dictCol("severity_number", tI32, indexU8), severityText: dictCol("severity_text", tText, indexU8),
		drops: plainCol("dropped_attributes_count", tU32), flags: plainCol("flags", tU32), event: dictCol("event_name", tText, indexU8),
		value: newValueCols(e.lost),
	}
	t.body = structCol("body", t.value.cols()...)
	e.root = newEmitTable(Logs, append(e.rootCols.cols(), t.time, t.observed, t.traceID, t.spanID, t.severity, t.severityText,
		t.body, t.drops, t.flags, t.event)...)
	t.attrs = newAttrTable(LogAttrs, false, e.lost)
	return t
}

func (t *logTables) tables() []sender { return []sender{t.attrs} }

func (t *logTables) clear() {}

type logFields struct {
	severityText, body, traceID, spanID, event []byte
	time, observed                             uint64
	severity                                   uint32
	drops, flags                               uint32
	attrs                                      int
}

func (t *logTables) item(b []byte) error {
	e := t.e
	row, id := e.root.rows, e.at.nextID
	if err := e.begin(row); err != nil {
		return err
	}
	var f logFields
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
	if f.attrs > 0 {
		e.rootID(row)
	}
	e.root.rows++
	return t.put(row, &f)
}

func (t *logTables) field(c *wire.Cursor, f *logFields, id uint32, from int) error {
	switch c.Tag() {
	case wire.Tag(1, wire.Fixed64):
		f.time = c.Fixed64()
	case wire.Tag(2, wire.Varint):
		f.severity = uint32(c.Varint())
	case wire.Tag(3, wire.Bytes):
		f.severityText = c.Bytes()
	case wire.Tag(5, wire.Bytes):
		f.body = joined(f.body, c.Bytes())
	case wire.Tag(6, wire.Bytes):
		f.attrs++
		return underAt("attributes", f.attrs-1, t.attrs.add(id, from, c.Bytes()))
	case wire.Tag(7, wire.Varint):
		f.drops = uint32(c.Varint())
	case wire.Tag(8, wire.Fixed32):
		f.flags = c.Fixed32()
	case wire.Tag(9, wire.Bytes):
		f.traceID = c.Bytes()
	case wire.Tag(10, wire.Bytes):
		f.spanID = c.Bytes()
	case wire.Tag(11, wire.Fixed64):
		f.observed = c.Fixed64()
	case wire.Tag(12, wire.Bytes):
		f.event = c.Bytes()
	default:
		t.e.lost.UnknownFields++
	}
	return nil
}

func (t *logTables) put(row int, f *logFields) error {
	moment(t.time, row, f.time)
	moment(t.observed, row, f.observed)
	t.e.idOrZeros(t.traceID, row, f.traceID)
	t.e.idOrZeros(t.spanID, row, f.spanID)
	count(t.severity, row, f.severity)
	count(t.drops, row, f.drops)
	count(t.flags, row, f.flags)
	if err := checked(t.severityText, row, f.severityText); err != nil {
		return err
	}
	if err := checked(t.event, row, f.event); err != nil {
		return err
	}
	v, err := readAny(f.body, t.e.lost)
	if err == nil {
		err = t.value.put(row, v) // the kind also where there is no body: it is required
	}
	if err == nil && v.kind != kindEmpty {
		t.body.mark(row)
	}
	return under("body", err)
}
