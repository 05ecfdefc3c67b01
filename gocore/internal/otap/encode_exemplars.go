package otap

import (
	"math"
	"slices"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// exemplarRow is an exemplar before its place is known.
type exemplarRow struct {
	parent, own     uint32
	attrs           bool
	member          uint8 // kindInt, kindDouble, or kindEmpty for none
	value, time     uint64
	spanID, traceID []byte
}

// exemplarTable holds the exemplars of one sort of data points. Those without a value go
// first: the reference adds their parents to the last row's whatever that was, the Rust
// engine only to equal rows', and there both mean the same.
type exemplarTable struct {
	*emitTable
	childIDs
	e                                    *encoder
	time, whole, double, spanID, traceID *emitCol
	attrs                                *attrTable
	all                                  []exemplarRow
	none                                 int // rows without a value
}

func newExemplarTable(e *encoder, payload, attrs PayloadType) *exemplarTable {
	t := &exemplarTable{
		e: e, childIDs: childIDs{id: plainCol("id", tU32), parent: plainCol("parent_id", tU32).must()},
		time: plainCol("time_unix_nano", tTime).must(), whole: plainCol("int_value", tI64), double: plainCol("double_value", tF64),
		spanID: dictCol("span_id", tID8, indexU8).must(), traceID: dictCol("trace_id", tID16, indexU8).must(), attrs: newAttrTable(attrs, true, e.lost),
	}
	t.emitTable = newEmitTable(payload, t.id, t.parent, t.time, t.whole, t.double, t.spanID, t.traceID)
	return t
}

func (t *exemplarTable) add(point uint32, b []byte) error {
	r := exemplarRow{parent: point, own: uint32(len(t.all))}
	attrs, from := 0, t.attrs.from()
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case fixedTag(2):
			r.time = c.Fixed64()
		case fixedTag(3):
			r.member, r.value = kindDouble, c.Fixed64()
		case fixedTag(6):
			r.member, r.value = kindInt, c.Fixed64()
		case wire.Tag(4, wire.Bytes):
			r.spanID = c.Bytes()
		case wire.Tag(5, wire.Bytes):
			r.traceID = c.Bytes()
		case wire.Tag(7, wire.Bytes):
			if err := t.attrs.add(r.own, from, c.Bytes()); err != nil {
				return underAt("filtered_attributes", attrs, err)
			}
			attrs++
		default:
			t.e.lost.UnknownFields++
		}
	}
	r.attrs = attrs > 0
	if r.member == kindEmpty {
		t.none++
	}
	t.all = append(t.all, r)
	return c.Err()
}

func (t *exemplarTable) flush(message []byte, w *emitIPC) []byte {
	if t.none > 0 && t.none < len(t.all) {
		slices.SortStableFunc(t.all, func(a, b exemplarRow) int { return int(min(a.member, 1)) - int(min(b.member, 1)) })
	}
	news := make([]uint32, len(t.all))
	for row := range t.all {
		news[t.all[row].own] = t.next
		t.emit(row)
	}
	t.attrs.renumber(news)
	t.rows = len(t.all)
	t.reset()
	return t.emitTable.flush(message, w)
}

func (t *exemplarTable) reset() {
	t.childIDs.clear()
	t.all, t.none = t.all[:0], 0
}

func (t *exemplarTable) restart() {
	t.reset()
	t.emitTable.restart()
}

func (t *exemplarTable) emit(row int) {
	r := &t.all[row]
	if r.attrs {
		t.named(row)
	}
	t.up(row, r.parent, row > 0 && r.same(&t.all[row-1]))
	t.time.u64(row, r.time)
	t.e.idOrZeros(t.spanID, row, r.spanID)
	t.e.idOrZeros(t.traceID, row, r.traceID)
	switch r.member {
	case kindInt:
		t.whole.u64(row, r.value)
	case kindDouble:
		t.double.u64(row, r.value)
	}
}

// same tells whether readers add the second row's parent to the first's.
func (r *exemplarRow) same(last *exemplarRow) bool {
	switch {
	case r.member != last.member:
		return false
	case r.member == kindDouble:
		return math.Float64frombits(r.value) == math.Float64frombits(last.value)
	}
	return r.member == kindEmpty || r.value == last.value
}
