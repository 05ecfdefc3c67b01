package convert

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// bodyRows is how many rows become one message: about what receivers take without limits
// being raised.
const bodyRows = 1000

// A table is read batch by batch.
type batches interface {
	// nextBatch gives a batch that is good until the following call; io.EOF at the end.
	nextBatch() (arrow.RecordBatch, error)
	close()
}

// rows makes messages of a table's rows.
type rows struct {
	batches
	signal otlp.Signal
	batch  arrow.RecordBatch
	from   int64 // the first row of batch that is not given yet
	row    int64 // the same, of the table
	body   []byte
}

func (r *rows) next() (u unit, err error) {
	u.signal = r.signal
	for r.batch == nil || r.from == r.batch.NumRows() {
		u.place = fmt.Sprintf("row %d", r.row)
		r.from = 0
		if r.batch, err = guarded(r.nextBatch); err != nil {
			r.batch = nil
			return u, err
		}
	}
	to := min(r.from+bodyRows, r.batch.NumRows())
	u.place = fmt.Sprintf("rows %d-%d", r.row, r.row+to-r.from-1)
	part := r.batch.NewSlice(r.from, to)
	defer part.Release()
	r.body, err = encode.Batch(r.body[:0], r.signal, part)
	r.row += to - r.from
	r.from = to
	u.body = r.body
	return u, err
}

// guarded turns a panic of arrow-go's readers, which trust what they read, into an error.
func guarded[T any](fn func() (T, error)) (v T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it is damaged: %v", cause)
		}
	}()
	return fn()
}

// thrift bounds what is read of a file that may be damaged to 1 GiB a buffer.
var thrift = files.Thrift{Most: 1 << 30}

// tableSignal is the signal of a table, by its metadata or else by the columns that only one
// signal has.
func tableSignal(s *arrow.Schema) (otlp.Signal, error) {
	meta := s.Metadata()
	if i := meta.FindKey(schema.SignalKey); i >= 0 {
		return otlp.ParseSignal(meta.Values()[i])
	}
	for signal, column := range map[otlp.Signal]string{otlp.Traces: "parent_span_id", otlp.Metrics: "metric_type", otlp.Logs: "body_type"} {
		if s.HasField(column) {
			return signal, nil
		}
	}
	return 0, errors.New("it has none of the columns parent_span_id, metric_type and body_type: no table of ours")
}

// What a batch of the output has at least: enough for columns to compress well.
const (
	sealRows = 1 << 16
	sealSize = 32 << 20
)

// A table is written batch by batch.
type batchWriter interface {
	writeBatch(arrow.RecordBatch) error
	finish() error
}

// tables makes batches of messages.
type tables struct {
	batchWriter
	table *decode.Table
}

func newTables(c *conversion, w batchWriter) *tables {
	return &tables{w, decode.New(c.signal, c.promoted...)}
}

func (t *tables) write(body []byte) error {
	if err := t.table.Decode(body); err != nil {
		return err
	}
	if t.table.Rows() < sealRows && t.table.Size() < sealSize {
		return nil
	}
	return t.seal()
}

func (t *tables) seal() error {
	if t.table.Rows() == 0 {
		return nil
	}
	batch := t.table.Batch()
	_, err := guarded(func() (struct{}, error) { return struct{}{}, t.writeBatch(batch) })
	batch.Release()
	t.table.Reset()
	return internal(err)
}

func (t *tables) finish() error {
	if err := t.seal(); err != nil {
		return err
	}
	return internal(t.batchWriter.finish())
}

// internal is a fault of ours where it is none of the disk.
func internal(err error) error {
	if _, ours := errors.AsType[*fault.Error](err); err == nil || ours {
		return err
	}
	return &fault.Error{Kind: fault.Internal, Err: err}
}
