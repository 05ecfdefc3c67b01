package journal

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// source is a segment that is to be read.
type source struct {
	segmentHeader // salt 0: neither header nor name tells it
	name          string
	size          int64
	sound         bool  // the header is; else the name told salt and position
	early         bool  // the header is of the file's former life: this one's was never durable
	end           int64 // how far the next segment says that it is good, -1 without one
	gap           int64 // bytes of the segment before, which is not there
}

func byFirst(a, b source) int { return cmp.Compare(a.first, b.first) }

// look reads a segment's header.
func look(disk fsys.FS, dir, name string) (source, error) {
	file, err := disk.OpenFile(filepath.Join(dir, name), os.O_RDONLY, 0)
	if err != nil {
		return source{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return source{}, err
	}
	var b [headerSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return source{}, err
	}
	s := source{name: name, size: info.Size(), end: -1}
	s.segmentHeader, err = decodeSegment(b[:n])
	if errors.Is(err, ErrVersion) {
		return source{}, err
	}
	s.sound = err == nil
	// Of name and header the later one counts: after a loss of power either may be of the life before.
	named, ok := parseName(name)
	s.early = s.sound && ok && named.salt != s.salt && named.first > s.first
	if !s.sound || s.early {
		named.former = s.size // perhaps
		s.segmentHeader, s.sound = named, false
	}
	return s, nil
}

// chain tells each segment what the next one says of it, and finds the gaps. A segment of which
// nothing was ever durable is not missed.
func chain(sources []source) {
	bySalt := map[uint64]int{}
	for i := range sources {
		bySalt[sources[i].salt] = i
	}
	for i := range sources {
		s := &sources[i]
		if !s.sound || s.prevSalt == 0 {
			continue
		}
		if before, ok := bySalt[s.prevSalt]; ok {
			sources[before].end = s.prevEnd
		} else {
			s.gap = s.prevEnd - headerSize
		}
	}
}
