package journal

import (
	"errors"
	"io/fs"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

const (
	// retryAfter is when a full journal may have room again.
	retryAfter = time.Second
	// retryInterval bounds how often a failing disk is tried.
	retryInterval = 250 * time.Millisecond
	// scratchBytes is up to where one write, with the body copied behind its header, is no slower
	// than two: faster below 16 KiB, equal beyond.
	scratchBytes = 64 << 10
)

// Append writes a record of so many items, which are only counted for those who may miss it, and
// gives its position. The body is not kept. It fails with
// fault.Overloaded when the journal is full, for now; with fault.TooLarge when the record can
// never be taken; with fault.IO when the disk fails. Nothing of a record that failed counts,
// but its position may be skipped. The record is durable when Wait says so.
func (j *Journal) Append(signal otlp.Signal, items int, body []byte) (uint64, error) {
	if err := j.check(signal, body); err != nil {
		return 0, err
	}
	head := recordHead{length: int64(len(body)), signal: signal, sum: checksum(body), items: items}
	position, err := j.append(head, body)
	if err != nil && fault.KindOf(err) == fault.Overloaded && j.cut(0) {
		j.reap()
		position, err = j.append(head, body)
	}
	return position, err
}

func (j *Journal) check(signal otlp.Signal, body []byte) error {
	if signal >= otlp.Count {
		return fault.New(fault.Invalid, "append to the journal", "unknown signal %d", signal)
	}
	if most := min(MaxRecord, (j.config.MaxBytes-headerSize)&^(alignment-1)-recordSize(0)); int64(len(body)) > most {
		return fault.New(fault.TooLarge, "append to the journal", "%d bytes: at most %d can be taken", len(body), most)
	}
	return nil
}

func (j *Journal) append(head recordHead, body []byte) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, &fault.Error{Kind: fault.Closed, Op: "append to the journal", Err: errClosed}
	}
	size := recordSize(head.length)
	if err := j.readyLocked(size); err != nil {
		return 0, err
	}
	s := j.active
	head.position = j.next.Add(1) - 1
	if err := j.writeLocked(s, head, body); err != nil {
		j.grownLocked(s, s.end+size)
		j.abandonLocked(s)
		return 0, j.failedLocked(&fault.Error{Kind: fault.IO, Op: "append to the journal", Err: err})
	}
	s.last, s.end = head.position, s.end+size
	j.grownLocked(s, s.end)
	j.stats.Records++
	j.stats.Bytes += uint64(head.length)
	one := Tally{1, uint64(head.items), uint64(head.length)}
	s.tally[head.signal] = s.tally[head.signal].Plus(one)
	j.totals[head.signal] = j.totals[head.signal].Plus(one)
	if !j.config.Sync {
		j.wakeLocked(head.signal)
	}
	j.lacking = 0
	if j.writing.end() {
		j.log.Info("appending to the journal goes on")
	}
	return head.position, nil
}

// readyLocked leaves an active segment that has room for that many bytes.
func (j *Journal) readyLocked(need int64) error {
	if err := j.pausedLocked(); err != nil {
		return err
	}
	s := j.active
	roll := s == nil || s.last != 0 && s.end+need > j.config.SegmentBytes
	if !j.roomLocked(roll, need) {
		j.lacking = need + headerSize
		return j.fullLocked()
	}
	if !roll {
		return nil
	}
	if s != nil {
		if s.rest > j.config.SegmentBytes/wasteShare {
			j.trimLocked(s)
		}
		j.sealLocked(s)
	}
	return j.beginLocked(need)
}

func (j *Journal) fullLocked() error {
	j.stats.Refused++
	full := fault.New(fault.Overloaded, "append to the journal", "it holds %d of %d bytes", j.size.Load(), j.config.MaxBytes)
	full.RetryAfter = retryAfter
	return full
}

// pausedLocked is the last error until it is time to try again.
func (j *Journal) pausedLocked() error {
	if j.retryAt.IsZero() || !time.Now().Before(j.retryAt) {
		return nil
	}
	err := j.writing.err
	if err == nil {
		err = j.syncing.err
	}
	if err != nil {
		j.stats.Failed++
	}
	return err
}

