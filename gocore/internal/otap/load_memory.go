package otap

import (
	"unsafe"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// Budget is what a Consumer's memory is paid from. It may be shared.
type Budget interface {
	// Take holds so many bytes, or says why they can't be had.
	Take(bytes int64) error
	// Give lets go of bytes that Take gave.
	Give(bytes int64)
}

// free is a Budget without an end.
type free struct{}

func (free) Take(int64) error { return nil }
func (free) Give(int64)       {}

// store is the Budget of one stream's records: its schemas and dictionaries, and the inflated
// buffers of the batch in work.
type store struct {
	limit  int64
	held   int64
	budget Budget
}

var _ Budget = (*store)(nil)

// Take is of Budget.
func (s *store) Take(bytes int64) error {
	if bytes < 0 || bytes > s.limit-s.held {
		return fault.New(fault.TooLarge, op, "the stream would hold more than %d bytes, the most allowed", s.limit)
	}
	if err := s.budget.Take(bytes); err != nil {
		return err
	}
	s.held += bytes
	return nil
}

// Give is of Budget.
func (s *store) Give(bytes int64) {
	s.held -= bytes
	s.budget.Give(bytes)
}

// keepBytes is the largest buffer that is kept from batch to batch.
const keepBytes = 1 << 20

// slab gives room for the values of one batch, all of which it takes back at once.
type slab[T byte | uint64] struct {
	budget Budget
	stream *store // where it is the budget
	room   []T
	used   int
	total  int // given since the last reset
	first  int // what the batch before took
	held   int64
}

// leastSlab is how many bytes a slab takes at once.
const leastSlab = 16 << 10

func (s *slab[T]) size() int64 { return int64(unsafe.Sizeof(*new(T))) }

// take gives room for n values, with anything in it.
func (s *slab[T]) take(n int) ([]T, error) {
	if n > len(s.room)-s.used {
		if err := s.grow(n); err != nil {
			return nil, err
		}
	}
	part := s.room[s.used : s.used+n : s.used+n]
	s.used += n
	s.total += n
	return part, nil
}

// grow asks once, for more than n where the stream may have more: a budget that is shared counts
// whom it had to refuse.
func (s *slab[T]) grow(n int) error {
	size := max(n, 2*len(s.room), s.first, leastSlab/int(s.size()))
	if s.stream != nil {
		size = max(n, min(size, int((s.stream.limit-s.stream.held)/s.size())))
	}
	if err := s.budget.Take(int64(size) * s.size()); err != nil {
		return err
	}
	s.held += int64(size) * s.size()
	s.room, s.used = make([]T, size), 0
	return nil
}

// expect has a slab without room take so many values at once.
func (s *slab[T]) expect(n int64) {
	if len(s.room) == 0 {
		s.first = max(s.first, int(min(n, keepBytes/s.size())))
	}
}

// reset takes all back, and keeps so many bytes at most.
func (s *slab[T]) reset(keep int) {
	s.first = min(s.total, keep/int(s.size()))
	if s.total > len(s.room) || len(s.room)*int(s.size()) > keep { // one for all the next time
		s.room = nil
	}
	s.used, s.total = 0, 0
	if left := int64(len(s.room)) * s.size(); left < s.held {
		s.budget.Give(s.held - left)
		s.held = left
	}
}
