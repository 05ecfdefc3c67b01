package journal

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

// FuzzReader reads two segments of any bytes. Whatever they are, reading ends without a panic,
// positions increase, and no byte is in two records.
func FuzzReader(f *testing.F) {
	disk, _ := written(f)
	var names []string
	var contents [][]byte
	for _, path := range segments(f, disk, where) {
		content, err := fsys.ReadFile(disk, path)
		noError(f, err)
		names, contents = append(names, filepath.Base(path)), append(contents, content)
	}
	f.Add(names[0], contents[0], names[1], contents[1])
	f.Add(names[0], contents[0], names[2], contents[2])
	f.Add(names[1], contents[1], "other.seg", contents[2])
	f.Add(names[0], contents[0][:200], names[1], contents[1][headerSize:])
	f.Add(names[2], bytes.Repeat(contents[2], 3), names[1], []byte{})
	f.Add("a.seg", make([]byte, 100), names[1], append(bytes.Clone(contents[1]), make([]byte, 5000)...))
	used, j, _ := recycled(f, 96)
	noError(f, j.Close())
	over := segments(f, used, where)
	first, err := fsys.ReadFile(used, over[0])
	noError(f, err)
	second, err := fsys.ReadFile(used, over[1])
	noError(f, err)
	f.Add(filepath.Base(over[0]), first, filepath.Base(over[1]), second)
	f.Add(filepath.Base(over[0]), second, filepath.Base(over[1]), second)
	f.Add(filepath.Base(over[0]), first, filepath.Base(over[1]), slices.Concat(contents[0][:100], second[100:]))
	f.Add(filepath.Base(over[1]), contents[0], "later.seg", slices.Concat(second[:250], contents[0][250:]))
	f.Fuzz(func(t *testing.T, name1 string, content1 []byte, name2 string, content2 []byte) {
		disk := memfs.New()
		noError(t, fsys.MkdirAll(disk, where, 0o700))
		for name, content := range map[string][]byte{name1: content1, name2: content2} {
			if base := filepath.Base(name); fsys.Replace(disk, filepath.Join(where, base), content, 0o600, false) != nil {
				return // not a file name
			}
		}
		readFuzzed(t, disk, len(content1)+len(content2))
	})
}

func readFuzzed(t *testing.T, disk fsys.FS, size int) {
	r, err := Open(disk, where, quiet())
	if errors.Is(err, ErrVersion) {
		return
	}
	noError(t, err)
	defer r.Close()
	total, last := 0, uint64(0)
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		noError(t, err)
		if record.Position <= last {
			t.Fatalf("position %d after %d", record.Position, last)
		}
		last = record.Position
		total += recordHeader + len(record.Body)
	}
	if total > size {
		t.Fatalf("%d bytes of records in %d", total, size)
	}
	noError(t, r.Remove())
}
