package otap

import "github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"

// records is the root table of logs, and its attributes.
type records struct {
	ids, time, observed, severity, dropped, flags numbers
	traceID, spanID, severityText, event          texts
	body                                          *columns
	values                                        values
	attrs                                         *attrs
}

func (d *decoder) logs() {
	c := d.rootOf(Logs)
	if c == nil {
		return
	}
	body := d.group(c, "body")
	r := &records{
		ids: d.ids(c, "id"), time: d.numbers(c, "time_unix_nano", moments), observed: d.numbers(c, "observed_time_unix_nano", moments),
		severity: d.numbers(c, "severity_number", integers), severityText: d.texts(c, "severity_text", 0),
		dropped: d.numbers(c, "dropped_attributes_count", integers), flags: d.numbers(c, "flags", integers),
		traceID: d.texts(c, "trace_id", 16), spanID: d.texts(c, "span_id", 8), event: d.texts(c, "event_name", 0),
		body: body, attrs: d.attrs(LogAttrs, 6),
	}
	if body != nil {
		r.values = d.values(body, c.lax("id"))
	}
	d.root(c, func(out []byte, row int) []byte { return d.record(out, r, row) })
}

// record writes the fields of a LogRecord.
func (d *decoder) record(out []byte, r *records, row int) []byte {
	out = fixed64(out, 1, r.time.at(row))
	out = number(out, 2, r.severity.at(row))
	out = text(out, 3, r.severityText.at(row))
	if r.body != nil && r.body.valid.at(row) && r.values.kind.at(row) != kindEmpty {
		var place int
		out, place = wire.Begin(out, 5)
		out = d.value(out, &r.values, row)
		out = wire.End(out, place)
	}
	out = d.attributes(out, r.attrs, &r.ids, row)
	out = number(out, 7, r.dropped.at(row))
	out = fixed32(out, 8, r.flags.at(row))
	out = id(out, 9, r.traceID.at(row))
	out = id(out, 10, r.spanID.at(row))
	out = fixed64(out, 11, r.observed.at(row))
	out = text(out, 12, r.event.at(row))
	return out
}
