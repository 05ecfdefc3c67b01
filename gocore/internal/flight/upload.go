package flight

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Limits bound what an upload may cost.
type Limits struct {
	// StreamBytes is the most that it holds beside the message in work: its dictionaries, and
	// what is inflated.
	StreamBytes int64
	// BatchBytes is the most that a message takes when it is inflated.
	BatchBytes int64
}

// Source gives the messages of a DoPut stream; io.EOF at its end. A message is valid until the
// next one is asked for.
type Source interface {
	Next() (Data, error)
}

// Upload reads the record batches of one DoPut stream.
type Upload struct {
	signal otlp.Signal
	source Source
	limits Limits
	store  store
	reader *ipc.Reader
	kept   *ipc.Message // that arrow-go reads now
	err    error        // of the messages: arrow-go wraps it, or not
	refs   int
}

// NewUpload makes a reader of a stream. Close lets go of what it holds.
func NewUpload(signal otlp.Signal, source Source, limits Limits, budget Budget) *Upload {
	return &Upload{signal: signal, source: source, limits: limits, store: store{limit: limits.StreamBytes, budget: budget}}
}

// Close lets go of all that the stream holds.
func (u *Upload) Close() {
	if u.reader != nil {
		u.reader.Release()
	}
	u.drop()
	u.store.close()
}

// Schema reads the first message and tells whether the columns are those of the signal's table.
func (u *Upload) Schema() (*arrow.Schema, error) {
	reader, err := ipc.NewReaderFromMessageReader(feed{u}, ipc.WithAllocator(&u.store))
	if err != nil {
		return nil, u.fault("read the schema", err)
	}
	u.reader = reader
	if err := u.known(reader.Schema()); err != nil {
		return nil, err
	}
	return reader.Schema(), nil
}

// known refuses columns that would be lost: they are neither the table's nor copies of what is
// in it.
func (u *Upload) known(s *arrow.Schema) error {
	columns := map[string]bool{}
	for _, c := range schema.Columns(u.signal) {
		columns[c.Name] = true
	}
	seen := map[string]bool{}
	for _, field := range s.Fields() {
		_, promoted := field.Metadata.GetValue(schema.PromotedFrom)
		switch {
		case seen[field.Name]:
			return u.refuse(field.Name, "the column is there twice")
		case !columns[field.Name] && !promoted:
			return u.refuse(field.Name, "the table of %s has no such column; leave it out", u.signal)
		}
		seen[field.Name] = true
	}
	return nil
}

func (u *Upload) refuse(column, format string, args ...any) error {
	return &fault.Error{Kind: fault.Invalid, Op: "receive " + u.signal.String() + " over Flight", Field: column, Err: fmt.Errorf(format, args...)}
}

// Next is the next batch, whose every offset, index and text was looked at. It is valid until
// the following call. io.EOF is the stream's end.
func (u *Upload) Next() (arrow.RecordBatch, error) {
	u.store.err = nil
	if !u.reader.Next() {
		if err := u.reader.Err(); err != nil || u.err != nil {
			return nil, u.fault("read a batch", err)
		}
		return nil, io.EOF
	}
	batch := u.reader.RecordBatch()
	for i, column := range batch.Columns() {
		if err := sound(column.Data()); err != nil {
			return nil, u.refuse(batch.ColumnName(i), "%w", err)
		}
	}
	return batch, nil
}

// fault is why arrow-go could not go on: for a fault of a message's, for lack of memory, or for
// what it found itself.
func (u *Upload) fault(what string, err error) error {
	for _, ours := range []error{u.err, u.store.err} {
		if _, told := errors.AsType[*fault.Error](ours); told {
			return ours
		}
	}
	if u.err != nil {
		err = u.err
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the stream ended before it")
	}
	return fault.New(fault.Invalid, "receive "+u.signal.String()+" over Flight", "%s: %w", what, err)
}

// feed is the ipc.MessageReader of an Upload. arrow-go counts references to it.
type feed struct{ *Upload }

func (f feed) Retain()  { f.refs++ }
func (f feed) Release() { f.refs-- }

// Message gives the next message.
func (f feed) Message() (*ipc.Message, error) {
	f.drop()
	message, err := f.message()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			f.err = err
		}
		return nil, err
	}
	f.kept = message
	return message, nil
}

func (u *Upload) drop() {
	if u.kept != nil {
		u.kept.Release()
		u.kept = nil
	}
}

func (u *Upload) message() (*ipc.Message, error) {
	d, err := u.source.Next()
	for err == nil && len(d.Header) == 0 { // only metadata, for which there is no use
		d, err = u.source.Next()
	}
	if err != nil {
		return nil, err
	}
	kind, err := kindOf(d)
	if err != nil {
		return nil, err
	}
	largest, err := survey(kind, d)
	if err != nil {
		return nil, err
	}
	if most := u.limits.BatchBytes; largest > most {
		return nil, fault.New(fault.TooLarge, "receive "+u.signal.String()+" over Flight", "a batch of %d bytes, inflated, is more than max_request_bytes, %d", largest, most)
	}
	return u.build(kind, d), nil
}

// build makes a message of arrow-go's. A dictionary outlives the memory it came in, so it is
// copied, and arrow-go gives the copy back when another takes its place.
func (u *Upload) build(kind byte, d Data) *ipc.Message {
	head, body := memory.NewBufferBytes(d.Header), memory.NewBufferBytes(d.Body)
	if kind == kindDictionary && len(d.Body) > 0 {
		body = memory.NewResizableBuffer(&u.store)
		body.Resize(len(d.Body))
		copy(body.Bytes(), d.Body)
	}
	message := ipc.NewMessage(head, body)
	body.Release() // the message has its own reference
	return message
}
