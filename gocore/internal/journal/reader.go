package journal

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// ErrUnread is why Remove kept a journal: it was not read to its end.
var ErrUnread = errors.New("not everything was read")

// maxDamage bounds what Damage lists; the last entry takes the rest.
const maxDamage = 1000

// Reader reads a dead writer's journal, whose lock it holds.
type Reader struct {
	disk    fsys.FS
	dir     string
	log     *slog.Logger
	lock    io.Closer // nil once it is closed
	sources []source
	scan    *scanner // of sources[0], nil before it is opened
	file    fsys.File
	last    uint64 // position of the last record
	ended   bool
	looks   bool // without the lock
	damage  []Damage
	tolls   map[string]toll // of the segments that are damaged
}

// toll sums up a segment's damage.
type toll struct {
	regions int
	bytes   int64
}

// Open takes the lock of a journal and looks at its segments. It fails with fsys.ErrLocked
// when the owner lives, with fs.ErrNotExist when the journal is gone, with ErrVersion when it
// is of a newer program.
func Open(disk fsys.FS, dir string, log *slog.Logger) (*Reader, error) {
	lock, err := disk.Lock(lockName(dir))
	if err != nil {
		return nil, &fault.Error{Kind: fault.IO, Op: "open the journal", Field: dir, Err: err}
	}
	r := newReader(disk, dir, log, lock)
	if err := r.list(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			_ = disk.Remove(lockName(dir)) // made by locking what is not there
		}
		_ = lock.Close() // an empty file
		return nil, &fault.Error{Kind: fault.IO, Op: "open the journal", Field: dir, Err: err}
	}
	return r, nil
}

func newReader(disk fsys.FS, dir string, log *slog.Logger, lock io.Closer) *Reader {
	return &Reader{disk: disk, dir: dir, log: log.With("journal", dir), lock: lock, tolls: map[string]toll{}}
}

// Look is Open for who only looks: it takes no lock, so that it stands in nobody's way. What a
// living owner does meanwhile may seem to be damage, and Remove is not for such a reader.
func Look(disk fsys.FS, dir string, log *slog.Logger) (*Reader, error) {
	r := newReader(disk, dir, log, io.NopCloser(nil))
	r.looks = true
	if err := r.list(); err != nil {
		return nil, &fault.Error{Kind: fault.IO, Op: "look at the journal", Field: dir, Err: err}
	}
	return r, nil
}

// First is the position from which on the journal has records, before any was read; 0 where it
// has no segments.
func (r *Reader) First() uint64 {
	if len(r.sources) == 0 {
		return 0
	}
	return r.sources[0].first
}

// list finds the segments in their order and what is known about them before they are read.
func (r *Reader) list() error {
	entries, err := r.disk.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != suffix {
			continue
		}
		s, err := look(r.disk, r.dir, entry.Name())
		if err != nil {
			return err
		}
		if s.salt == 0 {
			r.note(Damage{Segment: s.name, Bytes: s.size, Reason: reasonNameless})
			continue
		}
		// A loss of power may undo the first of two renames only: then a file has two names.
		if s.sound && slices.ContainsFunc(r.sources, func(o source) bool { return o.salt == s.salt }) {
			continue
		}
		r.sources = append(r.sources, s)
	}
	slices.SortStableFunc(r.sources, byFirst)
	chain(r.sources)
	return nil
}

// Next is the next record, or io.EOF. After an error of fault.IO it may be called again, for
// the same record.
func (r *Reader) Next() (Record, error) {
	if r.lock == nil {
		return Record{}, &fault.Error{Kind: fault.Closed, Op: "read the journal", Err: errClosed}
	}
	for len(r.sources) > 0 {
		if err := r.open(); err != nil {
			return Record{}, r.failed(err)
		}
		record, err := r.scan.next(r.last)
		if errors.Is(err, io.EOF) {
			r.shut()
			r.sources = r.sources[1:]
			continue
		}
		if err != nil {
			return Record{}, r.failed(err)
		}
		r.last = record.Position
		return record, nil
	}
	r.ended = true
	return Record{}, io.EOF
}

