// Package column holds the column buffers that a decoder fills: values, offsets,
// validity bits and dictionary indices in Arrow's own layout, so that a finished
// column becomes an Arrow array without a copy.
//
//	Fixed[T]   values | validity          Text   indices | validity -> Dict
//	Binary     width*n bytes | validity   List   offsets -> children
//
// Every column can be cut back to a length (Truncate), so a row or a request that
// turns out bad leaves no trace. Columns belong to one goroutine at a time; the arrays
// made of them share their memory, so Reset must wait until the arrays are done with.
package column

import (
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Column is what every kind can do.
type Column interface {
	Len() int
	// Truncate keeps the first n values.
	Truncate(n int)
	// Data is the column as Arrow data of this type, sharing its memory.
	Data(t arrow.DataType) arrow.ArrayData
	// Reset empties the column and keeps its memory.
	Reset()
}

// bytesOf is a slice's memory as bytes.
func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// appendN appends a value n times.
func appendN[T any](s []T, v T, n int) []T {
	s = slices.Grow(s, n)
	added := s[len(s) : len(s)+n]
	for i := range added {
		added[i] = v
	}
	return s[:len(s)+n]
}

// appendZeros appends n zero values.
func appendZeros[T any](s []T, n int) []T {
	s = slices.Grow(s, n)
	clear(s[len(s) : len(s)+n])
	return s[:len(s)+n]
}

func buffer[T any](s []T) *memory.Buffer { return memory.NewBufferBytes(bytesOf(s)) }
