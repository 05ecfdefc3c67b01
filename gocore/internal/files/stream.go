package files

import (
	"bytes"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
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
}

func newEncoder(compression string, schema *arrow.Schema) (*encoder, error) {
	e := &encoder{options: append([]ipc.Option{ipc.WithSchema(schema)}, codecs[compression]...)}
	if err := ipc.NewWriter(&e.out, e.options...).Close(); err != nil {
		return nil, err
	}
	e.schema = bytes.Clone(e.out.Bytes()[:e.out.Len()-endMark])
	return e, nil
}

// batch is the messages of one batch: its dictionaries and its columns. They are good
// until the next call.
func (e *encoder) batch(b arrow.RecordBatch) ([]byte, error) {
	e.out.Reset()
	w := ipc.NewWriter(&e.out, e.options...)
	if err := errors.Join(w.Write(b), w.Close()); err != nil {
		return nil, err
	}
	return e.out.Bytes()[len(e.schema) : e.out.Len()-endMark], nil
}
