package otap

import (
	"strconv"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// emitTable is one payload type's table and its IPC stream. The stream begins anew, under
// another schema id, whenever the schema changes. It only ever grows (columns come, indices
// widen, dictionaries are given up), so that it settles after a few batches.
type emitTable struct {
	payload PayloadType
	cols    []*emitCol
	rows    int

	schema     []byte // what the stream's schema was made of
	generation int
	record     []byte
}

func newEmitTable(payload PayloadType, cols ...*emitCol) *emitTable {
	return &emitTable{payload: payload, cols: cols}
}

func (t *emitTable) clear() {
	t.rows = 0
	for _, c := range t.cols {
		c.clear()
	}
}

// shape is a short text that differs when the schema does.
func (t *emitTable) shape() []byte {
	var b []byte
	var add func(cols []*emitCol)
	add = func(cols []*emitCol) {
		for i, c := range cols {
			if c.seen {
				b = append(b, byte(i))
				if c.dict != nil {
					b = append(b, 'd', byte(c.dict.width))
				}
				b = append(b, '(')
				add(c.children)
				b = append(b, ')')
			}
		}
	}
	add(t.cols)
	return b
}

// flush appends the table as an ArrowPayload to a BatchArrowRecords message; nothing where
// it has no rows.
func (t *emitTable) flush(message []byte, w *emitIPC) []byte {
	if t.rows == 0 {
		return message
	}
	for _, c := range t.cols {
		c.finish(t.rows)
	}
	walk(t.cols, func(c *emitCol) {
		if c.coded() {
			c.settle()
		}
	})
	t.record = t.record[:0]
	t.begin(w)
	id := int64(-1)
	walk(t.cols, func(c *emitCol) {
		if !c.coded() {
			return
		}
		if id++; c.dict.sent < c.dict.in.n || c.dict.sent == noneSent {
			t.record = w.dictionary(t.record, c, id)
		}
	})
	t.record = w.records(t.record, t.cols, t.rows)
	message = t.append(message)
	t.clear()
	return message
}

// begin writes a schema where it differs from the stream's, and then everything is sent anew.
func (t *emitTable) begin(w *emitIPC) {
	shape := t.shape()
	if string(shape) == string(t.schema) {
		return
	}
	t.schema = shape
	t.generation++
	walk(t.cols, func(c *emitCol) {
		if c.coded() {
			c.renew()
			c.dict.sent = noneSent
		}
	})
	t.record = w.schema(t.record, t.cols)
}

// append adds payload 2 {schema_id 1, type 2, record 3}.
func (t *emitTable) append(b []byte) []byte {
	b, payload := wire.Begin(b, 2)
	id := strconv.AppendUint(nil, uint64(t.payload), 10)
	id = strconv.AppendInt(append(id, '.'), int64(t.generation), 10)
	b = wire.AppendBytes(b, 1, id)
	b = wire.AppendUint(b, 2, uint64(t.payload))
	b = wire.AppendBytes(b, 3, t.record)
	return wire.End(b, payload)
}

// restart makes the next batch begin a new stream, since the receiver may lack the last.
func (t *emitTable) restart() {
	t.clear()
	t.schema = nil
	forget(t.cols)
}

// forget empties dictionaries, those of columns that were never sent too.
func forget(cols []*emitCol) {
	for _, c := range cols {
		if c.dict != nil {
			c.dict.in.clear()
			c.dict.sent = 0
		}
		forget(c.children)
	}
}