// beginLocked makes a new active segment that has room for that many bytes.
func (j *Journal) beginLocked(need int64) error {
	h := segmentHeader{first: j.next.Load(), prevSalt: j.tail.salt, prevEnd: j.tail.end}
	if j.reuseLocked(h) {
		return nil
	}
	if !j.roomLocked(true, need) {
		return j.fullLocked()
	}
	h.salt = newSalt()
	s, err := createSegment(j.disk, j.dir, j.config.FileMode, h)
	if errors.Is(err, fs.ErrNotExist) {
		if err = j.remakeLocked(); err == nil {
			s, err = createSegment(j.disk, j.dir, j.config.FileMode, h)
		}
	}
	if err != nil {
		return j.failedLocked(&fault.Error{Kind: fault.IO, Op: "begin a journal segment", Err: err})
	}
	s.before = j.totals
	j.active, j.segments = s, append(j.segments, s)
	j.size.Add(s.disk)
	return nil
}

// writeLocked puts a record at the end of a segment, from its first byte to its last: so the mark
// is there only if all is. It is one write where copying is cheaper than more of them.
func (j *Journal) writeLocked(s *segment, head recordHead, body []byte) error {
	size := recordSize(head.length)
	if m := j.spaceLocked(head.signal, size); m != nil {
		b := m.buf[m.used:][:size]
		compose(b, head, s.salt, body)
		if _, err := s.file.WriteAt(b, s.end); err != nil {
			m.Release()
			return err
		}
		j.rememberLocked(s, head, m)
		return nil
	}
	copied := body
	if len(body) > scratchBytes {
		copied = nil
	}
	begin := recordHeader + len(copied)
	need := begin + int(align(head.length)-head.length) + markSize
	if cap(j.scratch) < need {
		j.scratch = make([]byte, max(need, min(2*need, int(recordSize(scratchBytes)))))
	}
	b := j.scratch[:need]
	compose(b, head, s.salt, copied)
	if len(copied) == len(body) {
		_, err := s.file.WriteAt(b, s.end)
		return err
	}
	at := s.end
	for _, part := range [][]byte{b[:begin], body, b[begin:]} {
		if _, err := s.file.WriteAt(part, at); err != nil {
			return err
		}
		at += int64(len(part))
	}
	return nil
}

// compose makes a record in b, with or without its body.
func compose(b []byte, head recordHead, salt uint64, body []byte) {
	head.put(b, salt)
	copy(b[recordHeader:], body)
	putMark(b[recordHeader+len(body):], salt)
}

// grownLocked counts what a segment takes; of a write that failed all may be there.
func (j *Journal) grownLocked(s *segment, size int64) {
	if grown := size - s.disk; grown > 0 {
		j.size.Add(grown)
		s.disk = size
		over := min(grown, s.rest)
		s.rest -= over
		j.spare -= over
	}
}

// failedLocked counts an append that an error ended, and puts off the next try.
func (j *Journal) failedLocked(err *fault.Error) error {
	j.stats.Failed++
	j.retryAt = time.Now().Add(retryInterval)
	if j.writing.begin(err) {
		j.log.Error("appending to the journal fails; it is tried again", "error", err)
	}
	return err
}

// sealLocked ends appends to a segment.
func (j *Journal) sealLocked(s *segment) {
	s.sealed = true
	j.tail = tail{s.salt, s.goodEnd()}
	if j.active == s {
		j.active = nil
	}
	j.closeSealedLocked(s)
}

// abandonLocked is sealLocked after an error. A segment without records is not kept: a full
// disk would gather one each time that it is tried.
func (j *Journal) abandonLocked(s *segment) {
	s.spoiled = true
	if s.last != 0 {
		j.sealLocked(s)
		return
	}
	_ = s.closeFile() // it holds nothing
	if err := removeFile(j.disk, s.path); err != nil {
		j.sealLocked(s) // Release tries again
		return
	}
	j.active, j.segments = nil, j.segments[:len(j.segments)-1]
	j.size.Add(-s.disk)
	j.spare -= s.rest
}

// closeSealedLocked closes a file as soon as nothing is written or synced in it any more.
func (j *Journal) closeSealedLocked(s *segment) {
	if !s.sealed || s.pinned || j.config.Sync && s.pending() {
		return
	}
	if err := s.closeFile(); err != nil {
		j.log.Warn("a journal segment could not be closed", "path", s.path, "error", err)
	}
}
