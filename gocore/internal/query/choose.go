package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// chosen gives the wanted rows and columns of a file.
func (t *Tables) chosen(ctx context.Context, p *plan, r *files.Reader, to flight.Sink) error {
	for {
		r.Pass(p.mayWant)
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken(err)
		}
		if !m.Batch {
			continue
		}
		made, err := t.remake(ctx, p, r, to)
		for _, frame := range made {
			if err == nil {
				err = to.Send(frame)
			} else {
				to.Drop(frame)
			}
		}
		if err != nil {
			return err
		}
	}
}

// remake decodes a batch and makes another of what is wanted of it. Few are decoded at a time,
// and none waits for a client: what is made is in the sink's memory then.
func (t *Tables) remake(ctx context.Context, p *plan, r *files.Reader, to flight.Sink) (made []*flight.Frame, err error) {
	select {
	case t.decoding <- struct{}{}:
		defer func() { <-t.decoding }()
	case <-ctx.Done():
		return nil, &fault.Error{Kind: fault.Timeout, Op: "read", Err: ctx.Err()}
	}
	batch, err := r.Decode()
	if err != nil {
		return nil, broken(err)
	}
	defer batch.Release()
	bytes, err := p.encode(batch)
	if err != nil || bytes == nil {
		return nil, err
	}
	return framed(ctx, bytes, to)
}

// encode makes the messages of what is wanted of a batch; nil where that is nothing.
func (p *plan) encode(batch arrow.RecordBatch) ([]byte, error) {
	picked, err := p.pick(batch)
	if err != nil {
		return nil, broken(err)
	}
	if picked == nil {
		return nil, nil
	}
	defer picked.Release()
	stream, err := files.NewStream(compression, p.schema)
	if err != nil {
		return nil, broken(err)
	}
	bytes, err := stream.Batch(picked)
	if err != nil {
		return nil, broken(err)
	}
	return bytes, nil
}

// framed copies messages into memory of the sink.
func framed(ctx context.Context, messages []byte, to flight.Sink) ([]*flight.Frame, error) {
	var heads, bodies [][]byte
	var sizes []flight.Size
	err := files.Messages(messages, func(head, body []byte) error {
		heads, bodies, sizes = append(heads, head), append(bodies, body), append(sizes, flight.Size{Head: len(head), Body: len(body)})
		return nil
	})
	if err != nil {
		return nil, broken(err)
	}
	frames, err := to.Room(ctx, sizes...)
	for i, frame := range frames {
		copy(frame.Head, heads[i])
		copy(frame.Body, bodies[i])
	}
	return frames, err
}

// pick is the wanted rows and columns of a batch; nil where there is none.
func (p *plan) pick(batch arrow.RecordBatch) (picked arrow.RecordBatch, err error) {
	defer func() {
		if cause := recover(); cause != nil { // arrow-go, on offsets beyond a buffer
			err = fmt.Errorf("a damaged batch: %v", cause)
		}
	}()
	rows, err := p.rows(batch)
	if err != nil || rows != nil && len(rows) == 0 || batch.NumRows() == 0 {
		return nil, err
	}
	whole := p.columns(batch)
	if rows == nil || len(rows) == int(batch.NumRows()) {
		return whole, nil
	}
	defer whole.Release()
	return files.Pick(whole, rows)
}

// columns are the wanted columns of a batch, null where it lacks one.
func (p *plan) columns(batch arrow.RecordBatch) arrow.RecordBatch {
	columns := make([]arrow.Array, p.schema.NumFields())
	for i, field := range p.schema.Fields() {
		if at := batch.Schema().FieldIndices(field.Name); len(at) > 0 {
			columns[i] = batch.Column(at[0])
			continue
		}
		columns[i] = array.MakeArrayOfNull(memory.DefaultAllocator, field.Type, int(batch.NumRows()))
		defer columns[i].Release()
	}
	return array.NewRecordBatch(p.schema, columns, batch.NumRows())
}

// rows are the numbers of a batch's wanted rows; nil for all.
func (p *plan) rows(batch arrow.RecordBatch) (rows []int, err error) {
	if !p.Filters() {
		return nil, nil
	}
	wanted, err := p.services(batch)
	if err != nil {
		return nil, err
	}
	timed, err := p.timed(batch)
	if err != nil {
		return nil, err
	}
	rows = []int{}
	for row := range int(batch.NumRows()) {
		if wanted(row) && timed(row) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// mayWant tells whether a batch may have wanted rows; what is not told of it may be anything.
func (p *plan) mayWant(s files.Statistics) bool {
	if p.Services != nil && s.Services != nil {
		wanted := func(name *string) bool { return name != nil && slices.Contains(p.Services, *name) }
		if !slices.ContainsFunc(s.Services, wanted) {
			return false
		}
	}
	if p.Since == nil && p.Until == nil || s.Times == nil {
		return true
	}
	return len(s.Times) > 0 && (p.Since == nil || s.Times[1] >= *p.Since) && (p.Until == nil || s.Times[0] < *p.Until)
}

// timed tells whether a row is within the bounds of time; one without a time is not.
func (p *plan) timed(batch arrow.RecordBatch) (func(row int) bool, error) {
	if p.Since == nil && p.Until == nil {
		return every, nil
	}
	var columns []*array.Timestamp
	for _, name := range schema.Times(p.Signal) {
		for _, at := range batch.Schema().FieldIndices(name) {
			column, ok := batch.Column(at).(*array.Timestamp)
			if !ok {
				return nil, fmt.Errorf("%s: no timestamps but %s", name, batch.Column(at).DataType())
			}
			columns = append(columns, column)
		}
	}
	return func(row int) bool {
		for _, column := range columns {
			if column.IsValid(row) {
				at := int64(column.Value(row))
				return (p.Since == nil || at >= *p.Since) && (p.Until == nil || at < *p.Until)
			}
		}
		return false
	}, nil
}

func every(int) bool { return true }
func none(int) bool  { return false }

// services tells whether a row is of a wanted service.
func (p *plan) services(batch arrow.RecordBatch) (func(row int) bool, error) {
	const name = "service_name"
	if p.Services == nil {
		return every, nil
	}
	found := batch.Schema().FieldIndices(name)
	if len(found) == 0 {
		return none, nil
	}
	column, ok := batch.Column(found[0]).(*array.Dictionary)
	if !ok {
		return nil, fmt.Errorf("%s: no dictionary but %s", name, batch.Column(found[0]).DataType())
	}
	words, ok := column.Dictionary().(*array.String)
	if !ok {
		return nil, fmt.Errorf("%s: no texts but %s", name, column.Dictionary().DataType())
	}
	wanted := make([]bool, words.Len())
	for i := range wanted {
		wanted[i] = slices.Contains(p.Services, words.Value(i))
	}
	return func(row int) bool { return column.IsValid(row) && wanted[column.GetValueIndex(row)] }, nil
}
