package encode

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// logs is the columns of LogRecord:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/logs/v1/logs.proto
type logs struct {
	table                   *table
	time, observed          column[arrow.Timestamp]
	severity                column[int32]
	severityText, eventName text
	body, bodyType          text
	attrs                   attributes
	dropped, flags          column[uint32]
	traceID, spanID         column[[]byte]
}

func bindLogs(t *table, s source) *logs {
	return &logs{
		table:        t,
		time:         times(s, "time_unix_nano"),
		observed:     times(s, "observed_time_unix_nano"),
		severity:     bind[int32](s, "severity_number"),
		severityText: bindText(s, "severity_text"),
		eventName:    bindText(s, "event_name"),
		body:         bindText(s, "body"),
		bodyType:     bindText(s, "body_type"),
		attrs:        bindAttributes(s, "attributes", "attribute_types", "attributes"),
		dropped:      bind[uint32](s, "dropped_attributes_count"),
		flags:        bind[uint32](s, "flags"),
		traceID:      bind[[]byte](s, "trace_id"),
		spanID:       bind[[]byte](s, "span_id"),
	}
}

func (l *logs) record(b []byte, row int) []byte {
	b, place := wire.Begin(b, 2)
	b = appendTime(b, 1, l.time.value(row))
	b = appendInt32(b, 2, l.severity.value(row))
	b = appendText(b, 3, l.severityText.value(row))
	b = l.appendBody(b, row)
	b = l.table.appendAttributes(b, 6, l.attrs, row, 0)
	b = appendUint(b, 7, uint64(l.dropped.value(row)))
	b = appendFlags(b, 8, l.flags.value(row))
	b = appendText(b, 9, l.traceID.value(row))
	b = appendText(b, 10, l.spanID.value(row))
	b = appendTime(b, 11, l.observed.value(row))
	b = appendText(b, 12, l.eventName.value(row))
	return wire.End(b, place)
}

func (l *logs) appendBody(b []byte, row int) []byte {
	letter := l.bodyType.value(row)
	if len(letter) != 1 {
		l.table.fault("body_type", fmt.Errorf("%q is not one letter", letter))
		return b
	}
	b, err := appendAnyValue(b, 5, letter[0], optional(l.body.get(row)))
	l.table.fault("body", err)
	return b
}
