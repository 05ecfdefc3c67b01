// Package readback reads stored Arrow IPC streams for tests as anybody would, with arrow-go
// alone and nothing of the code under test. It holds no state, so any goroutines may call it.
package readback

import (
	"bytes"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// Batches gives a stream's batches, each valid until the next is asked for. An error is the
// last that it gives, then without a batch.
func Batches(stream io.Reader) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		reader, err := ipc.NewReader(stream)
		if err != nil {
			yield(nil, err)
			return
		}
		defer reader.Release()
		for reader.Next() {
			if !yield(reader.RecordBatch(), nil) {
				return
			}
		}
		if err := reader.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// Texts gives the values of a column of each row of a stream.
func Texts(stream []byte, column string) (all []string, err error) {
	for batch, err := range Batches(bytes.NewReader(stream)) {
		if err != nil {
			return nil, err
		}
		values, err := texts(batch, column)
		if err != nil {
			return nil, err
		}
		all = append(all, values...)
	}
	return all, nil
}

func texts(batch arrow.RecordBatch, column string) ([]string, error) {
	at := batch.Schema().FieldIndices(column)
	if len(at) != 1 {
		return nil, fmt.Errorf("%d columns are called %s", len(at), column)
	}
	values := batch.Column(at[0])
	all := make([]string, values.Len())
	for i := range all {
		all[i] = values.ValueStr(i)
	}
	return all, nil
}

// Rows counts the rows of a stream.
func Rows(stream []byte) (n int64, err error) {
	for batch, err := range Batches(bytes.NewReader(stream)) {
		if err != nil {
			return 0, err
		}
		n += batch.NumRows()
	}
	return n, nil
}
