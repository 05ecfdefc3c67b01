package journal

import (
	"cmp"
	"encoding/binary"
	"io"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Record is one Export request.
type Record struct {
	Position uint64
	Signal   otlp.Signal
	Body     []byte  // good until the next call
	Items    int     // what is in it, if a Tail gives it
	Memory   *Memory // who holds it has the body for longer; nil: nobody can
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
//
// Without an end, the file's former life may begin anywhere below former, also within a record:
// an append writes from the first byte of a record to its mark, and may have been killed.
type scanner struct {
	window
	name   string
	salt   uint64
	offset int64
	end    int64
	former int64                 // see segmentHeader
	skip   func(recordHead) bool // what need not be read, nil for nothing
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
		head, ok, err := s.headAt(s.offset)
		if err != nil {
			return Record{}, err
		}
		if !ok {
			if err := s.resync(); err != nil {
				return Record{}, err
			}
			continue
		}
		if s.offset+recordHeader+head.length > s.limit() {
			s.cut()
			return Record{}, io.EOF
		}
		if s.skip != nil && s.skip(head) {
			s.offset += recordSize(head.length)
			continue
		}
		body, err := s.view(s.offset+recordHeader, head.length)
		if err != nil {
			return Record{}, err
		}
		reason := objection(head, body, last)
		if reason == "" {
			s.offset += recordSize(head.length)
			return Record{Position: head.position, Signal: head.signal, Body: body}, nil
		}
		if err := s.reject(head, reason); err != nil {
			return Record{}, err
		}
	}
}

// reject passes over a record with a sound header, or ends the segment with io.EOF.
func (s *scanner) reject(head recordHead, reason string) error {
	after := s.offset + recordSize(head.length)
	found, err := s.search(after)
	if err != nil {
		return err
	}
	if reason == reasonBody && s.end < 0 && !found.any() {
		if begun, err := s.unfinished(after); begun || err != nil {
			s.offset = s.limit()
			return cmp.Or(err, io.EOF)
		}
	}
	s.damaged(s.offset, min(after, s.limit())-s.offset, reason, found.record < 0)
	s.offset = after
	return nil
}

// unfinished tells whether a record's end was never written: its mark is not there, but what may be
// of the file's former life.
func (s *scanner) unfinished(after int64) (bool, error) {
	if after > s.size {
		return true, nil // the file ends within it: the former life's end was in its mark
	}
	if after > s.former {
		return false, nil
	}
	b, err := s.view(after-markSize, markSize)
	return err == nil && binary.LittleEndian.Uint64(b) != ^s.salt, err
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
	case checksum(body) != head.sum:
		return reasonBody
	case head.position <= last:
		return reasonOrder
	case head.signal >= otlp.Count:
		return reasonSignal
	}
	return ""
}

// resync goes on at the next sound header, or ends the segment with io.EOF.
func (s *scanner) resync() error {
	found, err := s.search(s.offset)
	if err != nil {
		return err
	}
	if found.record < 0 {
		return s.finish(found.mark)
	}
	s.damaged(s.offset, found.record-s.offset, reasonHeader, false)
	s.offset = found.record
	return nil
}

// findings are what a search came upon.
type findings struct {
	record int64 // where the first sound header is, -1 for none
	mark   int64 // where the last mark before that ends, 0 for none
}

func (f findings) any() bool { return f.record >= 0 || f.mark > 0 }

// search looks for the next sound header from an offset on.
func (s *scanner) search(from int64) (findings, error) {
	found := findings{record: -1}
	for from+markSize <= s.limit() && found.record < 0 {
		b, err := s.view(from, min(windowBytes, s.limit()-from))
		if err != nil {
			return found, err
		}
		from += seek(b, from, s.salt, &found)
	}
	return found, nil
}

// seek searches b, which is at an offset, and tells how much of it need not be looked at again: a
// header may begin in what is left.
func seek(b []byte, at int64, salt uint64, found *findings) int64 {
	whole := len(b) - recordHeader
	if len(b) < windowBytes { // the last
		whole = len(b) - markSize
	}
	i := 0
	for ; i <= whole; i += alignment {
		switch binary.LittleEndian.Uint64(b[i:]) {
		case ^salt:
			found.mark = at + int64(i) + markSize
		case salt:
			if _, ok := decodeRecord(b[i:], salt); ok {
				found.record = at + int64(i)
				return int64(i)
			}
		}
	}
	return int64(i)
}

// finish judges what is left when no record follows, but perhaps the mark of one.
func (s *scanner) finish(mark int64) error {
	at := s.offset
	switch {
	case s.end > s.size:
		s.cut()
	case at < s.end:
		s.damaged(at, s.end-at, reasonHeader, false)
	case s.end < 0:
		return s.last(mark)
	}
	s.offset = s.limit()
	return io.EOF
}

// last judges the rest of a segment that no other follows. Up to a mark all was written. Beyond it
// there may be a header that was not written to its end, and the file's former life.
func (s *scanner) last(mark int64) error {
	at := max(s.offset, mark)
	from := max(at, s.former)
	empty := at+recordHeader > s.size
	if !empty {
		var err error
		if empty, err = s.zeros(from); err != nil {
			return err
		}
	}
	if mark > 0 {
		s.damaged(s.offset, mark-s.offset, reasonHeader, true)
	}
	if !empty {
		s.damaged(from, s.size-from, reasonHeader, true)
	}
	s.offset = s.limit()
	return io.EOF
}

// cut is for a record that the segment ends in: an append that did not finish, unless the
// next segment knows better.
func (s *scanner) cut() {
	if s.offset < s.end {
		s.damaged(s.offset, s.end-s.offset, reasonCut, false)
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

// damaged reports; last: no record follows.
func (s *scanner) damaged(at, size int64, reason string, last bool) {
	s.report(Damage{Segment: s.name, Offset: at, Bytes: size, Reason: reason, Tail: s.end < 0 && last})
}
