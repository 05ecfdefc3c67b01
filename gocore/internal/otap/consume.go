// Package otap turns batches of OTAP, the OpenTelemetry Arrow Protocol, into the bodies of OTLP
// Export requests, and back: see Producer.
//
//	BatchArrowRecords ─> survey ─> readers ───────────────> decoder ─> protobuf
//	 payloads, any order  limits    one a table and schema   columns    by wire's appender
//
// Tables come in any order, columns as dictionaries or plain, or not at all, ids as they are or
// as deltas: docs/otap.md tells what is taken. A Consumer is for one stream and one goroutine at
// a time, and what it gives is valid until its next call. It starts no goroutine.
package otap

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

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

// reader is one table's Arrow IPC stream, whose pieces come with the batches: what its schema and
// dictionaries have said, and the record in work.
type reader struct {
	schemaID string
	columns  []column
	record   record
	dicts    []*dictionary
	held     int64 // of the store
}

// hold pays for memory that the reader keeps.
func (r *reader) hold(s *store, bytes int64) error {
	err := s.Take(bytes)
	if err == nil {
		r.held += bytes
	}
	return err
}

func (r *reader) letGo(s *store, bytes int64) {
	s.Give(bytes)
	r.held -= bytes
}

func (r *reader) close(s *store) { r.letGo(s, r.held) }

// NewConsumer makes a Consumer of a stream. budget may be nil.
func NewConsumer(signal otlp.Signal, limits Limits, budget Budget) *Consumer {
	if budget == nil {
		budget = free{}
	}
	c := &Consumer{signal: signal, limits: limits, budget: budget}
	c.store = store{limit: limits.StreamBytes, budget: budget}
	c.packed.out.budget, c.packed.out.stream = &c.store, &c.store
	c.d.budget, c.d.words.budget = budget, budget
	return c
}

// Close lets go of all that the stream holds.
func (c *Consumer) Close() {
	for _, readers := range c.readers {
		for _, r := range readers {
			r.close(&c.store)
		}
	}
	c.readers = [payloadTypes][]*reader{}
	c.d.shrink(0)
	c.packed.close()
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
	defer c.packed.out.reset(keepBytes / 4)
	c.expect(batch)
	records, err := c.readAll(batch, err)
	if err == nil {
		body, err = c.decode(records)
	}
	for _, r := range records {
		if r != nil {
			r.record.body = nil // it is the message's
		}
	}
	return body, err
}

// expect has the stream's first batch find the room it needs, and not grow into it.
func (c *Consumer) expect(batch batch) {
	largest, values := int64(0), int64(0)
	for i := range batch.payloads {
		largest += batch.payloads[i].largest
		values += batch.payloads[i].values
	}
	c.packed.out.expect(largest - rowBytes*values)
	c.d.words.expect(values + values/4) // and what joins the tables
	c.d.expected = min(largest, keepBytes)
}

// readAll gives the readers whose records are the batch's, by table; err is what is wrong already.
func (c *Consumer) readAll(batch batch, err error) (records [payloadTypes]*reader, _ error) {
	for i := range batch.payloads {
		p := &batch.payloads[i]
		record, bad := c.read(p)
		if bad != nil && err == nil {
			err = bad
		}
		if record != nil {
			records[p.table] = record
		}
	}
	return records, err
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
		r.close(&c.store)
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

// read gives the reader that has a payload's record, nil when it has none.
func (c *Consumer) read(p *payload) (*reader, error) {
	if !p.surveyed {
		c.forget(p)
		return nil, nil // said already
	}
	r, err := c.reader(p)
	if err == nil {
		err = c.messages(r, p)
	}
	switch {
	case err == nil && p.batch:
		return r, nil
	case err == nil:
		return nil, nil
	}
	c.forget(p)
	if _, told := errors.AsType[*fault.Error](err); told {
		return nil, err
	}
	if c.lost {
		return nil, &fault.Error{Kind: fault.Closed, Op: op, Field: p.table.String(), Err: errLost}
	}
	return nil, invalid(p.table.String(), err)
}

// messages has a reader take a payload's messages, which the survey has found in order.
func (c *Consumer) messages(r *reader, p *payload) (err error) {
	defer func() {
		if value := recover(); value != nil { // not ours; a library's that inflates
			err = fmt.Errorf("%v", value)
		}
	}()
	for b := p.record; len(b) > 0; {
		kind, head, body, rest, err := cut(b)
		switch {
		case err != nil:
			return err
		case kind == 0:
			return nil
		case kind == messageSchema:
			err = r.schema(p.table.String(), head, &c.store)
		case kind == messageDictionary:
			err = r.define(head, body, &c.packed, &c.store)
		default:
			err = r.take(head, body)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// reader gives the payload's reader. One that begins with a schema begins a stream, whether its
// schema_id is new or not.
func (c *Consumer) reader(p *payload) (*reader, error) {
	known := c.readers[p.table]
	if i := slices.IndexFunc(known, func(r *reader) bool { return r.schemaID == p.schemaID }); i >= 0 {
		r := known[i]
		known = append(slices.Delete(known, i, i+1), r) // known's memory has room for it
		if !p.schema {
			return r, nil
		}
		r.close(&c.store)
		known = known[:len(known)-1]
	}
	c.readers[p.table] = known
	if !p.schema {
		c.lost = c.forgot
		return nil, fmt.Errorf("schema_id %.64q is new and its record begins without a schema", p.schemaID)
	}
	if len(known) == schemasKept {
		known[0].close(&c.store)
		known = slices.Delete(known, 0, 1)
	}
	r := &reader{schemaID: p.schemaID}
	c.readers[p.table] = append(known, r)
	return r, nil
}

// decode turns the records into a body.
func (c *Consumer) decode(records [payloadTypes]*reader) (body []byte, err error) {
	d := &c.d
	d.reset(c.limits.BatchBytes, c.budget, &c.packed)
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
	if err := d.begin(); err != nil {
		return nil, err
	}
	for i, r := range records {
		if r != nil && r.record.rows > 0 {
			d.own[i] = columns{of: PayloadType(i).String(), all: r.columns, rows: r.record.rows}
			d.tables[i] = &d.own[i]
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
	return d.out.b, d.err
}

// inColumn is what is wrong in a column, unless it is that memory is not to be had.
func inColumn(path string, err error) error {
	if _, told := errors.AsType[*fault.Error](err); told {
		return err
	}
	return invalid(path, err)
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
