package files

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// endMark is the end of an IPC stream: a continuation marker and length 0.
const endMark = 8

// encoder makes the bytes of a stream: arrow-go's for the schema, and ours for the batches. Its
// writer compares dictionaries after trimming NULs and so loses texts that end in one, compresses
// column after column of nulls, and checks sums that nobody reads; see
// docs/decisions/0007-batches.md.
type encoder struct {
	wanted       *arrow.Schema
	signal       string // that the schema is of; "" has no statistics
	schema       []byte
	dictionaries []int64 // their ids, in the order of the schema's fields, parents first
	head         headWriter
	body         body
	out          []byte
}

func newEncoder(compression string, wanted *arrow.Schema) (*encoder, error) {
	var out bytes.Buffer
	if err := ipc.NewWriter(&out, ipc.WithSchema(wanted)).Close(); err != nil {
		return nil, err
	}
	e := &encoder{wanted: wanted, signal: signalOf(wanted), schema: out.Bytes()[:out.Len()-endMark]}
	e.dictionaries = dictionaryIDs(e.schema[framing:])
	c := codecs[compression]
	e.head = headWriter{flatbuffers.NewBuilder(4096), c.id}
	var err error
	e.body.squeeze.compress, err = c.new()
	return e, err
}

// encode is the messages of batches: their dictionaries and their columns. They are good until
// the next call.
func (e *encoder) encode(tag string, batches []arrow.RecordBatch) ([]byte, error) {
	e.out = e.out[:0]
	for _, b := range batches {
		if err := e.batch(tag, b); err != nil {
			return nil, err
		}
	}
	return e.out, nil
}

func (e *encoder) batch(tag string, b arrow.RecordBatch) error {
	if !b.Schema().Equal(e.wanted) {
		return fmt.Errorf("a batch with columns %v is not one of this stream", b.Schema().Fields())
	}
	e.body.squeeze.forget()
	begin, text := len(e.out), ""
	if e.signal != "" {
		text = statisticsOf(b, e.signal).text()
	}
	first := pair{schema.StatisticsKey, text}
	ids := e.dictionaries
	for _, column := range b.Columns() {
		var err error
		if ids, err = e.addDictionaries(column.Data(), ids, &first); err != nil {
			return err
		}
	}
	e.body.reset()
	for _, column := range b.Columns() {
		if err := e.body.add(column.Data()); err != nil {
			return err
		}
	}
	rows := int(b.NumRows())
	e.message(e.head.batch(rows, &e.body, pair{schema.JournalKey, tag}, first))
	if text != "" {
		group := e.out[begin:]
		seal(group[:framing+binary.LittleEndian.Uint32(group[4:])], text, len(group))
	}
	return nil
}

// addDictionaries makes a message for each dictionary of a column, and gives the ids that are left.
// The first of all has first in its metadata, which is then empty.
func (e *encoder) addDictionaries(data arrow.ArrayData, ids []int64, first *pair) ([]int64, error) {
	if _, ok := data.DataType().(*arrow.DictionaryType); ok {
		values := data.Dictionary()
		e.body.reset()
		if err := e.body.add(values); err != nil {
			return nil, err
		}
		e.message(e.head.dictionary(ids[0], values.Len(), &e.body, *first))
		*first = pair{}
		return ids[1:], nil
	}
	for _, child := range data.Children() {
		var err error
		if ids, err = e.addDictionaries(child, ids, first); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (e *encoder) message(head []byte) {
	e.out = append(append(e.out, head...), e.body.bytes...)
}

// dictionaryIDs are those that a schema's head gives to the dictionaries of its fields.
func dictionaryIDs(head []byte) []int64 {
	f := flatbuf.New(head)
	header := f.Table(f.Field(f.Root(), 2))
	return dictionariesOf(f, f.Tables(f.Field(header, 1)))
}

func dictionariesOf(f *flatbuf.Reader, fields []int) (ids []int64) {
	for _, field := range fields {
		if at := f.Field(field, 4); at != 0 {
			ids = append(ids, int64(f.Word(f.Field(f.Table(at), 0))))
			continue // it has no children
		}
		ids = append(ids, dictionariesOf(f, f.Tables(f.Field(field, 5)))...)
	}
	return ids
}
