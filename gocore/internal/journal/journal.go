package journal

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

var (
	errClosed = errors.New("the journal is closed")

	// ErrUnreleased is why Discard kept a journal: followers still need it.
	ErrUnreleased = errors.New("not everything was released")
)

// Journal is the log of this process.
type Journal struct {
	config Config
	disk   fsys.FS
	dir    string
	log    *slog.Logger
	next   atomic.Uint64 // written under mu only
	size   atomic.Int64  // likewise

	syncSeconds *obs.Histogram

	wake     chan struct{} // something waits for a sync
	quit     chan struct{} // closed: no more syncs but a last one
	done     chan struct{} // closed: the committer has ended
	stopping sync.Once
	stopped  error // of the last sync; set before stopping is done

	ending  sync.Mutex // one Close or Discard at a time, taken before reaping and mu
	reaping sync.Mutex // one remover at a time, taken before mu; guards removal
	removal trouble

	pools [memorySizes]sync.Pool // of *Memory

	mu       sync.Mutex // guards what follows
	lock     io.Closer  // nil once it was given back
	closed   bool
	active   *segment   // the last of segments, nil: the next append makes one
	segments []*segment // oldest first
	tail     tail
	spares   []*spare
	kept     []*segment // released, older than segments, wanted by tails
	tails    []*Tail
	totals   [otlp.Count]Tally
	followed [otlp.Count]bool // by Tails
	recent   [otlp.Count]recent
	spare    int64  // bytes on disk that hold nothing: spares, kept segments, and what a segment has not reached yet
	released uint64 // all below may go
	lost     uint64 // the last position that a failed sync took
	scratch  []byte
	writing  trouble
	syncing  trouble
	retryAt  time.Time // until then appends fail with writing's or syncing's error
	flying   *round    // being synced, nil when nothing is
	coming   *round    // the next one
	lacking  int64     // what the last refused append had needed, 0 once another went well
	stats    Stats
}

// tail is the newest segment that holds records, for the header of the next one.
type tail struct {
	salt uint64
	end  int64
}

// Stats are counts since Create, and how things stand.
type Stats struct {
	Records  uint64 // appended
	Bytes    uint64 // of their bodies
	Failed   uint64 // appends refused after an I/O error
	Refused  uint64 // appends refused because the journal was full
	Segments int    // present now
	Recycled uint64 // segments that took over a file

	Syncs      uint64 // of files
	SyncFailed uint64
	SyncTime   time.Duration // of all syncs
	LastSync   time.Duration

	Failure   error     // why nothing can be appended at present, nil when the last try went well
	LastTried time.Time // when Failure was met last
	Full      bool      // the append that was refused last would be refused again
}

// Create makes a journal in a directory that must not exist yet, and takes its lock.
func Create(disk fsys.FS, dir string, c Config, log *slog.Logger) (*Journal, error) {
	c = c.withDefaults()
	lock, err := makeDir(disk, dir, c)
	if err != nil {
		return nil, &fault.Error{Kind: fault.IO, Op: "make the journal", Field: dir, Err: err}
	}
	j := &Journal{
		config: c, disk: disk, dir: dir, log: log.With("journal", dir), lock: lock,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		coming: newRound(), released: 1, syncSeconds: obs.NewHistogram(obs.Seconds()...),
	}
	j.next.Store(1)
	if c.Sync {
		go j.commitLoop()
	} else {
		close(j.done)
	}
	return j, nil
}

// Next is the position that the next record will get.
func (j *Journal) Next() uint64 { return j.next.Load() }

// Size is the bytes that only Release gives back. What is kept on disk beyond, to be written over,
// goes when there is no room for more.
func (j *Journal) Size() int64 { return j.size.Load() }

// Capacity is the bound of Size, and of what is on disk.
func (j *Journal) Capacity() int64 { return j.config.MaxBytes }

// Stats are the counts as of now.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Segments = len(j.segments)
	s.Failure = cmp.Or(j.writing.err, j.syncing.err)
	if s.Failure != nil {
		s.LastTried = j.retryAt.Add(-retryInterval)
	}
	s.Full = j.lacking > 0 && j.obtainableLocked() < j.lacking
	return s
}

// obtainableLocked is what an append could have after it removed what was released and the spares.
func (j *Journal) obtainableLocked() int64 {
	room := j.config.MaxBytes - j.size.Load()
	for _, s := range j.segments {
		if s.last != 0 && s.last < j.released {
			room += s.disk
		}
	}
	return room
}

// SyncSeconds is how long syncs of files took.
func (j *Journal) SyncSeconds() obs.Buckets { return j.syncSeconds.Buckets() }

// Close refuses what comes from now on, syncs what was appended if Config.Sync says so, and
// lets go of the journal, which stays on disk. It may be called twice, and tells each time
// what may not be durable of the records that were not released.
func (j *Journal) Close() error {
	err := j.stop()
	j.ending.Lock()
	defer j.ending.Unlock()
	j.reaping.Lock() // what is being removed is removed before another may read
	defer j.reaping.Unlock()
	j.unlock()
	return err
}

// Discard closes the journal and removes it, or fails with ErrUnreleased and keeps it. Once
// it is closed it does nothing.
func (j *Journal) Discard() error {
	err := j.stop()
	j.ending.Lock()
	defer j.ending.Unlock()
	if !j.locked() {
		return nil
	}
	defer j.unlock()
	if !j.empty() {
		return &fault.Error{Kind: fault.Internal, Op: "discard the journal", Field: j.dir, Err: errors.Join(ErrUnreleased, err)}
	}
	j.reaping.Lock()
	defer j.reaping.Unlock()
	if err := removeDir(j.disk, j.dir); err != nil {
		return &fault.Error{Kind: fault.IO, Op: "remove the journal", Field: j.dir, Err: err}
	}
	return nil
}

// empty tells whether every record was released, and no Tail wants one.
func (j *Journal) empty() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return min(j.released, j.wantedLocked()) >= j.next.Load()
}

func (j *Journal) locked() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lock != nil
}

func (j *Journal) unlock() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lock != nil {
		_ = j.lock.Close() // an empty file
		j.lock = nil
	}
}

// stop ends appends and the committer, and closes the files.
func (j *Journal) stop() error {
	j.stopping.Do(func() {
		j.mu.Lock()
		j.closed = true
		j.mu.Unlock()
		close(j.quit)
		<-j.done
		j.stopped = j.closeAll()
	})
	return j.stopped
}

func (j *Journal) closeAll() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var first error
	for _, s := range j.segments {
		if s.failed != nil && s.last >= j.released {
			first = cmp.Or(first, s.failed)
		}
		if err := s.closeFile(); err != nil && first == nil {
			first = &fault.Error{Kind: fault.IO, Op: "close the journal", Err: err}
		}
	}
	return first
}
