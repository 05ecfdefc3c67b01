package journal

import (
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// What Release lets go is kept while a Tail wants it, and only as long as no append needs the room:
//
//	segments ── released, wanted ──> kept ── no Tail wants it ──> removed, or a spare
//	                                  └───── room is needed ────> removed: the Tails count what they lost
//
// So it counts with the spares, as bytes that hold nothing, and never makes the journal full.

// KeptBytes is what only Tails hold.
func (j *Journal) KeptBytes() (bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.kept {
		bytes += s.disk
	}
	return bytes
}

// wantedLocked is the lowest position that a Tail is not done with.
func (j *Journal) wantedLocked() uint64 {
	low := uint64(math.MaxUint64)
	for _, t := range j.tails {
		low = min(low, t.done)
	}
	return low
}

// keep puts the oldest released segment aside if it is wanted.
func (j *Journal) keep(s *segment) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) == 0 || j.segments[0] != s || s.last < j.wantedLocked() {
		return false
	}
	j.segments[0] = nil
	j.segments = j.segments[1:]
	j.kept = append(j.kept, s)
	j.size.Add(-s.disk)
	j.spare += s.disk
	return true
}

// forsakeLocked removes the oldest segment that only Tails want.
func (j *Journal) forsakeLocked() bool {
	if len(j.kept) == 0 || removeFile(j.disk, j.kept[0].path) != nil {
		return false
	}
	j.unkeepLocked()
	return true
}

func (j *Journal) unkeepLocked() {
	s := j.kept[0]
	j.kept[0] = nil
	j.kept = j.kept[1:]
	j.spare -= s.disk + s.rest
}

// bySaltLocked is a segment that is still there, kept or not.
func (j *Journal) bySaltLocked(salt uint64) *segment {
	for _, list := range [2][]*segment{j.kept, j.segments} {
		for _, s := range list {
			if s.salt == salt {
				return s
			}
		}
	}
	return nil
}

// followingLocked is the first segment that begins above a position and has records of a signal.
func (j *Journal) followingLocked(first uint64, signal otlp.Signal) *segment {
	for _, list := range [2][]*segment{j.kept, j.segments} {
		for _, s := range list {
			if s.first > first && s.tally[signal].Requests > 0 {
				return s
			}
		}
	}
	return nil
}

// durableLocked is how far a Tail may read a segment.
func (j *Journal) durableLocked(s *segment) int64 {
	if j.config.Sync {
		return s.syncedEnd
	}
	return s.end
}

// wakeLocked tells the Tails of a signal that there is more.
func (j *Journal) wakeLocked(signal otlp.Signal) {
	for _, t := range j.tails {
		if t.signal == signal {
			select {
			case t.wake <- struct{}{}:
			default:
			}
		}
	}
}
