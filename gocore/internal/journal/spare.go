package journal

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// A released segment's file is written over by a later one: the disk need not find new blocks,
// the kernel no new pages.
//
//	<first>-<salt>.seg ── released ──> <first>-<salt>.free ── a new header, then ──> <first>-<salt>.seg
//	                                   not read by anybody     a new name
//
// With Config.Sync it is not written to before it is durable that it lost its first name: after a
// loss of power nobody finds a released segment with holes.

const (
	spareSuffix = ".free"
	// maxSpares is how many files are kept, if they are no more than a spareShare of MaxBytes.
	maxSpares  = 3
	spareShare = 4
	// wasteShare of SegmentBytes is what a segment that ends early keeps of its file's former life.
	wasteShare = 8
)

// spare is a file that a later segment takes over.
type spare struct {
	path    string
	size    int64
	settled bool // it may be written to
}

func sparePath(path string) string { return strings.TrimSuffix(path, suffix) + spareSuffix }

// begin makes a spare a segment. The header comes before the name, so that no segment is ever seen
// with the header of another. Windows renames no file that is open.
func (p *spare) begin(disk fsys.FS, dir string, h segmentHeader) (*segment, error) {
	file, err := disk.OpenFile(p.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteAt(h.encode(), 0)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, h.fileName())
	if err := disk.Rename(p.path, path); err != nil {
		return nil, err
	}
	p.path = path
	if file, err = disk.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	s := newSegment(path, file, h)
	s.rest = p.size - headerSize
	return s, nil
}

// keeps tells whether a segment's file is worth keeping. One that an error met is not.
func (j *Journal) keeps(s *segment) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	size := s.disk + s.rest
	if s.spoiled || s.failed != nil || len(j.spares) == maxSpares || size > j.config.SegmentBytes {
		return false
	}
	for _, p := range j.spares {
		size += p.size
	}
	return size <= j.config.MaxBytes/spareShare
}

// settledLocked is the index of a spare that may be written to, -1 for none.
func (j *Journal) settledLocked() int {
	return slices.IndexFunc(j.spares, func(p *spare) bool { return p.settled })
}

// reuseLocked makes a spare the active segment, if there is one and the disk lets it.
func (j *Journal) reuseLocked(h segmentHeader) bool {
	for i := j.settledLocked(); i >= 0; i = j.settledLocked() {
		p := j.spares[i]
		h.salt, h.former = newSalt(), p.size // a name of its own: another that failed may bear the last one
		s, err := p.begin(j.disk, j.dir, h)
		if err != nil {
			p.settled = false
			j.scrapLocked(p)
			continue
		}
		j.spares = slices.Delete(j.spares, i, i+1)
		s.before = j.totals
		j.active, j.segments = s, append(j.segments, s)
		j.size.Add(s.disk)
		j.spare -= s.disk
		j.stats.Recycled++
		return true
	}
	return false
}

// scrapLocked removes a spare. If it cannot be removed it stays, counted, and removing it is tried
// again when there is no room.
func (j *Journal) scrapLocked(p *spare) bool {
	if removeFile(j.disk, p.path) != nil {
		return false
	}
	j.spares = slices.DeleteFunc(j.spares, func(other *spare) bool { return other == p })
	j.spare -= p.size
	return true
}

// roomLocked tells whether that many bytes can be appended within MaxBytes; spares go if need be.
func (j *Journal) roomLocked(roll bool, need int64) bool {
	for j.growthLocked(roll, need) > j.config.MaxBytes-j.size.Load()-j.spare {
		if !j.shedLocked(roll) {
			return false
		}
	}
	return true
}

// growthLocked is how much longer the files become with that many bytes more.
func (j *Journal) growthLocked(roll bool, need int64) int64 {
	if !roll {
		return max(0, need-j.active.rest)
	}
	grown := headerSize + need
	if i := j.settledLocked(); i >= 0 {
		grown -= j.spares[i].size
	}
	return max(0, grown)
}

// shedLocked gives back some bytes that hold nothing: of the spares, the one last that may be next.
// Then what only Tails want.
func (j *Journal) shedLocked(roll bool) bool {
	for _, p := range slices.Backward(slices.Clone(j.spares)) {
		if j.scrapLocked(p) {
			return true
		}
	}
	if roll && j.active != nil && j.active.rest > 0 && j.trimLocked(j.active) {
		return true
	}
	return j.forsakeLocked()
}

// trimLocked cuts off what a segment's file has of its former life.
func (j *Journal) trimLocked(s *segment) bool {
	if s.file.Truncate(s.disk) != nil {
		return false
	}
	j.spare -= s.rest
	s.rest = 0
	return true
}

// settleSpares notes that a sync of the directory covered some spares. After one that failed
// nobody knows under which name they would be found.
func (j *Journal) settleSpares(spares []*spare, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range spares {
		switch {
		case err == nil:
			p.settled = true
		case !p.settled && slices.Contains(j.spares, p):
			j.scrapLocked(p)
		}
	}
}
