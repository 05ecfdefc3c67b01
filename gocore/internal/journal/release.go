package journal

// cutBytes is from where an entirely released segment is ended early, so that an idle journal
// shrinks and a busy one does not begin a segment for every few records.
const cutBytes = 64 << 10

// Release tells that everything below a position may go. Whole segments go, oldest first. It
// also looks whether the active one is still in its place.
func (j *Journal) Release(below uint64) {
	j.mu.Lock()
	j.released = max(j.released, min(below, j.next.Load()))
	j.missLocked()
	j.mu.Unlock()
	j.cut(min(cutBytes, j.config.SegmentBytes/2))
	j.reap()
}

// cut ends the active segment if it is entirely released and at least this long.
func (j *Journal) cut(least int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.active
	if s == nil || s.last == 0 || s.last >= j.released || s.end < least {
		return false
	}
	j.sealLocked(s)
	return true
}

// reap removes the segments that may go, or keeps their files for others. After an error the next call tries again: a gap
// among the segments would look like a loss to a reader.
func (j *Journal) reap() {
	j.reaping.Lock()
	defer j.reaping.Unlock()
	for s := j.oldestReleased(); s != nil; s = j.oldestReleased() {
		if err := j.retire(s); err != nil {
			if j.removal.begin(err) {
				j.log.Error("a released journal segment cannot be removed; it is tried again", "error", err)
			}
			return
		}
		if j.removal.end() {
			j.log.Info("removing journal segments goes on")
		}
	}
}

// retire takes a segment's name from it, so that nobody reads it again.
func (j *Journal) retire(s *segment) error {
	if j.keep(s) {
		return nil
	}
	if j.keeps(s) {
		path := sparePath(s.path)
		if j.disk.Rename(s.path, path) == nil {
			j.drop(s, &spare{path: path, size: s.disk + s.rest, settled: !j.config.Sync})
			return nil
		}
	}
	if err := removeFile(j.disk, s.path); err != nil {
		return err
	}
	j.drop(s, nil)
	return nil
}

// oldestReleased is the oldest segment if it may go, closed. Of those that Tails want it may go
// among the kept, unless it is there already. Once the journal is closed it is
// its next reader's.
func (j *Journal) oldestReleased() *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	if len(j.kept) > 0 && j.kept[0].last < j.wantedLocked() {
		return j.kept[0]
	}
	if len(j.segments) == 0 {
		return nil
	}
	s := j.segments[0]
	if !s.sealed || s.pinned || s.last >= j.released {
		return nil
	}
	if s.failed == nil {
		s.synced = s.last // its followers have it: who waits need not wait on
	}
	_ = s.closeFile() // it is about to be removed
	return s
}

// drop forgets a segment that was removed or became a spare.
func (j *Journal) drop(s *segment, kept *spare) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case len(j.kept) > 0 && j.kept[0] == s:
		j.unkeepLocked()
	case len(j.segments) > 0 && j.segments[0] == s:
		j.segments[0] = nil
		j.segments = j.segments[1:]
		j.size.Add(-s.disk)
		j.spare -= s.rest
	}
	if kept != nil {
		j.spares = append(j.spares, kept)
		j.spare += kept.size
	}
}
