package otlpjson

import (
	"encoding/binary"
	"unsafe"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// A nested message's length stands before its body but is known only after it. Shifting
// each body when it ends would move a deep leaf once per level; so one byte is reserved,
// and where the length needs more, that is noted and made good for all in one pass:
//
//	written   tag  n  body...             n: one reserved byte
//	finished  tag  n n n  body...         bodies moved once, from the last to the first
//
// Room for what is written is made beforehand, and never by append, so that all of it is
// within the allowance.
type splicer struct {
	out       []byte
	begun     int   // where the message begins in out
	gaps      []gap // in the order in which bodies ended
	extra     int   // bytes that all gaps together add
	allowance Allowance
}

// Allowance bounds the memory of a call; the zero Allowance does not.
type Allowance struct {
	// Limit is the largest message, 0 for any; a larger one is a fault.TooLarge.
	Limit int64
	// Take is asked before so many bytes are allocated. Its error ends the call, as it is.
	Take func(bytes int64) error
}

func (a Allowance) take(bytes int) error {
	if a.Take == nil {
		return nil
	}
	return a.Take(int64(bytes))
}

// scalarRoom holds any tag with a length or a number behind it.
const scalarRoom = 32

// room makes it possible to append n bytes, of which up to scalarRoom may be guessed.
func (s *splicer) room(n int) error {
	if cap(s.out)-len(s.out) >= n {
		return nil
	}
	capacity := max(2*cap(s.out), len(s.out)+n)
	if limit := s.allowance.Limit; limit > 0 {
		most := int64(s.begun) + limit + scalarRoom
		if int64(len(s.out)+n+s.extra) > most {
			return s.tooLarge()
		}
		capacity = int(min(int64(capacity), most))
	}
	return s.move(capacity)
}

// move takes the message to a larger buffer.
func (s *splicer) move(capacity int) error {
	if err := s.allowance.take(capacity); err != nil {
		return err
	}
	s.out = append(make([]byte, 0, capacity), s.out...)
	return nil
}

func (s *splicer) tooLarge() error {
	return fault.New(fault.TooLarge, "decode JSON", "the message is larger than %d bytes as protobuf", s.allowance.Limit)
}

// gap is a length that does not fit its reserved byte.
type gap struct{ at, length int }

// mark is where a body began.
type mark struct{ at, extra int }

// begin reserves the length of a body, for which there is room.
func (s *splicer) begin() mark {
	s.out = append(s.out, 0)
	return mark{len(s.out) - 1, s.extra}
}

// end notes the length of the body that began at m, longer lengths inside it included.
func (s *splicer) end(m mark) error {
	length := len(s.out) - m.at - 1 + s.extra - m.extra
	if length < 0x80 {
		s.out[m.at] = byte(length)
		return nil
	}
	if len(s.gaps) == cap(s.gaps) {
		if err := s.moveGaps(); err != nil {
			return err
		}
	}
	s.gaps = append(s.gaps, gap{m.at, length})
	s.extra += varintSize(length) - 1
	return nil
}

func (s *splicer) moveGaps() error {
	capacity := max(64, 2*cap(s.gaps))
	if err := s.allowance.take(capacity * int(unsafe.Sizeof(gap{}))); err != nil {
		return err
	}
	s.gaps = append(make([]gap, 0, capacity), s.gaps...)
	return nil
}

func varintSize(v int) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// finish widens all gaps, the last in the buffer first. Read backwards, the gaps come
// with each parent before its children and the last child first; a parent waits on a
// stack, as high as messages nest, until nothing inside it is left.
func (s *splicer) finish() ([]byte, error) {
	read, write := len(s.out), len(s.out)+s.extra
	if limit := s.allowance.Limit; limit > 0 && int64(write-s.begun) > limit {
		return nil, s.tooLarge()
	}
	if write > cap(s.out) {
		if err := s.move(write); err != nil {
			return nil, err
		}
	}
	s.out = s.out[:write]
	var open []gap
	widen := func(g gap) {
		write -= copy(s.out[write-(read-g.at-1):write], s.out[g.at+1:read])
		write -= varintSize(g.length)
		binary.PutUvarint(s.out[write:], uint64(g.length))
		read = g.at
	}
	for i := len(s.gaps) - 1; i >= 0; i-- {
		for len(open) > 0 && open[len(open)-1].at > s.gaps[i].at {
			widen(open[len(open)-1])
			open = open[:len(open)-1]
		}
		open = append(open, s.gaps[i])
	}
	for i := len(open) - 1; i >= 0; i-- {
		widen(open[i])
	}
	return s.out, nil
}
