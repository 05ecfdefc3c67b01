package files

import (
	"bytes"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// codecs are the options of arrow-go's writer by the names of the configuration.
var codecs = map[string][]ipc.Option{"lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}, "none": nil}

// endMark is the end of an IPC stream: a continuation marker and length 0.
const endMark = 8

// encoder makes the bytes that follow a stream's schema. It is a fresh ipc.Writer for each
// batch, whose schema is dropped: a lasting one compares dictionaries after trimming NULs and
// so loses texts that end in one, and its first error stays.
type encoder struct {
	options []ipc.Option
	schema  []byte
	out     bytes.Buffer
	all     []byte
}

func newEncoder(compression string, schema *arrow.Schema) (*encoder, error) {
	e := &encoder{options: append([]ipc.Option{ipc.WithSchema(schema)}, codecs[compression]...)}
	if err := ipc.NewWriter(&e.out, e.options...).Close(); err != nil {
		return nil, err
	}
	e.schema = bytes.Clone(e.out.Bytes()[:e.out.Len()-endMark])
	return e, nil
}

// encode is the messages of batches: their dictionaries and their columns. They are good until
// the next call.
func (e *encoder) encode(tag string, batches []arrow.RecordBatch) ([]byte, error) {
	e.all = e.all[:0]
	for _, b := range batches {
		one, err := e.batch(tag, b)
		if err != nil {
			return nil, err
		}
		if len(batches) == 1 {
			return one, nil
		}
		e.all = append(e.all, one...)
	}
	return e.all, nil
}

func (e *encoder) batch(tag string, b arrow.RecordBatch) ([]byte, error) {
	e.out.Reset()
	if tag != "" {
		meta := arrow.NewMetadata([]string{schema.JournalKey}, []string{tag})
		b = array.NewRecordBatchWithMetadata(b.Schema(), b.Columns(), b.NumRows(), meta)
		defer b.Release()
	}
	w := ipc.NewWriter(&e.out, e.options...)
	if err := errors.Join(w.Write(b), w.Close()); err != nil {
		return nil, err
	}
	return e.out.Bytes()[len(e.schema) : e.out.Len()-endMark], nil
}
