// Package otap turns batches of OTAP, the OpenTelemetry Arrow Protocol, into the bodies of OTLP
// Export requests, and back: see Producer.
//
//	BatchArrowRecords ─> survey ─> arrow-go's IPC readers ─> decoder ─> protobuf
//	 payloads, any order  limits    one a table and schema    columns    by wire's appender
//
// Tables come in any order, columns as dictionaries or plain, or not at all, ids as they are or
// as deltas: docs/otap.md tells what is taken. A Consumer is for one stream and one goroutine at
// a time, and what it gives is valid until its next call. It starts no goroutine.
package otap

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

const op = "decode OTAP"

var errLost = errors.New("an earlier batch, which could not be read, had its schema or dictionaries: begin a new stream")

// Limits bound what a stream may cost.
type Limits struct {
	// StreamBytes is the most that a stream holds: its dictionaries, and the batch in work.
	StreamBytes int64
	// BatchBytes is the most that a batch takes when it is inflated, and again as OTLP.
	BatchBytes int64
}

// schemasKept is how many schemas of one table a stream may go back to: senders have one, and
// two for a moment.
const schemasKept = 4

// Consumer turns the batches of one OTAP stream, in their order, into OTLP.
type Consumer struct {
	signal  otlp.Signal
	limits  Limits
	budget  Budget
	store   store
	readers [payloadTypes][]*reader // the one used last stands last
	forgot  bool
	lost    bool
	packed  inflater
	d       decoder
}

// reader reads one table's Arrow IPC stream, whose pieces come with the batches.
type reader struct {
	schemaID string
	bytes    bytes.Reader
	ipc      *ipc.Reader
}

// NewConsumer makes a Consumer of a stream. budget may be nil.
func NewConsumer(signal otlp.Signal, limits Limits, budget Budget) *Consumer {
	if budget == nil {
		budget = free{}
	}
	c := &Consumer{signal: signal, limits: limits, budget: budget}
	c.store = store{limit: limits.StreamBytes, budget: budget}
	return c
}

// Close lets go of all that the stream holds.
func (c *Consumer) Close() {
	for _, readers := range c.readers {
		for _, r := range readers {
			r.ipc.Release()
		}
	}
	c.readers = [payloadTypes][]*reader{}
	c.d.shrink(0)
	c.packed.close()
	c.store.close()
}

// Lost tells that a batch needed what an earlier one, which could not be read, had brought. The
// sender has to begin a new stream.
func (c *Consumer) Lost() bool { return c.lost }

// Consume turns a BatchArrowRecords message into the body of an Export request, which is valid
// until the next call. The id is the batch's, also when it is refused.
func (c *Consumer) Consume(message []byte) (id int64, body []byte, err error) {
	batch, err := parseBatch(message)
	if err != nil {
		return batch.id, nil, &fault.Error{Kind: fault.Invalid, Op: op, Err: err}
	}
	bad, full := c.check(batch)
	if full != nil {
		c.skip(batch)
		return batch.id, nil, full
	}
	body, err = c.consume(batch, bad)
	return batch.id, body, err
}

// consume reads every payload, also when one is bad: the next batch needs their dictionaries.
func (c *Consumer) consume(batch batch, err error) (body []byte, _ error) {
	var records [payloadTypes]arrow.RecordBatch
	for i := range batch.payloads {
		p := &batch.payloads[i]
		record, bad := c.read(p)
		if bad != nil && err == nil {
			err = bad
		}
		if record != nil {
			defer record.Release()
			records[p.table] = record
		}
	}
	if err != nil {
		return nil, err
	}
	return c.decode(records)
}

// skip forgets the readers that a batch would have changed and now doesn't.
func (c *Consumer) skip(batch batch) {
	for i := range batch.payloads {
		if p := &batch.payloads[i]; !p.surveyed || p.schema || p.dictionary {
			c.forget(p)
		}
	}
}

func (c *Consumer) forget(p *payload) {
	c.forgot = true
	if p.table >= payloadTypes {
		return
	}
	c.readers[p.table] = slices.DeleteFunc(c.readers[p.table], func(r *reader) bool {
		if r.schemaID != p.schemaID {
			return false
		}
		r.ipc.Release()
		return true
	})
}

// check looks at all payloads before any reader sees one. bad is what is wrong with one of them;
// full says that there is too much to read any.
func (c *Consumer) check(batch batch) (bad, full error) {
	var seen [payloadTypes]bool
	inflated := int64(0)
	for i := range batch.payloads {
		p := &batch.payloads[i]
		err := c.checkPayload(p, &seen)
		if bad == nil {
			bad = err
		}
		if inflated += p.largest; inflated < 0 || inflated > c.limits.BatchBytes {
			return nil, fault.New(fault.TooLarge, op, "the batch is larger than %d bytes when it is inflated", c.limits.BatchBytes)
		}
	}
	return bad, nil
}

func (c *Consumer) checkPayload(p *payload, seen *[payloadTypes]bool) (err error) {
	if !p.table.of(c.signal) {
		return fault.New(fault.Invalid, op, "payload type %d is none of %s", uint32(p.table), c.signal)
	}
	if p.outline, err = survey(p.record); err != nil {
		return invalid(p.table.String(), err)
	}
	p.surveyed = true
	if seen[p.table] {
		return invalid(p.table.String(), errors.New("there are two of it in one batch"))
	}
	seen[p.table] = true
	return nil
}

