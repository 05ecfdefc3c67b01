// Package decode turns OTLP Export requests (protobuf) into the rows of a table. A
// cursor walks the wire format and appends straight into column buffers; nothing is
// built in between. A request is decoded whole or leaves no trace: the lengths before
// it are the mark to which a bad one is cut back.
//
//	body ─> containers (resource, scope) ─> item ─> columns ─> Batch
//
// A Table belongs to one goroutine at a time. A Batch shares the Table's memory, so
// Reset must wait until the batch is done with.
package decode

import (
	"runtime/debug"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// DefaultMaxGrowth bounds what one request may become in memory, in bytes.
const DefaultMaxGrowth = 256 << 20

// rowCost is about what a row takes in all columns before its attributes; 3 MiB of empty
// spans would otherwise become hundreds of MiB.
const rowCost = 256

// Stats counts what the normal form leaves out.
type Stats struct {
	UnknownFields   uint64 // fields that this version does not know, and *_strindex
	IllSizedIDs     uint64 // ids of log records, links and exemplars that are not 8 or 16 bytes
	EmptyContainers uint64 // resources, scopes and metrics without items
}

// Table is the rows decoded since the last Reset.
type Table struct {
	// MaxGrowth bounds what one request may become in memory, in bytes.
	MaxGrowth int
	// Stats counts what was left out, over the Table's life.
	Stats Stats

	signal  otlp.Signal
	schema  *arrow.Schema
	columns []column.Column // in the schema's order
	texts   []*column.Text  // every dictionary there is, nested ones too
	path    [3]string       // of the fields, for errors

	common    common
	promoted  promoter // from the items
	rows      int
	growth    int // estimate for the request being decoded
	size      int // estimate for the rows since Reset
	peak      int // the largest size there was, with refused requests
	mark      []int
	markRows  int
	markSize  int
	markStats Stats
	twoPasses bool  // for resources and scopes that come late
	held      []int // see Reserve

	bad     error // first fault of a leaf in the message being read
	scratch []byte
	rowDups []byte
}

// New makes an empty table for a signal, with further columns for what is promoted.
func New(signal otlp.Signal, promoted ...schema.Promotion) *Table {
	t := &Table{MaxGrowth: DefaultMaxGrowth, signal: signal, schema: schema.Of(signal, promoted...)}
	named := columns{table: t, byName: map[string]column.Column{}}
	var item func(b []byte) error
	switch signal {
	case otlp.Traces:
		c := &spans{table: t}
		c.bind(&named)
		item, t.path = c.span, [3]string{"resource_spans", "scope_spans", "spans"}
	case otlp.Metrics:
		c := &metrics{table: t}
		c.bind(&named)
		item, t.path = c.metric, [3]string{"resource_metrics", "scope_metrics", "metrics"}
	default:
		c := &logs{table: t}
		c.bind(&named)
		item, t.path = c.record, [3]string{"resource_logs", "scope_logs", "log_records"}
	}
	t.common.bind(t, &named)
	t.common.levels(t.path, item)
	for _, p := range promoted {
		if p.Resource {
			t.common.promoted.add(&named, p)
		} else {
			t.promoted.add(&named, p)
		}
	}
	t.columns = named.ordered(t.schema)
	t.mark = make([]int, len(t.texts))
	for _, text := range t.texts {
		text.Dict.Grown, text.Dict.Stable = &t.growth, signal == otlp.Metrics
	}
	return t
}

// Reserve has a new table begin, with the first request, with room for as much as another of the same
// columns holds now: it does not have to grow to that again, and leave behind what it was copied from.
func (t *Table) Reserve(like *Table) {
	t.held = t.held[:0]
	for _, c := range like.columns {
		t.held = c.Held(t.held)
	}
}

func (t *Table) reserve() {
	held := t.held
	for _, c := range t.columns {
		held = c.Reserve(held)
	}
	t.held = nil
}

// Signal is the table's signal.
func (t *Table) Signal() otlp.Signal { return t.signal }

// Rows is the number of items decoded since the last Reset.
func (t *Table) Rows() int { return t.rows }

// Size is about what the rows take in memory, in bytes; never less than what they came from.
func (t *Table) Size() int { return t.size }

// Peak is the largest Size that the table ever had, what was refused included: about the
// memory that it keeps.
func (t *Table) Peak() int { return t.peak }

// Decode adds a request's items, all of them or none. The body is not kept. The error
// is a *fault.Error with the field's path.
func (t *Table) Decode(body []byte) (err error) {
	if t.held != nil {
		t.reserve()
	}
	t.setMark()
	defer func() {
		if cause := recover(); cause != nil { // a fault of ours must not take others' rows along
			t.twoPasses = false
			t.rewind(t.markRows)
			err = fault.New(fault.Internal, "decode "+t.signal.String(), "panic: %v\n%s", cause, debug.Stack())
		}
	}()
	err = t.request(body)
	if err == errLate { //nolint:errorlint // never wrapped
		t.rewind(t.markRows)
		t.setMark()
		t.twoPasses = true
		err = t.request(body)
		t.twoPasses = false
	}
	t.peak = max(t.peak, t.size+t.growth)
	if err != nil {
		t.rewind(t.markRows)
		return asFault("decode "+t.signal.String(), err)
	}
	t.size += max(len(body), t.growth)
	return nil
}

func (t *Table) setMark() {
	t.growth, t.bad, t.rowDups, t.markStats = 0, nil, t.rowDups[:0], t.Stats
	t.markRows, t.markSize = t.rows, t.size
	for i, text := range t.texts {
		t.mark[i] = text.Dict.Len()
	}
}

// Undo takes the request back that was decoded last, if nothing was done since.
func (t *Table) Undo() {
	t.rewind(t.markRows)
	t.size = t.markSize
}

func (t *Table) rewind(rows int) {
	for _, c := range t.columns {
		c.Truncate(rows)
	}
	for i, text := range t.texts {
		text.Dict.Truncate(t.mark[i])
	}
	t.common.forget()
	t.rows, t.Stats = rows, t.markStats
}

// grow counts what is about to be added and refuses a request that becomes too large. New
// texts of dictionaries are counted by themselves.
func (t *Table) grow(bytes int) error {
	t.growth += bytes
	if t.growth > t.MaxGrowth {
		return t.tooLarge()
	}
	return nil
}

//go:noinline // so that grow can be
func (t *Table) tooLarge() error {
	return fault.New(fault.TooLarge, "", "the request becomes more than %d MiB of columns; send fewer items at once", t.MaxGrowth>>20)
}

// Batch is the rows as Arrow columns that share the table's memory.
func (t *Table) Batch() arrow.RecordBatch {
	arrays := make([]arrow.Array, len(t.columns))
	for i, c := range t.columns {
		data := c.Data(t.schema.Field(i).Type)
		arrays[i] = array.MakeFromData(data)
		data.Release()
	}
	return array.NewRecordBatch(t.schema, arrays, int64(t.rows))
}

// Reset forgets the rows and keeps the memory for the next ones.
func (t *Table) Reset() {
	for _, c := range t.columns {
		c.Reset()
	}
	for _, text := range t.texts {
		text.Reset()
	}
	t.common.forget()
	t.scratch, t.rowDups = t.scratch[:0], t.rowDups[:0]
	t.rows, t.size = 0, 0
}

// columns collects a signal's columns by name while they are bound.
type columns struct {
	table  *Table
	byName map[string]column.Column
}

func (c *columns) add(name string, col column.Column) {
	if text, ok := col.(*column.Text); ok {
		c.text(text)
	}
	c.byName[name] = col
}

// text notes a dictionary, so that marks and Reset reach it.
func (c *columns) text(t *column.Text) { c.table.texts = append(c.table.texts, t) }

func (c *columns) attrs(name, types string, a *attrs) {
	c.nestedAttrs(a, name, "attributes")
	c.byName[name] = &a.list
	c.byName[types] = &a.types
}

func (c *columns) nestedAttrs(a *attrs, name, field string) {
	a.bind(c.table, name, field)
	c.text(&a.keys)
	c.text(&a.values)
	c.text(&a.types)
}

func (c *columns) ordered(s *arrow.Schema) []column.Column {
	all := make([]column.Column, 0, len(c.byName))
	for _, described := range s.Fields() {
		col, ok := c.byName[described.Name]
		if !ok {
			panic("decode: no column " + described.Name) // a fault of ours that any test meets
		}
		all = append(all, col)
	}
	return all
}
