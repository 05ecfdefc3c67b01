package convert

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// whole gives empty dictionaries to columns that lack one: arrow-go's Parquet reader leaves it
// out where a nested column has no value in a row group, and all that looks at such a column
// then panics.
func whole(batch arrow.RecordBatch) arrow.RecordBatch {
	columns := make([]arrow.Array, batch.NumCols())
	for i, column := range batch.Columns() {
		data := withDictionaries(column.Data())
		columns[i] = array.MakeFromData(data)
		data.Release()
	}
	defer func() {
		for _, column := range columns {
			column.Release()
		}
	}()
	return array.NewRecordBatch(batch.Schema(), columns, batch.NumRows())
}

// withDictionaries is a copy of the data's structure; the buffers are shared.
func withDictionaries(data arrow.ArrayData) arrow.ArrayData {
	children := slices.Clone(data.Children())
	for i, child := range children {
		children[i] = withDictionaries(child)
		defer children[i].Release() // NewData retains them
	}
	typ, isDict := data.DataType().(*arrow.DictionaryType)
	if !isDict {
		return array.NewData(data.DataType(), data.Len(), data.Buffers(), children, data.NullN(), data.Offset())
	}
	dict, _ := data.Dictionary().(*array.Data)
	if dict == nil {
		dict = array.NewData(typ.ValueType, 0, make([]*memory.Buffer, 3), nil, 0, 0)
		defer dict.Release()
	}
	return array.NewDataWithDictionary(data.DataType(), data.Len(), data.Buffers(), data.NullN(), data.Offset(), dict)
}
