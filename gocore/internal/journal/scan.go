package journal

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Record is one Export request.
type Record struct {
	Position uint64
	Signal   otlp.Signal
	Body     []byte // good until the next call
}

// Damage is a part of a journal that no record could be read from.
type Damage struct {
	Segment string // its file name
	Offset  int64
	Bytes   int64
	Reason  string
	// Tail: it is at the end of the last segment, where a loss of power leaves what was never
	// durable in any state.
	Tail bool
}

// Reasons of Damage.
const (
	reasonHeader   = "no record begins here"
	reasonBody     = "a body's checksum differs"
	reasonOrder    = "a position comes again"
	reasonSignal   = "an unknown signal"
	reasonCut      = "the segment is cut short"
	reasonSegment  = "the segment header is damaged"
	reasonNameless = "the segment header is damaged, and its name does not help"
	reasonMissing  = "the segment before this one is missing"
)

// scanner reads the records of a segment and passes over what is damaged.
//
//	0      64       offset                    end        size
//	├──────┼──────────┼────────────────────────┼───────────┤
//	│header│ was read │ records, damage        │ not asked │   end: as the next segment tells,
//	└──────┴──────────┴────────────────────────┴───────────┘   -1 when there is none
type scanner struct {
	window
	name   string
	salt   uint64
	offset int64
	end    int64
	report func(Damage)
}

// limit is where reading ends.
func (s *scanner) limit() int64 {
	if s.end >= 0 {
		return min(s.end, s.size)
	}
	return s.size
}

// next is the next record with a position above last, or io.EOF. After another error it may
// be called again.
func (s *scanner) next(last uint64) (Record, error) {
	for {
		at := align(s.offset)
		head, ok, err := s.headAt(at)
		if err != nil {
			return Record{}, err
		}
		if !ok {
			if err := s.resync(at); err != nil {
				return Record{}, err
			}
			continue
		}
		size := recordHeader + head.length
		if at+size > s.limit() {
			s.cut(at)
			return Record{}, io.EOF
		}
		body, err := s.view(at+recordHeader, head.length)
		if err != nil {
			return Record{}, err
		}
		s.offset = at + size
		reason := objection(head, body, last)
		if reason == "" {
			return Record{Position: head.position, Signal: head.signal, Body: body}, nil
		}
		s.damaged(at, size, reason)
	}
}

// headAt is the record header at an offset, if there is a sound one.
func (s *scanner) headAt(at int64) (recordHead, bool, error) {
	if at+recordHeader > s.limit() {
		return recordHead{}, false, nil
	}
	b, err := s.view(at, recordHeader)
	if err != nil {
		return recordHead{}, false, err
	}
	head, ok := decodeRecord(b, s.salt)
	return head, ok, nil
}

// objection says why a record whose header is sound is not read; "" when it is.
func objection(head recordHead, body []byte, last uint64) string {
	switch {
	case crc32.Checksum(body, castagnoli) != head.sum:
		return reasonBody
	case head.position <= last:
		return reasonOrder
	case head.signal >= otlp.Count:
		return reasonSignal
	}
	return ""
}

// resync goes on at the next sound header, or ends the segment with io.EOF.
func (s *scanner) resync(at int64) error {
	for from := at; from+recordHeader <= s.limit(); {
		b, err := s.view(from, min(windowBytes, s.limit()-from))
		if err != nil {
			return err
		}
		skip := seek(b, s.salt)
		from += skip
		if skip+recordHeader <= int64(len(b)) {
			s.damaged(at, from-at, reasonHeader)
			s.offset = from
			return nil
		}
	}
	return s.finish(at)
}

// seek is the offset of the first sound header in b, or from where to look on.
func seek(b []byte, salt uint64) int64 {
	i := 0
	for ; i+recordHeader <= len(b); i += alignment {
		if binary.LittleEndian.Uint64(b[i:]) != salt {
			continue
		}
		if _, ok := decodeRecord(b[i:], salt); ok {
			break
		}
	}
	return int64(i)
}

// finish judges what is left when no record follows.
func (s *scanner) finish(at int64) error {
	switch {
	case s.end > s.size:
		s.cut(at)
	case at < s.end:
		s.damaged(at, s.end-at, reasonHeader)
	case s.end < 0 && at+recordHeader <= s.size:
		empty, err := s.zeros(at)
		if err != nil {
			return err
		}
		if !empty {
			s.damaged(at, s.size-at, reasonHeader)
		}
	}
	s.offset = s.limit()
	return io.EOF
}

// cut is for a record that the segment ends in: an append that did not finish, unless the
// next segment knows better.
func (s *scanner) cut(at int64) {
	if at < s.end {
		s.damaged(at, s.end-at, reasonCut)
	}
	s.offset = s.limit()
}

// zeros tells whether nothing was written from an offset on: a file may have become longer
// without its blocks.
func (s *scanner) zeros(at int64) (bool, error) {
	for at < s.size {
		b, err := s.view(at, min(windowBytes, s.size-at))
		if err != nil {
			return false, err
		}
		for _, c := range b {
			if c != 0 {
				return false, nil
			}
		}
		at += int64(len(b))
	}
	return true, nil
}

func (s *scanner) damaged(at, size int64, reason string) {
	tail := s.end < 0 && at+size >= s.size
	s.report(Damage{Segment: s.name, Offset: at, Bytes: size, Reason: reason, Tail: tail})
}
