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
	// Held appends how much each of the column's buffers holds, for Reserve.
	Held(to []int) []int
	// Reserve makes room, in a new column, for as much as Held told of another of its kind;
	// it returns what is left of that.
	Reserve(held []int) []int
}

// bytesOf is a slice's memory as bytes.
func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// room is s with room for n values more.
func room[T any](s []T, n int) []T {
	if len(s)+n <= cap(s) {
		return s
	}
	return larger(s, n)
}

// push appends a value. Append is told of nothing but the slice itself: it then writes no more than
// the new length, and the compiler knows it.
func push[T any](s *[]T, v T) {
	if len(*s) == cap(*s) {
		enlarge(s)
	}
	*s = append(*s, v)
}

// pushAll appends values, likewise.
func pushAll[T any](s *[]T, v []T) {
	if cap(*s)-len(*s) < len(v) {
		*s = larger(*s, len(v))
	}
	*s = append(*s, v...)
}

//go:noinline // so that push can be
func enlarge[T any](s *[]T) { *s = larger(*s, 1) }

// leastRoom makes powers of two of it a little more than powers of two: batches end just beyond one.
const leastRoom = 72

// most is how many bytes a column's room is made larger by at once, unless more are needed.
const most = 16 << 20

// larger is room that s has not got. Go's append makes large slices a quarter larger at a time, and
// writes zeros to what it adds: a column would be copied some times over, and memory touched that it
// does not need yet.
//
//go:noinline // so that what calls it can be
func larger[T any](s []T, n int) []T {
	var zero T
	more := min(cap(s), max(cap(s)/4, most/int(unsafe.Sizeof(zero))))
	grown := make([]T, len(s), max(len(s)+n, cap(s)+more, leastRoom))
	copy(grown, s)
	return grown
}

// appendN appends a value n times.
func appendN[T any](s []T, v T, n int) []T {
	s = room(s, n)
	added := s[len(s) : len(s)+n]
	for i := range added {
		added[i] = v
	}
	return s[:len(s)+n]
}

// appendZeros appends n zero values.
func appendZeros[T any](s []T, n int) []T {
	s = room(s, n)
	clear(s[len(s) : len(s)+n])
	return s[:len(s)+n]
}

func buffer[T any](s []T) *memory.Buffer { return memory.NewBufferBytes(bytesOf(s)) }
