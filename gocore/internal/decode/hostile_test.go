package decode_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// field is a length-delimited field around others.
func field(number uint32, parts ...[]byte) []byte {
	return wire.AppendBytes(nil, number, bytes.Join(parts, nil))
}

func empties(number uint32, n int) []byte { return bytes.Repeat(field(number), n) }

// inSpan is a request of one span.
func inSpan(parts ...[]byte) []byte { return field(1, field(2, field(2, parts...))) }

func text(s string) []byte { return field(2, field(1, []byte(s))) }

// TestHostileRequestsAreBounded: what a request becomes is counted while it becomes that, so
// memory stays within a few times the limit, and the time is about that of reading the body.
// A quadratic step anywhere would make this test take minutes.
func TestHostileRequestsAreBounded(t *testing.T) {
	const limit = 8 << 20
	var attributes, distinct, duplicates []byte
	for i := range 20_000 {
		attributes = append(attributes, field(1, field(1, fmt.Appendf(nil, "%06x", i)), text("v"))...)
	}
	for i := range 1 << 19 {
		distinct = append(distinct, field(9, field(1, fmt.Appendf(nil, "%06x", i)))...)
	}
	for range 2 {
		duplicates = append(duplicates, field(1, field(1, []byte("k")), text(string(make([]byte, 100<<10))))...)
	}
	var twice []byte // spans with a duplicate of their own, so that each row's text is another
	for i := range 2500 {
		twice = append(twice, field(2, field(9, field(1, []byte("a")), text(fmt.Sprint(i))), field(9, field(1, []byte("a"))))...)
	}
	id := field(1, field(3, field(3, bytes.Repeat([]byte("k"), 1<<20))))
	const fits, refused = fault.Internal, fault.TooLarge // Internal stands for no fault
	tests := []struct {
		name   string
		signal otlp.Signal
		body   []byte
		want   fault.Kind
	}{
		{"empty resources", otlp.Traces, empties(1, 3<<19), fits},
		{"empty spans", otlp.Traces, field(1, field(2, empties(2, 1<<20))), refused},
		{"empty keys", otlp.Traces, inSpan(empties(9, 4<<20)), refused},
		{"empty events", otlp.Traces, inSpan(empties(11, 4<<20)), refused},
		{"empty links", otlp.Traces, inSpan(empties(13, 4<<20)), refused},
		{"distinct keys", otlp.Traces, inSpan(distinct), refused},
		{"empty quantiles", otlp.Metrics, field(1, field(2, field(2, field(11, field(1, empties(6, 4<<20)))))), refused},
		{"empty exemplars", otlp.Metrics, field(1, field(2, field(2, field(5, field(1, empties(5, 4<<20)))))), refused},
		{"unpacked buckets", otlp.Metrics, field(1, field(2, field(2, field(10, field(1, field(8, bytes.Repeat([]byte{0x10, 1}, 2<<20))))))), refused},
		{"packed buckets", otlp.Metrics, field(1, field(2, field(2, field(10, field(1, field(8, field(2, make([]byte, 4<<20)))))))), refused},
		{"escapes in JSON", otlp.Traces, inSpan(field(9, field(2, field(5, field(1, field(1, make([]byte, 4<<20))))))), refused},
		{"attributes of a resource", otlp.Traces, field(1, field(1, attributes), field(2, empties(2, 3000))), refused},
		{"entity keys", otlp.Traces, field(1, id, field(2, empties(2, 2100))), refused},
		{"duplicates of a resource", otlp.Traces, field(1, field(1, duplicates), field(2, twice)), refused},
		{"resource in fragments", otlp.Traces, field(1, field(1, field(1, field(1, make([]byte, 1<<20)))), empties(1, 1<<20)), fits},
		{"metrics without data", otlp.Metrics, field(1, field(1, attributes), field(2, empties(2, 1<<18))), fits},
		{"data superseded", otlp.Metrics, field(1, field(2, field(2, bytes.Repeat(append(field(5, empties(1, 1)), field(7, empties(1, 1))...), 1<<16)))), fits},
		{"value superseded", otlp.Logs, field(1, field(2, field(2, field(5, bytes.Repeat(append(field(1, []byte("text")), field(6)...), 1<<18))))), fits},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := decode.New(tt.signal)
			table.MaxGrowth = limit
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			err := table.Decode(tt.body)
			runtime.ReadMemStats(&after)
			if got := fault.KindOf(err); err == nil && tt.want != fits || err != nil && got != tt.want {
				t.Errorf("fault %v, want kind %d", err, tt.want)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8*limit+4*uint64(len(tt.body)) {
				t.Errorf("%d MiB were allocated for %d MiB", grown>>20, len(tt.body)>>20)
			}
			if err != nil && table.Rows() != 0 {
				t.Errorf("%d rows stay", table.Rows())
			}
			if table.Peak() > limit+len(tt.body)+1<<20 {
				t.Errorf("it grew to %d MiB, the limit is %d", table.Peak()>>20, limit>>20)
			}
		})
	}
}

// TestSupersededFieldsAreChecked: protobuf refuses these although the broken part does not count.
func TestSupersededFieldsAreChecked(t *testing.T) {
	tests := []struct {
		name   string
		signal otlp.Signal
		body   []byte
	}{
		{"schema_url", otlp.Traces, field(1, field(3, []byte{0xff}), field(3))},
		{"span name", otlp.Traces, inSpan(field(5, []byte{0xff}), field(5))},
		{"status message", otlp.Traces, inSpan(field(15, field(2, []byte{0xff}), field(2)))},
		{"key", otlp.Traces, inSpan(field(9, field(1, []byte{0xff}), field(1)))},
		{"string value", otlp.Logs, field(1, field(2, field(2, field(5, field(1, []byte{0xff}), field(1)))))},
		{"kvlist", otlp.Logs, field(1, field(2, field(2, field(5, field(6, field(1, []byte{0x0a, 5})), field(1)))))},
		{"gauge", otlp.Metrics, field(1, field(2, field(2, field(5, field(1, []byte{0x0a, 5})), field(7))))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := decode.New(tt.signal).Decode(tt.body); fault.KindOf(err) != fault.Invalid {
				t.Errorf("fault %v, want Invalid", err)
			}
		})
	}
}