func (r *Reader) failed(err error) error {
	return &fault.Error{Kind: fault.IO, Op: "read the journal", Field: r.sources[0].name, Err: err}
}

// open begins the first segment that was not read yet.
func (r *Reader) open() error {
	if r.scan != nil {
		return nil
	}
	s := r.sources[0]
	file, err := r.disk.OpenFile(filepath.Join(r.dir, s.name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close() // only read
		return err
	}
	r.file = file
	r.scan = &scanner{
		window: window{file: file, size: info.Size()}, name: s.name, salt: s.salt,
		offset: headerSize, end: s.end, former: s.former, report: r.note,
	}
	// What is missing before the first record was released.
	if s.gap > 0 && r.last != 0 && s.first > r.last+1 {
		r.note(Damage{Segment: s.name, Bytes: s.gap, Reason: reasonMissing})
	}
	if begun := s.end > headerSize || s.size >= headerSize && !s.early; begun && !s.sound {
		r.scan.damaged(0, headerSize, reasonSegment, s.size <= headerSize)
	}
	return nil
}

// shut ends the segment that is being read.
func (r *Reader) shut() {
	if r.scan == nil {
		return
	}
	_ = r.file.Close() // only read
	if t, damaged := r.tolls[r.scan.name]; damaged {
		r.log.Error("a journal segment is damaged", "segment", r.scan.name, "regions", t.regions, "bytes", t.bytes)
	}
	r.file, r.scan = nil, nil
}

// note lists damage. A missing segment is not one that Remove could keep.
func (r *Reader) note(d Damage) {
	if d.Reason == reasonMissing || d.Reason == reasonNameless {
		r.log.Error("the journal is damaged", "segment", d.Segment, "bytes", d.Bytes, "reason", d.Reason)
	}
	if d.Reason != reasonMissing {
		t := r.tolls[d.Segment]
		r.tolls[d.Segment] = toll{t.regions + 1, t.bytes + d.Bytes}
	}
	if len(r.damage) == maxDamage {
		r.damage[maxDamage-1].Bytes += d.Bytes
		return
	}
	r.damage = append(r.damage, d)
}

// Damage lists what was passed over so far, up to a bound; the last entry takes the rest.
func (r *Reader) Damage() []Damage { return slices.Clone(r.damage) }

// Remove removes the journal and closes the reader; if it fails it may be called again. Before
// Next gave io.EOF it fails with ErrUnread. Damaged segments are kept, in a directory beside.
func (r *Reader) Remove() error {
	switch {
	case r.lock == nil:
		return &fault.Error{Kind: fault.Closed, Op: "remove the journal", Err: errClosed}
	case !r.ended || r.looks:
		return &fault.Error{Kind: fault.Internal, Op: "remove the journal", Field: r.dir, Err: ErrUnread}
	}
	remove := removeDir
	if len(r.tolls) > 0 {
		remove = r.moveAside
	}
	if err := remove(r.disk, r.dir); err != nil {
		return &fault.Error{Kind: fault.IO, Op: "remove the journal", Field: r.dir, Err: err}
	}
	return r.Close()
}

// moveAside renames the directory before it removes the sound segments: a crash in between
// leaves too much, and not a journal whose records would be stored once more.
func (r *Reader) moveAside(disk fsys.FS, dir string) error {
	aside := filepath.Clean(dir) + damagedSuffix
	if err := disk.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) { // at the second try
		return err
	}
	keep := map[string]bool{}
	for name := range r.tolls {
		keep[name] = true
	}
	if err := removeFiles(disk, aside, keep); err != nil {
		return err
	}
	r.log.Warn("damaged journal segments were kept", "path", aside, "segments", len(keep))
	if err := removeFile(disk, lockName(dir)); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(dir))
}

// Close lets go of the journal, which stays. It may be called twice.
func (r *Reader) Close() error {
	if r.lock == nil {
		return nil
	}
	r.shut()
	_ = r.lock.Close() // an empty file
	r.lock = nil
	return nil
}
