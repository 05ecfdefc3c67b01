package otlpjson

import "encoding/binary"

// A nested message's length stands before its body but is known only after it. Shifting
// each body when it ends would move a deep leaf once per level; so one byte is reserved,
// and where the length needs more, that is noted and made good for all in one pass:
//
//	written   tag  n  body...             n: one reserved byte
//	finished  tag  n n n  body...         bodies moved once, from the last to the first
type splicer struct {
	out   []byte
	gaps  []gap // in the order in which bodies ended
	extra int   // bytes that all gaps together add
}

// gap is a length that does not fit its reserved byte.
type gap struct{ at, length int }

// mark is where a body began.
type mark struct{ at, extra int }

// begin reserves the length of a body.
func (s *splicer) begin() mark {
	s.out = append(s.out, 0)
	return mark{len(s.out) - 1, s.extra}
}

// end notes the length of the body that began at m, longer lengths inside it included.
func (s *splicer) end(m mark) {
	length := len(s.out) - m.at - 1 + s.extra - m.extra
	if length < 0x80 {
		s.out[m.at] = byte(length)
		return
	}
	s.gaps = append(s.gaps, gap{m.at, length})
	s.extra += varintSize(length) - 1
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
func (s *splicer) finish() []byte {
	read := len(s.out)
	s.out = append(s.out, make([]byte, s.extra)...)
	write := len(s.out)
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
	return s.out
}
