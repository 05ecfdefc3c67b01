package journal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Group commit. Who waits joins a round; the committer syncs once for all of a round.
//
//	Append 7   Append 8   Append 9       a round covers what was appended when it took off:
//	   │          │          │           who comes later, but within that, still joins it
//	  Wait       Wait       Wait
//	   └────┬─────┘          │           all who wait share one channel, so nothing grows
//	     flying            coming        with their number
//	     sync ─> verdicts    │
//	             close(done) └> becomes flying
//
// Before Wait returns, the verdict is looked up with the segment that holds the record: a sync
// that failed stays the answer for it, whatever syncs come later.

// round is one sync for many.
type round struct {
	upTo uint64 // the last position that it covers, once it flies
	done chan struct{}
}

func newRound() *round { return &round{done: make(chan struct{})} }

// errLost is for positions whose segment is gone.
var errLost = errors.New("the record may not have become durable")

// Wait returns when the record at a position, given by Append, is durable: without Config.Sync
// at once. It fails with fault.IO when the record may be lost, and then it does so each time;
// with fault.Timeout when ctx ends first, which says nothing about the record.
func (j *Journal) Wait(ctx context.Context, position uint64) error {
	if !j.config.Sync {
		return nil
	}
	for {
		r, err := j.join(position)
		if r == nil {
			return err
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return &fault.Error{Kind: fault.Timeout, Op: "wait for the journal", Err: context.Cause(ctx)}
		}
	}
}

// join is the verdict on a position, or the round to wait for.
func (j *Journal) join(position uint64) (*round, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	decided, err := j.verdictLocked(position)
	if decided {
		return nil, err
	}
	if j.flying != nil && position <= j.flying.upTo {
		return j.flying, nil
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return j.coming, nil
}

func (j *Journal) verdictLocked(position uint64) (decided bool, err error) {
	s := j.segmentLocked(position)
	switch {
	case s == nil && position != 0 && position < j.released && position > j.lost:
		return true, nil // its followers have it
	case s == nil:
		return true, &fault.Error{Kind: fault.IO, Op: "wait for the journal", Err: errLost}
	case position <= s.synced:
		return true, nil
	case s.failed != nil:
		return true, s.failed
	}
	return false, nil
}

// segmentLocked is the segment that holds a position; who waits asks for new ones.
func (j *Journal) segmentLocked(position uint64) *segment {
	for i := len(j.segments) - 1; i >= 0; i-- {
		if j.segments[i].holds(position) {
			return j.segments[i]
		}
	}
	return nil
}

// commitLoop is the committer. The last round is for those who wait when the journal closes.
func (j *Journal) commitLoop() {
	defer close(j.done)
	for {
		select {
		case <-j.wake:
			j.commit()
		case <-j.quit:
			j.commit()
			return
		}
	}
}

// goal is what the sync of a segment will have made durable.
type goal struct {
	*segment
	position uint64
	end      int64
	named    bool
	took     time.Duration
	err      error
}

func (j *Journal) commit() {
	goals, spares := j.takeOff()
	unnamed := false
	for i := range goals {
		g := &goals[i]
		begin := time.Now()
		g.err = g.file.Sync()
		g.took = time.Since(begin)
		unnamed = unnamed || !g.named
	}
	var named error
	if unnamed {
		named = j.nameAll(goals)
	} else {
		spares = nil
	}
	j.land(goals)
	j.settleSpares(spares, named)
	j.reap()
}

// takeOff makes the coming round fly. It notes how far each segment goes before any is synced:
// what is appended from now on waits for the next round.
func (j *Journal) takeOff() ([]goal, []*spare) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flying, j.coming = j.coming, newRound()
	j.flying.upTo = j.next.Load() - 1
	var goals []goal
	for _, s := range j.segments {
		if s.pending() {
			s.pinned = true
			goals = append(goals, goal{segment: s, position: s.last, end: s.end, named: s.named})
		}
	}
	return goals, slices.Clone(j.spares)
}

// nameAll makes the names of new segments durable, and that spares have lost theirs.
func (j *Journal) nameAll(goals []goal) error {
	err := j.disk.SyncDir(j.dir)
	for i := range goals {
		if g := &goals[i]; !g.named {
			g.err = errors.Join(g.err, err)
		}
	}
	return err
}

// land notes the verdicts and wakes who waits for them.
func (j *Journal) land(goals []goal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, g := range goals {
		j.settleLocked(g)
	}
	for _, s := range otlp.Signals {
		j.wakeLocked(s)
	}
	close(j.flying.done)
	j.flying = nil
}

func (j *Journal) settleLocked(g goal) {
	s := g.segment
	s.pinned = false
	j.stats.Syncs++
	j.stats.SyncTime += g.took
	j.stats.LastSync = g.took
	j.syncSeconds.Observe(g.took.Seconds())
	if g.err != nil {
		j.stats.SyncFailed++
		j.unsyncedLocked(s, &fault.Error{Kind: fault.IO, Op: "sync the journal", Err: g.err})
		return
	}
	s.synced, s.syncedEnd, s.named = g.position, g.end, true
	j.closeSealedLocked(s)
	if j.syncing.end() {
		j.log.Info("syncing the journal goes on")
	}
}

// unsyncedLocked gives a segment up: a later sync of it would prove nothing.
func (j *Journal) unsyncedLocked(s *segment, err error) {
	if j.syncing.begin(err) {
		j.log.Error("syncing the journal fails; a new segment is tried", "error", err)
	}
	s.failed = err
	j.lost = max(j.lost, s.last)
	j.retryAt = time.Now().Add(retryInterval)
	if j.active == s {
		j.sealLocked(s)
	}
	if j.tail.salt == s.salt {
		j.tail.end = s.goodEnd()
	}
	j.closeSealedLocked(s)
}
