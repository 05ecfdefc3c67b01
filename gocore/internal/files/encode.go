package files

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// body is what a message has behind its head: the buffers of some columns, one behind the other.
//
//	nodes    length and nulls of each array, parents before children
//	buffers  where each one's bytes lie: validity, then offsets or values
//	bytes    each buffer compressed by itself, at multiples of eight
type body struct {
	squeeze squeezer
	bytes   []byte
	length  int // of bytes that are elsewhere; 0 where they are here
	nodes   []node
	buffers []extent
}

func (b *body) size() int { return max(b.length, len(b.bytes)) }

type node struct{ length, nulls int }

type extent struct{ offset, length int }

func (b *body) reset() {
	b.bytes, b.nodes, b.buffers = b.bytes[:0], b.nodes[:0], b.buffers[:0]
}

// add appends an array and those below it.
func (b *body) add(data arrow.ArrayData) error {
	if data.Offset() != 0 {
		return b.addSlice(data)
	}
	nulls := countNulls(data)
	b.nodes = append(b.nodes, node{data.Len(), nulls})
	if err := b.addBuffers(data, nulls); err != nil {
		return err
	}
	for _, child := range data.Children() {
		if err := b.add(child); err != nil {
			return err
		}
	}
	return nil
}

// addSlice copies what a part of an array holds, so that it begins at its buffers' begin.
func (b *body) addSlice(data arrow.ArrayData) error {
	part := array.MakeFromData(data)
	defer part.Release()
	whole, err := array.Concatenate([]arrow.Array{part}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	defer whole.Release()
	return b.add(whole.Data())
}

// countNulls counts where a part of an array was taken whose nulls nobody has counted yet.
func countNulls(data arrow.ArrayData) int {
	switch bits := data.Buffers()[0]; {
	case data.NullN() != array.UnknownNullCount:
		return data.NullN()
	case bits == nil || bits.Len() == 0:
		return 0
	default:
		return data.Len() - bitutil.CountSetBits(bits.Bytes(), 0, data.Len())
	}
}

// addBuffers appends an array's own buffers, of which more may be allocated than is used.
func (b *body) addBuffers(data arrow.ArrayData, nulls int) error {
	n := data.Len()
	validity := 0
	if nulls > 0 {
		validity = int(bitutil.BytesForBits(int64(n)))
	}
	if err := b.put(data, 0, validity, 1); err != nil {
		return err
	}
	switch t := data.DataType().(type) {
	case *arrow.StructType:
		return nil
	case *arrow.ListType, *arrow.MapType:
		return b.putOffsets(data)
	case *arrow.StringType, *arrow.BinaryType:
		if err := b.putOffsets(data); err != nil {
			return err
		}
		return b.put(data, 2, lastOffset(data), 1)
	case *arrow.DictionaryType:
		return b.putValues(data, nulls, t.IndexType.(arrow.FixedWidthDataType).Bytes())
	case *arrow.BooleanType:
		return b.put(data, 1, int(bitutil.BytesForBits(int64(n))), 1)
	case arrow.FixedWidthDataType:
		return b.putValues(data, nulls, t.Bytes())
	default:
		return fmt.Errorf("columns of type %s are not written", t)
	}
}

// putValues appends the values of an array, so many bytes each. Where all are null nobody looks at
// them: they become zeros, which need not be read.
func (b *body) putValues(data arrow.ArrayData, nulls, bytes int) error {
	length, width := data.Len()*bytes, min(bytes, 8)
	if nulls < data.Len() || length == 0 {
		return b.put(data, 1, length, width)
	}
	begin := len(b.bytes)
	var err error
	if b.bytes, err = b.squeeze.appendZeros(b.bytes, length, width); err != nil {
		return err
	}
	b.end(begin)
	return nil
}

// putOffsets appends n+1 offsets; a column without rows may lack even the first.
func (b *body) putOffsets(data arrow.ArrayData) error {
	if held := data.Buffers()[1]; data.Len() == 0 && (held == nil || held.Len() == 0) {
		return b.append(make([]byte, arrow.Int32SizeBytes), 4)
	}
	return b.put(data, 1, (data.Len()+1)*arrow.Int32SizeBytes, 4)
}

func lastOffset(data arrow.ArrayData) int {
	held := data.Buffers()[1]
	if held == nil || held.Len() == 0 {
		return 0
	}
	return int(arrow.Int32Traits.CastFromBytes(held.Bytes())[data.Len()])
}

// put appends the first bytes of the i-th buffer.
func (b *body) put(data arrow.ArrayData, i, length, width int) error {
	if length == 0 {
		return b.append(nil, 1)
	}
	held := data.Buffers()[i]
	if held == nil || held.Len() < length {
		return fmt.Errorf("a column of %d rows of type %s has less than %d bytes in buffer %d", data.Len(), data.DataType(), length, i)
	}
	return b.append(held.Bytes()[:length], width)
}

func (b *body) append(bytes []byte, width int) error {
	begin := len(b.bytes)
	if len(bytes) > 0 {
		var err error
		if b.bytes, err = b.squeeze.append(b.bytes, bytes, width); err != nil {
			return err
		}
	}
	b.end(begin)
	return nil
}

// end notes where a buffer lies.
func (b *body) end(begin int) {
	b.buffers = append(b.buffers, extent{begin, len(b.bytes) - begin})
	b.bytes = pad(b.bytes)
}

// pad fills up to a multiple of eight.
func pad(b []byte) []byte { return append(b, make([]byte, -len(b)&7)...) }
