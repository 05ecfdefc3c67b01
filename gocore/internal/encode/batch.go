// Package encode turns the rows of a table back into one OTLP Export request
// (protobuf): decode's way backwards, for forwarding, converting and export.
//
//	Batch ─> table (columns by name) ─> container (resource > scope > metric) ─> item ─> body
//
// Rows keep their order. Neighbours with an equal resource, scope or metric share one
// container, so the body is equal to the decoded one up to the normal form of
// docs/format.md. A column that is missing stands for its default and one that OTLP
// does not know, such as a promoted one, is left out; texts may be dictionaries or
// plain, since readers in Python plain them.
//
// Batch keeps nothing and only reads the record batch: it is safe for concurrent use.
package encode

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// anchors are the columns without which a batch is hardly a table of the signal.
var anchors = [otlp.Count]string{otlp.Traces: "span_id", otlp.Metrics: "metric_type", otlp.Logs: "body_type"}

// Batch appends the request that a record batch stands for. The error is a
// *fault.Error with column and row, and dst is then as it was.
func Batch(dst []byte, signal otlp.Signal, batch arrow.RecordBatch) (body []byte, err error) {
	op := "encode " + signal.String()
	defer func() {
		// Arrow arrays panic on offsets and indices beyond their buffers, which a stranger
		// may send over Flight; to check all of them first would cost a pass over all data.
		if beyond := recover(); beyond != nil {
			body, err = dst, fault.New(fault.Invalid, op, "ill-formed record batch: %v", beyond)
		}
	}()
	if err := fits(signal, batch.Schema()); err != nil {
		return dst, &fault.Error{Kind: fault.Invalid, Op: op, Err: err}
	}
	t := newTable(signal, batch)
	body = t.rows(dst, int(batch.NumRows()))
	if t.fail.err != nil {
		return dst, &fault.Error{Kind: fault.Invalid, Op: op, Field: t.fail.column, Err: t.fail.err}
	}
	return body, nil
}

func fits(signal otlp.Signal, s *arrow.Schema) error {
	meta := s.Metadata()
	if i := meta.FindKey(schema.SignalKey); i >= 0 && meta.Values()[i] != signal.String() {
		return fmt.Errorf("the batch holds %s", meta.Values()[i])
	}
	if !s.HasField(anchors[signal]) {
		return fmt.Errorf("the batch has no column %s, so it is no table of %s", anchors[signal], signal)
	}
	return nil
}

// failure is the first fault. Writing goes on after it, so that no function that
// appends needs a second result; rows stops at the end of the row.
type failure struct {
	row    int // that is being written, -1 while columns are looked up
	column string
	err    error
}

func (f *failure) set(column string, err error) {
	if err == nil || f.err != nil {
		return
	}
	f.column, f.err = column, err
	if f.row >= 0 {
		f.column = fmt.Sprintf("%s[%d]", column, f.row)
	}
}

var errColumnType = errors.New("a type that cannot be read here")