// read gives a payload's record, nil when it has none. The caller releases it.
func (c *Consumer) read(p *payload) (record arrow.RecordBatch, err error) {
	if !p.surveyed {
		c.forget(p)
		return nil, nil // said already
	}
	c.store.err = nil
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("%v", value)
		}
		if err != nil {
			c.forget(p)
		}
		switch {
		case err != nil && c.store.err != nil:
			err = c.store.err
		case err != nil && c.lost:
			err = &fault.Error{Kind: fault.Closed, Op: op, Field: p.table.String(), Err: errLost}
		case err != nil:
			err = invalid(p.table.String(), err)
		}
	}()
	if p.packed {
		if p.record, err = c.packed.payload(p.record, c.limits.BatchBytes); err != nil {
			return nil, err
		}
		defer c.packed.shrink()
		c.store.take(len(p.record))
		defer c.store.give(len(p.record))
	}
	r, err := c.reader(p)
	if err != nil || !p.batch {
		return nil, err
	}
	if !r.ipc.Next() {
		if r.ipc.Err() != nil {
			return nil, r.ipc.Err()
		}
		return nil, errMessage
	}
	record = r.ipc.RecordBatch()
	record.Retain()
	return record, nil
}

// reader gives the payload's reader, at the payload's bytes. One that begins with a schema
// begins a stream, whether its schema_id is new or not.
func (c *Consumer) reader(p *payload) (*reader, error) {
	known := c.readers[p.table]
	for i, r := range known {
		if r.schemaID != p.schemaID {
			continue
		}
		if p.schema {
			r.ipc.Release()
			known = append(known[:i], known[i+1:]...)
			break
		}
		c.readers[p.table] = append(append(known[:i], known[i+1:]...), r)
		r.bytes.Reset(p.record)
		return r, nil
	}
	c.readers[p.table] = known
	if !p.schema {
		c.lost = c.forgot
		return nil, fmt.Errorf("schema_id %.64q is new and its record begins without a schema", p.schemaID)
	}
	if len(known) == schemasKept {
		known[0].ipc.Release()
		known = append(known[:0], known[1:]...)
	}
	r := &reader{schemaID: p.schemaID}
	r.bytes.Reset(p.record)
	var err error
	if r.ipc, err = ipc.NewReader(&r.bytes, ipc.WithAllocator(&c.store)); err != nil {
		return nil, err
	}
	c.readers[p.table] = append(known, r)
	return r, nil
}

// decode turns the records into a body. Offsets, indexes and lengths in a record are anybody's:
// each is used in a slice expression that Go checks, and one that points outside ends here.
func (c *Consumer) decode(records [payloadTypes]arrow.RecordBatch) (body []byte, err error) {
	d := &c.d
	d.reset(c.limits.BatchBytes, c.budget)
	defer func() {
		if value := recover(); value != nil {
			err = d.err // where memory is not to be had, words panics too
			if _, ok := value.(runtime.Error); ok || err == nil {
				err = fault.New(fault.Invalid, op, "a record points outside itself: %v", value)
			}
		}
		if err != nil {
			body = nil
		}
	}()
	for i, record := range records {
		if record != nil && record.NumRows() > 0 {
			d.tables[i] = tableOf(PayloadType(i), record)
		}
	}
	switch c.signal {
	case otlp.Traces:
		d.traces()
	case otlp.Logs:
		d.logs()
	default:
		d.metrics()
	}
	return d.out, d.err
}

func invalid(field string, err error) error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Field: field, Err: err}
}

// batch is a BatchArrowRecords message.
type batch struct {
	id       int64
	payloads []payload
}

// payload is an ArrowPayload message; its bytes are the batch's.
type payload struct {
	outline
	surveyed bool // outline is filled in
	schemaID string
	table    PayloadType
	record   []byte
}

// maxPayloads is far above the tables there are.
const maxPayloads = 2 * payloadTypes

func parseBatch(message []byte) (b batch, err error) {
	cursor := wire.NewCursor(message)
	for cursor.Next() {
		switch cursor.Tag() {
		case wire.Tag(1, wire.Varint):
			b.id = int64(cursor.Varint())
		case wire.Tag(2, wire.Bytes):
			if len(b.payloads) == maxPayloads {
				cursor.Fail(errors.New("too many payloads"))
				break
			}
			p, err := parsePayload(cursor.Bytes())
			if err != nil {
				cursor.Fail(fmt.Errorf("arrow_payloads[%d]: %w", len(b.payloads), err))
			}
			b.payloads = append(b.payloads, p)
		}
	}
	return b, cursor.Err()
}

func parsePayload(message []byte) (p payload, err error) {
	cursor := wire.NewCursor(message)
	for cursor.Next() {
		switch cursor.Tag() {
		case wire.Tag(1, wire.Bytes):
			p.schemaID = string(cursor.Bytes())
		case wire.Tag(2, wire.Varint):
			p.table = PayloadType(min(cursor.Varint(), payloadTypes))
		case wire.Tag(3, wire.Bytes):
			p.record = cursor.Bytes()
		}
	}
	return p, cursor.Err()
}

// AppendStatus writes a BatchStatus message; code is gRPC's.
func AppendStatus(b []byte, id int64, code uint32, text string) []byte {
	b = wire.AppendUint(b, 1, uint64(id))
	if code != 0 {
		b = wire.AppendUint(b, 2, uint64(code))
	}
	if text != "" {
		b = wire.AppendBytes(b, 3, text)
	}
	return b
}
