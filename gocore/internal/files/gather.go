package files

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
)

// gatherer is a column that rows of arrays of one type are copied into. Texts get a dictionary
// of only what the rows use. arrow's own compute package was weighed and not taken: it brings
// megabytes of kernels, and its buffers are longer than their values, which polars 1.35 refuses.
type gatherer interface {
	column.Column
	add(from arrow.Array, row int) error
}

func newGatherer(t arrow.DataType) (gatherer, error) {
	switch t := t.(type) {
	case *arrow.Int32Type:
		return &fixedRows[int32]{}, nil
	case *arrow.Uint32Type:
		return &fixedRows[uint32]{}, nil
	case *arrow.Int64Type:
		return &fixedRows[int64]{}, nil
	case *arrow.Uint64Type:
		return &fixedRows[uint64]{}, nil
	case *arrow.Float64Type:
		return &fixedRows[float64]{}, nil
	case *arrow.TimestampType:
		return &fixedRows[arrow.Timestamp]{}, nil
	case *arrow.BooleanType:
		return &boolRows{}, nil
	case *arrow.FixedSizeBinaryType:
		return &idRows{Binary: column.Binary{Width: t.ByteWidth}}, nil
	case *arrow.StringType:
		return &plainRows{}, nil
	case *arrow.DictionaryType:
		if t.IndexType.ID() == arrow.INT32 && t.ValueType.ID() == arrow.STRING {
			return &textRows{}, nil
		}
	case arrow.ListLikeType:
		return newListRows(t)
	}
	return nil, fmt.Errorf("%w: %s", errType, t)
}

// Pick copies rows of a batch of a data file into a new batch, in the order of their numbers, with
// only those texts in its dictionaries that they use.
func Pick(batch arrow.RecordBatch, rows []int) (picked arrow.RecordBatch, err error) {
	defer func() {
		if cause := recover(); cause != nil { // arrow-go, on offsets beyond a buffer
			err = fmt.Errorf("%w: %v", errGarbage, cause)
		}
	}()
	columns := make([]gatherer, batch.NumCols())
	for i, column := range batch.Columns() {
		if columns[i], err = newGatherer(column.DataType()); err != nil {
			return nil, fmt.Errorf("%s: %w", batch.ColumnName(i), err)
		}
		for _, row := range rows {
			if err := columns[i].add(column, row); err != nil {
				return nil, fmt.Errorf("%s: %w", batch.ColumnName(i), err)
			}
		}
	}
	return gathered(batch.Schema(), columns, int64(len(rows))), nil
}

// gathered is a batch of what columns have; it shares their memory.
func gathered(schema *arrow.Schema, columns []gatherer, rows int64) arrow.RecordBatch {
	arrays := make([]arrow.Array, len(columns))
	for i, column := range columns {
		data := column.Data(schema.Field(i).Type)
		arrays[i] = array.MakeFromData(data)
		data.Release()
		defer arrays[i].Release()
	}
	return array.NewRecordBatch(schema, arrays, rows)
}

// errOther tells an array that is not of the gatherer's type.
func errOther(from arrow.Array) error { return fmt.Errorf("%w: %s", errType, from.DataType()) }

type valued[T any] interface {
	arrow.Array
	Value(row int) T
}

type fixedRows[T column.Number] struct{ column.Fixed[T] }

func (c *fixedRows[T]) add(from arrow.Array, row int) error {
	values, ok := from.(valued[T])
	if !ok {
		return errOther(from)
	}
	if values.IsNull(row) {
		c.AppendNull()
	} else {
		c.Append(values.Value(row))
	}
	return nil
}

type boolRows struct{ column.Bool }

func (c *boolRows) add(from arrow.Array, row int) error {
	values, ok := from.(*array.Boolean)
	if !ok {
		return errOther(from)
	}
	if values.IsNull(row) {
		c.AppendNulls(1)
	} else {
		c.AppendN(values.Value(row), 1)
	}
	return nil
}

type idRows struct{ column.Binary }

func (c *idRows) add(from arrow.Array, row int) error {
	values, ok := from.(*array.FixedSizeBinary)
	if !ok {
		return errOther(from)
	}
	if values.IsNull(row) {
		c.AppendOrNull(nil)
	} else {
		c.AppendOrNull(values.Value(row))
	}
	return nil
}

type plainRows struct{ column.Plain }

func (c *plainRows) add(from arrow.Array, row int) error {
	values, ok := from.(*array.String)
	if !ok || values.IsNull(row) {
		return errOther(from)
	}
	return c.Append([]byte(values.Value(row)))
}

// textRows remembers for each source which of its texts have which index here.
type textRows struct {
	column.Text
	known map[*array.Dictionary][]int32 // index + 1
}

func (c *textRows) add(from arrow.Array, row int) error {
	source, ok := from.(*array.Dictionary)
	if !ok {
		return errOther(from)
	}
	if source.IsNull(row) {
		c.AppendNull()
		return nil
	}
	words, ok := source.Dictionary().(*array.String)
	if !ok {
		return errOther(from)
	}
	known := c.known[source]
	if known == nil {
		if c.known == nil {
			c.known = map[*array.Dictionary][]int32{}
		}
		known = make([]int32, words.Len())
		c.known[source] = known
	}
	there := source.GetValueIndex(row)
	if known[there] == 0 {
		if words.IsNull(there) {
			return errOther(words)
		}
		i, err := c.Index([]byte(words.Value(there)))
		if err != nil {
			return err
		}
		known[there] = i + 1
	}
	c.AppendIndex(known[there] - 1)
	return nil
}

func (c *textRows) Reset() {
	c.Text.Reset()
	clear(c.known)
}

// listRows is a column of lists, of one column or of structs, or of maps.
type listRows struct {
	column.List
	structs  bool
	children []gatherer
}

func newListRows(t arrow.ListLikeType) (*listRows, error) {
	types := []arrow.DataType{t.Elem()}
	structs, ok := t.Elem().(*arrow.StructType)
	if ok {
		types = types[:0]
		for _, field := range structs.Fields() {
			types = append(types, field.Type)
		}
	}
	c := &listRows{structs: ok}
	for _, one := range types {
		child, err := newGatherer(one)
		if err != nil {
			return nil, err
		}
		c.children = append(c.children, child)
		c.Children = append(c.Children, child)
	}
	return c, nil
}

func (c *listRows) add(from arrow.Array, row int) error {
	source, ok := from.(array.ListLike)
	if !ok {
		return errOther(from)
	}
	if source.IsNull(row) {
		c.CloseNull()
		return nil
	}
	begin, end := source.ValueOffsets(row)
	for i, child := range c.children {
		values := source.ListValues()
		if c.structs {
			values = values.(*array.Struct).Field(i)
		}
		for at := begin; at < end; at++ {
			if err := child.add(values, int(at)); err != nil {
				return err
			}
		}
	}
	c.Close()
	return nil
}

// sizeOf is about the memory that arrays take.
func sizeOf(all ...arrow.ArrayData) (bytes int64) {
	for _, data := range all {
		for _, buffer := range data.Buffers() {
			if buffer != nil {
				bytes += int64(buffer.Len())
			}
		}
		bytes += sizeOf(data.Children()...)
		if data.DataType().ID() == arrow.DICTIONARY { // elsewhere it is a nil that is not nil
			bytes += sizeOf(data.Dictionary())
		}
	}
	return bytes
}
