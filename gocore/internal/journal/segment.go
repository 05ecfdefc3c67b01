package journal

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// segment is a file of a living journal. All of it is guarded by Journal.mu, but the file may
// be synced outside while pinned is set.
type segment struct {
	segmentHeader
	path string
	file fsys.File // nil once it is closed
	last uint64    // position of the last record, 0 when there is none
	end  int64     // of the last record
	disk int64     // bytes that it was written to, with what an error left behind its end
	rest int64     // bytes of its file beyond, of a former life

	spoiled   bool   // a write failed: the file is not used again
	sealed    bool   // nothing is appended any more
	named     bool   // its name is durable
	pinned    bool   // being synced: it may not be closed or removed
	synced    uint64 // last position that is durable
	syncedEnd int64
	failed    error // of a sync: what was not durable before will never be

	before, tally [otlp.Count]Tally // of all segments before, and of this one
}

// createSegment makes the file with its header, or leaves nothing behind.
func createSegment(disk fsys.FS, dir string, mode fs.FileMode, h segmentHeader) (*segment, error) {
	path := filepath.Join(dir, h.fileName())
	file, err := disk.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	if err = file.Chmod(mode); err == nil { // whatever the umask
		_, err = file.WriteAt(h.encode(), 0)
	}
	if err != nil {
		_ = file.Close() // the first error counts
		_ = disk.Remove(path)
		return nil, err
	}
	return newSegment(path, file, h), nil
}

func newSegment(path string, file fsys.File, h segmentHeader) *segment {
	return &segment{segmentHeader: h, path: path, file: file, end: headerSize, disk: headerSize, syncedEnd: headerSize}
}

// pending tells whether a sync would make anything durable.
func (s *segment) pending() bool { return s.failed == nil && s.synced < s.last }

// holds tells whether a position is one of the segment's.
func (s *segment) holds(position uint64) bool { return s.first <= position && position <= s.last }

// goodEnd is how far a reader should find it whole.
func (s *segment) goodEnd() int64 {
	if s.failed != nil {
		return s.syncedEnd
	}
	return s.end
}

// closeFile may be called twice.
func (s *segment) closeFile() error {
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	return file.Close()
}
