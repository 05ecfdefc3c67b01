// Package otap converts between OTLP bodies and the OpenTelemetry Arrow Protocol.
//
// A Producer is the sending half of a stream. It walks a body's protobuf once and appends to
// the columns of the signal's tables; at the end each table goes out as a payload:
//
//	BatchArrowRecords{batch_id, payload{schema_id, type, record}...}   the root table first
//	record: [schema, once a stream] [dictionaries, where they grew] record batch
//
// Ids and parents are steps, attributes are sorted so that equal ones lie together, texts and
// numbers that repeat have dictionaries. What a table's stream has sent binds what it sends
// later, so a Producer's batches all go, in order, to one receiver. It belongs to one goroutine.
package otap

import (
	"fmt"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// maxBody bounds a request, and with it all that the producer keeps for one.
const maxBody = 64 << 20

// Options of a Producer; the zero value is good.
type Options struct {
	// MaxRows bounds the items of a batch; 0 and more than 65,536, which ids can tell apart, mean 65,536.
	MaxRows int
	// MetricMetadata sends metrics' metadata (METRIC_ATTRS). otel-arrow/go up to v0.50.0 refuses
	// a batch that has it; the Rust engine and our receiver take it.
	MetricMetadata bool
}

// Batch is a BatchArrowRecords message.
type Batch struct {
	ID      int64  // its batch_id, which the receiver's BatchStatus names
	Rows    int    // spans, log records, or metrics
	Message []byte // protobuf
}

// Producer turns Export requests of a signal into what one OTAP stream carries. Batches build
// on one another (schemas and dictionaries go once), so all must be sent, in order, on one
// stream; a new stream needs a new Producer, or Reset. It belongs to one goroutine.
type Producer struct {
	encoder
	batches []Batch
}

// sender is a table that can go into a batch.
type sender interface {
	flush(message []byte, w *emitIPC) []byte
	restart()
}

// signalTables are a signal's tables beside the common ones.
type signalTables interface {
	item(b []byte) error
	tables() []sender // in the order in which they are sent
	clear()
}

type encoderNames struct{ resource, scope, item string }

var namesOf = [otlp.Count]encoderNames{
	otlp.Traces:  {"resource_spans", "scope_spans", "spans"},
	otlp.Metrics: {"resource_metrics", "scope_metrics", "metrics"},
	otlp.Logs:    {"resource_logs", "scope_logs", "log_records"},
}

// encoder fills the tables of one batch.
type encoder struct {
	opts  Options
	names encoderNames
	op    string
	w     *emitIPC
	lost  *Lost
	at    place

	rootCols
	root                      *emitTable
	resourceAttrs, scopeAttrs *attrTable
	signal                    signalTables
	nextBatch                 int64
	usual                     int // a message's size
	done                      func(rows int, message []byte)
}

// item appends one span, log record or metric.
func (e *encoder) item(b []byte) error { return e.signal.item(b) }

// NewProducer makes the sending half of a stream.
func NewProducer(signal otlp.Signal, opts Options) (*Producer, error) {
	if opts.MaxRows <= 0 || opts.MaxRows > rowsPerBatch {
		opts.MaxRows = rowsPerBatch
	}
	w, err := newEmitIPC()
	if err != nil {
		return nil, fmt.Errorf("otap producer: %w", err)
	}
	p := &Producer{encoder: encoder{opts: opts, names: namesOf[signal], op: "encode " + signal.String() + " as OTAP", w: w,
		lost: &Lost{}, rootCols: newRootCols()}}
	p.encoder.resourceAttrs = newAttrTable(ResourceAttrs, false, p.lost)
	p.encoder.scopeAttrs = newAttrTable(ScopeAttrs, false, p.lost)
	switch signal {
	case otlp.Traces:
		p.signal = newTraceTables(&p.encoder)
	case otlp.Metrics:
		p.signal = newMetricTables(&p.encoder)
	default:
		p.signal = newLogTables(&p.encoder)
	}
	p.encoder.done = p.add
	return p, nil
}

func (p *Producer) add(rows int, message []byte) {
	p.batches = append(p.batches, Batch{ID: p.nextBatch, Rows: rows, Message: message})
	p.nextBatch++
}

// Produce turns a request's body into batches: none where it has no items, several where one
// has not enough ids. The batches are the caller's. After an error, which is the body's,
// the stream goes on with the next one as if it began anew.
func (p *Producer) Produce(body []byte) ([]Batch, Lost, error) {
	p.batches = nil
	*p.lost = Lost{}
	if len(body) > maxBody {
		return nil, Lost{}, fault.New(fault.TooLarge, p.op, "%d bytes: the limit is %d", len(body), maxBody)
	}
	err := p.body(body)
	if err != nil {
		p.Reset()
		return nil, Lost{}, asFault(p.op, err)
	}
	p.flush()
	return p.batches, *p.lost, nil
}

// Reset begins everything anew: the next batch holds all that its receiver needs. Schema
// ids go on, so it may also follow on the same stream.
func (p *Producer) Reset() {
	for _, t := range p.all() {
		t.restart()
	}
	p.signal.clear()
	p.at = place{}
}

func (e *encoder) all() []sender {
	return append([]sender{e.root, e.resourceAttrs, e.scopeAttrs}, e.signal.tables()...)
}

// flush ends a batch, the root payload first.
func (e *encoder) flush() {
	rows := e.root.rows
	if rows == 0 {
		return
	}
	message := wire.AppendUint(make([]byte, 0, e.usual+e.usual/8), 1, uint64(e.nextBatch))
	for _, t := range e.all() {
		message = t.flush(message, e.w)
	}
	e.signal.clear()
	at := &e.at
	at.resources, at.scopes, at.resourceID, at.scopeID = 0, 0, -1, -1
	at.prevResource, at.prevScope, at.nextID, at.prevID = 0, 0, 0, 0
	e.usual = len(message)
	e.done(rows, message)
}
