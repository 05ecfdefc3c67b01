package flight

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// A batch is one request where that is not too large, and else several. How large is told
// before it is made, since a dictionary lets a few bytes stand for many: by the texts and numbers
// of its rows. As protobuf they may take twice that (arrays of small numbers, in JSON before),
// and what rows share is written once.

const (
	// partShare is which part of the largest request the texts and numbers of one may have.
	partShare = 4
	// partRows is how many rows it may have: empty ones weigh little, and take more when decoded.
	partRows = 1 << 16
	// step is how many rows are weighed at a time.
	step = 64
	// rowBytes is what a row takes beside its texts and numbers.
	rowBytes = 16
)

// Part is how many rows of a batch, from one on, fit into a request of at most so many bytes, and
// about how many it will have.
func Part(batch arrow.RecordBatch, from int, limit int64) (rows int, bytes int64, err error) {
	left, end := limit/partShare, min(int(batch.NumRows()), from+partRows)
	for n := min(step, end-from); n > 0; n = min(n, end-from-rows) {
		begin := from + rows
		weight := int64(n) * rowBytes
		for _, column := range batch.Columns() {
			weight = add(weight, weigh(column.Data(), begin, begin+n))
		}
		switch {
		case weight <= left:
			rows, left, bytes = rows+n, left-weight, bytes+weight
		case n > 1:
			n /= 2
		case rows > 0:
			return rows, bytes, nil
		default:
			return 0, 0, &fault.Error{Kind: fault.TooLarge, Op: "receive over Flight", Field: fmt.Sprintf("row %d", from),
				Err: fmt.Errorf("its %d bytes of texts and numbers are more than a quarter of max_request_bytes, %d", weight, limit)}
		}
	}
	return rows, bytes, nil
}

// weigh is about what elements of a sound column take as texts and numbers.
func weigh(data arrow.ArrayData, from, to int) (bytes int64) {
	if from >= to {
		return 0
	}
	switch t := data.DataType().(type) {
	case *arrow.DictionaryType:
		return weighDictionary(data, from, to)
	case *arrow.StringType, *arrow.BinaryType:
		offsets, _ := offsetsOf[int32](data) // sound looked at them
		return int64(offsets[to] - offsets[from])
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		offsets, _ := offsetsOf[int64](data)
		return offsets[to] - offsets[from]
	case *arrow.ListType, *arrow.MapType:
		offsets, _ := offsetsOf[int32](data)
		return weigh(data.Children()[0], int(offsets[from]), int(offsets[to]))
	case *arrow.LargeListType:
		offsets, _ := offsetsOf[int64](data)
		return weigh(data.Children()[0], int(offsets[from]), int(offsets[to]))
	case *arrow.StructType:
		for _, child := range data.Children() {
			bytes = add(bytes, weigh(child, from, to))
		}
		return bytes
	case *arrow.BooleanType:
		return int64(to - from)
	case arrow.FixedWidthDataType:
		return int64(to-from) * int64(t.Bytes())
	}
	return 0
}

func weighDictionary(data arrow.ArrayData, from, to int) (bytes int64) {
	index, word := indices(data), wordsOf(data.Dictionary().(*array.Data))
	for row := from; row < to; row++ {
		if valid(data, row) {
			bytes = add(bytes, 2+word(index(row)))
		}
	}
	return bytes
}

// wordsOf weighs the values of a dictionary one by one; nearly all are texts.
func wordsOf(words arrow.ArrayData) func(at int) int64 {
	if words.DataType().ID() != arrow.STRING {
		return func(at int) int64 { return weigh(words, at, at+1) }
	}
	offsets, _ := offsetsOf[int32](words)
	return func(at int) int64 { return int64(offsets[at+1] - offsets[at]) }
}
