package files

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Thrift is memory for reading what may be damaged: a length that was made up is refused with a
// panic, for whom arrow-go or its caller recovers, and not asked of the system, which would end
// the process.
type Thrift struct {
	Most int // bytes of a buffer
}

// maxBuffer is what Arrow's offsets of 31 bits can tell.
const maxBuffer = 2 << 30

// Allocate is of memory.Allocator.
func (t Thrift) Allocate(size int) []byte {
	t.check(size)
	return memory.DefaultAllocator.Allocate(size)
}

// Reallocate is of memory.Allocator.
func (t Thrift) Reallocate(size int, b []byte) []byte {
	t.check(size)
	return memory.DefaultAllocator.Reallocate(size, b)
}

// Free is of memory.Allocator.
func (t Thrift) Free(b []byte) { memory.DefaultAllocator.Free(b) }

func (t Thrift) check(size int) {
	if size < 0 || size > t.Most {
		panic(fmt.Sprintf("a buffer is said to be longer than %d GiB", t.Most>>30))
	}
}
