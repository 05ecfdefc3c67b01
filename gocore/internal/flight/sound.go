package flight

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

var (
	errShort  = errors.New("a buffer is too short for its rows")
	errOffset = errors.New("offsets that go backwards, or beyond the values")
	errIndex  = errors.New("an index beyond its dictionary")
	errText   = errors.New("a text that is not UTF-8")
	errNone   = errors.New("a dictionary column without its dictionary")
)

// sound looks at every offset, index and text of a column as it came from a stream, and at those
// below it. Without that a few bytes could stand for a request without end.
func sound(data arrow.ArrayData) error {
	if data.Len() < 0 || data.Len() > math.MaxInt32 { // so that no product of it wraps around
		return errShort
	}
	if bits := data.Buffers(); len(bits) > 0 && bits[0] != nil && bits[0].Len() > 0 && bits[0].Len() < (data.Len()+7)/8 {
		return errShort
	}
	switch t := data.DataType().(type) {
	case *arrow.DictionaryType:
		return soundDictionary(data, t)
	case *arrow.StringType, *arrow.BinaryType:
		return soundTexts[int32](data, t.ID() == arrow.STRING)
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return soundTexts[int64](data, t.ID() == arrow.LARGE_STRING)
	case *arrow.ListType, *arrow.MapType:
		return soundList[int32](data)
	case *arrow.LargeListType:
		return soundList[int64](data)
	case *arrow.StructType:
		return soundStruct(data)
	case *arrow.BooleanType:
		return long(data, 1, (data.Len()+7)/8)
	case arrow.FixedWidthDataType:
		return long(data, 1, data.Len()*t.Bytes())
	}
	return fmt.Errorf("type %s is not known here", data.DataType())
}

func long(data arrow.ArrayData, buffer, bytes int) error {
	if bytes == 0 {
		return nil
	}
	if held := data.Buffers()[buffer]; bytes < 0 || held == nil || held.Len() < bytes {
		return errShort
	}
	return nil
}

func valid(data arrow.ArrayData, row int) bool {
	bits := data.Buffers()[0]
	return bits == nil || bits.Len() == 0 || bits.Bytes()[row>>3]>>(row&7)&1 == 1
}

type offset interface{ int32 | int64 }

func width[T offset]() int {
	if _, short := any(T(0)).(int32); short {
		return arrow.Int32SizeBytes
	}
	return arrow.Int64SizeBytes
}

// offsetsOf are the n+1 offsets of a column; none where it has no rows.
func offsetsOf[T offset](data arrow.ArrayData) ([]T, error) {
	if data.Len() == 0 {
		return nil, nil
	}
	if err := long(data, 1, (data.Len()+1)*width[T]()); err != nil {
		return nil, err
	}
	return arrow.GetData[T](data.Buffers()[1].Bytes())[:data.Len()+1], nil
}

func soundOffsets[T offset](offsets []T, end int) error {
	before := T(0)
	for _, at := range offsets {
		if at < before || int64(at) > int64(end) {
			return errOffset
		}
		before = at
	}
	return nil
}

func soundTexts[T offset](data arrow.ArrayData, text bool) error {
	offsets, err := offsetsOf[T](data)
	if err != nil || len(offsets) == 0 {
		return err
	}
	var values []byte
	if held := data.Buffers()[2]; held != nil {
		values = held.Bytes()
	}
	if err := soundOffsets(offsets, len(values)); err != nil || !text {
		return err
	}
	if !utf8.Valid(values[offsets[0]:offsets[len(offsets)-1]]) {
		return errText
	}
	for _, at := range offsets { // all of it is good, and no text begins within a character
		if int(at) < len(values) && !utf8.RuneStart(values[at]) {
			return errText
		}
	}
	return nil
}

func soundList[T offset](data arrow.ArrayData) error {
	child := data.Children()[0]
	offsets, err := offsetsOf[T](data)
	if err == nil {
		err = soundOffsets(offsets, child.Len())
	}
	if err != nil {
		return err
	}
	return sound(child)
}

func soundStruct(data arrow.ArrayData) error {
	for i, child := range data.Children() {
		if child.Len() < data.Len() {
			return errShort
		}
		if err := sound(child); err != nil {
			return fmt.Errorf("%s: %w", data.DataType().(*arrow.StructType).Field(i).Name, err)
		}
	}
	return nil
}

func soundDictionary(data arrow.ArrayData, t *arrow.DictionaryType) error {
	words, ok := data.Dictionary().(*array.Data)
	if !ok || words == nil {
		return errNone
	}
	if err := long(data, 1, data.Len()*t.IndexType.(arrow.FixedWidthDataType).Bytes()); err != nil {
		return err
	}
	if err := sound(words); err != nil {
		return err
	}
	index := indices(data)
	for row := range data.Len() {
		if at := index(row); valid(data, row) && (at < 0 || at >= words.Len()) {
			return errIndex
		}
	}
	return nil
}

// indices reads the indices of a dictionary column, of any width.
func indices(data arrow.ArrayData) func(row int) int {
	var bytes []byte
	if held := data.Buffers()[1]; held != nil {
		bytes = held.Bytes()
	}
	switch data.DataType().(*arrow.DictionaryType).IndexType.ID() {
	case arrow.INT8:
		return reader[int8](bytes)
	case arrow.UINT8:
		return reader[uint8](bytes)
	case arrow.INT16:
		return reader[int16](bytes)
	case arrow.UINT16:
		return reader[uint16](bytes)
	case arrow.INT32:
		return reader[int32](bytes)
	case arrow.UINT32:
		return reader[uint32](bytes)
	case arrow.INT64:
		return reader[int64](bytes)
	default:
		return reader[uint64](bytes)
	}
}

func reader[T arrow.IntType | arrow.UintType](bytes []byte) func(row int) int {
	all := arrow.GetData[T](bytes)
	return func(row int) int { return int(all[row]) }
}
