package flight

import (
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// Budget is what an Upload's memory is paid from. It may be shared.
type Budget interface {
	// Take holds so many bytes, or says why they can't be had.
	Take(bytes int64) error
	// Give lets go of bytes that Take gave.
	Give(bytes int64)
}

// store is arrow-go's allocator for one stream. arrow-go has no error for memory that is not to
// be had: the panic, which its readers recover from, ends the reading, and err says why.
type store struct {
	memory.GoAllocator
	limit  int64
	held   int64
	budget Budget
	err    error
}

var _ memory.Allocator = (*store)(nil)

func (s *store) take(bytes int) {
	var err error
	if n := int64(bytes); n < 0 || s.held+n > s.limit {
		err = fault.New(fault.TooLarge, "receive over Flight", "the stream would hold more than %d bytes, the most allowed", s.limit)
	} else if err = s.budget.Take(n); err == nil {
		s.held += n
		return
	}
	s.err = err
	panic(err)
}

func (s *store) give(bytes int) {
	s.held -= int64(bytes)
	s.budget.Give(int64(bytes))
}

// Allocate is of memory.Allocator.
func (s *store) Allocate(size int) []byte {
	s.take(size)
	return s.GoAllocator.Allocate(size)
}

// Reallocate is of memory.Allocator.
func (s *store) Reallocate(size int, b []byte) []byte {
	had := len(b)
	if size > had {
		s.take(size - had)
	}
	b = s.GoAllocator.Reallocate(size, b)
	if size < had {
		s.give(had - size)
	}
	return b
}

// Free is of memory.Allocator.
func (s *store) Free(b []byte) { s.give(len(b)) }

// close lets go of what is still held, be it that a reader failed to.
func (s *store) close() {
	s.budget.Give(s.held)
	s.held = 0
}
