package flight

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
)

// data is a column of buffers, nil ones for those that are absent.
func data(t arrow.DataType, rows int, children []arrow.ArrayData, buffers ...[]byte) *array.Data {
	all := make([]*memory.Buffer, len(buffers))
	for i, b := range buffers {
		if b != nil {
			all[i] = memory.NewBufferBytes(b)
		}
	}
	return array.NewData(t, rows, all, children, array.UnknownNullCount, 0)
}

func words(b *array.Data, of arrow.ArrayData) *array.Data {
	b.SetDictionary(of)
	return b
}

func le32(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func le64(values ...uint64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// TestSound: what reaches beyond its buffers is found, for every kind of column, and what does not
// is weighed.
func TestSound(t *testing.T) {
	const minus = math.MaxUint32 // -1
	text, large, number := arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, arrow.PrimitiveTypes.Int64
	three := data(text, 3, nil, nil, le32(0, 1, 3, 6), []byte("abbccc"))
	dictionary := func(index arrow.DataType) arrow.DataType {
		return &arrow.DictionaryType{IndexType: index, ValueType: text}
	}
	pair := arrow.StructOf(field("key", text), field("value", number))
	numbers := data(number, 3, nil, nil, le64(1, 2, 3))
	for name, c := range map[string]struct {
		column arrow.ArrayData
		want   error
		weight int64
	}{
		"numbers":                 {numbers, nil, 24},
		"too few numbers":         {data(number, 4, nil, nil, le64(1, 2, 3)), errShort, 0},
		"no numbers":              {data(number, 1, nil, nil, nil), errShort, 0},
		"numbers beyond counting": {data(number, math.MaxInt/2, nil, nil, le64(1)), errShort, 0},
		"ids beyond counting":     {data(&arrow.FixedSizeBinaryType{ByteWidth: 1 << 20}, 1<<44, nil, nil, le64(1)), errShort, 0},
		"no rows":                 {data(number, 0, nil, nil, nil), nil, 0},
		"validity":                {data(number, 3, nil, []byte{5}, le64(1, 2, 3)), nil, 24},
		"short validity":          {data(number, 9, nil, []byte{5}, le64(1, 2, 3, 4, 5, 6, 7, 8, 9)), errShort, 0},
		"truths":                  {data(arrow.FixedWidthTypes.Boolean, 9, nil, nil, []byte{1, 1}), nil, 9},
		"too few truths":          {data(arrow.FixedWidthTypes.Boolean, 9, nil, nil, []byte{1}), errShort, 0},
		"ids":                     {data(&arrow.FixedSizeBinaryType{ByteWidth: 8}, 2, nil, nil, le64(1, 2)), nil, 16},
		"texts":                   {three, nil, 6},
		"empty texts":             {data(text, 2, nil, nil, le32(0, 0, 0), nil), nil, 0},
		"no texts":                {data(text, 0, nil, nil, nil, nil), nil, 0},
		"backwards":               {data(text, 2, nil, nil, le32(0, 3, 1), []byte("abc")), errOffset, 0},
		"before the begin":        {data(text, 1, nil, nil, le32(minus, 1), []byte("abc")), errOffset, 0},
		"beyond the end":          {data(text, 1, nil, nil, le32(0, 4), []byte("abc")), errOffset, 0},
		"too few offsets":         {data(text, 2, nil, nil, le32(0, 1), []byte("abc")), errShort, 0},
		"no UTF-8":                {data(text, 1, nil, nil, le32(0, 1), []byte{0xff}), errText, 0},
		"half a character":        {data(text, 2, nil, nil, le32(0, 1, 2), []byte("é")), errText, 0},
		"bytes":                   {data(arrow.BinaryTypes.Binary, 1, nil, nil, le32(0, 1), []byte{0xff}), nil, 1},
		"large texts":             {data(large, 2, nil, nil, le64(0, 1, 3), []byte("abb")), nil, 3},
		"large offsets":           {data(large, 1, nil, nil, le64(0, math.MaxUint64), []byte("abb")), errOffset, 0},
		"large bytes":             {data(arrow.BinaryTypes.LargeBinary, 1, nil, nil, le64(0, 1), []byte{0xff}), nil, 1},
		"a list":                  {data(arrow.ListOf(number), 2, []arrow.ArrayData{numbers}, nil, le32(0, 1, 3)), nil, 24},
		"a list beyond its end":   {data(arrow.ListOf(number), 1, []arrow.ArrayData{numbers}, nil, le32(0, 4)), errOffset, 0},
		"a bad list":              {data(arrow.ListOf(number), 0, []arrow.ArrayData{data(number, 1, nil, nil, nil)}, nil, nil), errShort, 0},
		"a large list":            {data(arrow.LargeListOf(number), 1, []arrow.ArrayData{numbers}, nil, le64(0, 3)), nil, 24},
		"a struct":                {data(pair, 3, []arrow.ArrayData{three, numbers}, nil), nil, 30},
		"a short struct":          {data(pair, 4, []arrow.ArrayData{three, numbers}, nil), errShort, 0},
		"a bad struct":            {data(pair, 1, []arrow.ArrayData{data(text, 1, nil, nil, nil, nil), numbers}, nil), errShort, 0},
		"words":                   {words(data(dictionary(arrow.PrimitiveTypes.Uint8), 3, nil, nil, []byte{0, 2, 2}), three), nil, 6 + 7},
		"an unused index":         {words(data(dictionary(arrow.PrimitiveTypes.Int8), 2, nil, []byte{1}, []byte{0, 9}), three), nil, 3},
		"an index beyond":         {words(data(dictionary(arrow.PrimitiveTypes.Int32), 1, nil, nil, le32(3)), three), errIndex, 0},
		"an index below":          {words(data(dictionary(arrow.PrimitiveTypes.Int32), 1, nil, nil, le32(minus)), three), errIndex, 0},
		"a huge index":            {words(data(dictionary(arrow.PrimitiveTypes.Uint64), 1, nil, nil, le64(math.MaxUint64)), three), errIndex, 0},
		"a wide index":            {words(data(dictionary(number), 1, nil, nil, le64(2)), three), nil, 5},
		"other widths":            {words(data(dictionary(arrow.PrimitiveTypes.Int16), 1, nil, nil, []byte{1, 0}), three), nil, 4},
		"unsigned":                {words(data(dictionary(arrow.PrimitiveTypes.Uint16), 1, nil, nil, []byte{1, 0}), three), nil, 4},
		"unsigned 32":             {words(data(dictionary(arrow.PrimitiveTypes.Uint32), 1, nil, nil, le32(1)), three), nil, 4},
		"too few indices":         {words(data(dictionary(arrow.PrimitiveTypes.Int32), 2, nil, nil, le32(1)), three), errShort, 0},
		"no indices":              {words(data(dictionary(arrow.PrimitiveTypes.Int32), 0, nil, nil, nil), three), nil, 0},
		"no dictionary":           {data(dictionary(arrow.PrimitiveTypes.Int32), 1, nil, nil, le32(0)), errNone, 0},
		"a bad dictionary":        {words(data(dictionary(arrow.PrimitiveTypes.Int32), 0, nil, nil, nil), data(text, 1, nil, nil, nil, nil)), errShort, 0},
	} {
		if err := sound(c.column); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
			continue
		}
		if c.want == nil {
			if got := weigh(c.column, 0, c.column.Len()); got != c.weight {
				t.Errorf("%s: weighs %d, want %d", name, got, c.weight)
			}
		}
	}
	for _, odd := range []arrow.DataType{arrow.Null, arrow.BinaryTypes.StringView, arrow.ListViewOf(number)} {
		if err := sound(data(odd, 0, nil, nil, nil)); err == nil {
			t.Errorf("%s is taken", odd)
		}
	}
}

// TestInflated: what a buffer says of its size is not believed where it cannot be.
func TestInflated(t *testing.T) {
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xa0} // a zstd frame's head that asks for 1 GiB
	for name, c := range map[string]struct {
		part         []byte
		packed, zstd bool
		size         int64
		want         error
	}{
		"plain":       {make([]byte, 5), false, false, 5, nil},
		"nothing":     {nil, true, true, 0, nil},
		"short":       {make([]byte, 7), true, false, 0, flatbuf.ErrBodies},
		"as it is":    {le64(math.MaxUint64, 0), true, true, 16, nil},
		"below zero":  {le64(math.MaxUint64-1, 0), true, false, 0, flatbuf.ErrBodies},
		"lz4":         {le64(1 << 40), true, false, 1 << 40, nil},
		"no frame":    {le64(5, 0), true, true, 0, flatbuf.ErrBodies},
		"wide window": {append(le64(5), window...), true, true, 0, flatbuf.ErrWindow},
	} {
		if size, err := inflated(c.part, c.packed, c.zstd); size != c.size || !errors.Is(err, c.want) {
			t.Errorf("%s: %d, %v", name, size, err)
		}
	}
	if add(math.MaxInt64-1, 5) != math.MaxInt64 || add(3, 4) != 7 {
		t.Error("sums wrap around")
	}
}

// TestStore: memory that cannot be had ends the reading, and what is held is given back.
func TestStore(t *testing.T) {
	budget := &purse{most: 150}
	s := store{limit: 200, budget: budget}
	b := s.Allocate(100)
	b = s.Reallocate(50, b)
	if b = s.Reallocate(120, b); len(b) != 120 || budget.held != 120 {
		t.Errorf("%d bytes, %d held", len(b), budget.held)
	}
	for _, size := range []int{-1, 81, 31} {
		func() {
			defer func() {
				if recover() == nil || s.err == nil {
					t.Errorf("%d bytes more are given", size)
				}
			}()
			s.Allocate(size)
		}()
	}
	s.Free(b[:20])
	if s.close(); budget.held != 0 || s.held != 0 {
		t.Errorf("%d bytes are held", budget.held)
	}
}
