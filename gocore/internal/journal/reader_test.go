package journal

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// extent is where a record lies.
type extent struct {
	path       string
	begin, end int64
}

// written makes a journal of three segments with three records each, and tells where they are
// by their ids.
func written(t testing.TB) (*memfs.FS, map[uint64]extent) {
	t.Helper()
	disk := memfs.New()
	j := create(t, disk, Config{SegmentBytes: 64 + 3*144})
	extents := map[uint64]extent{}
	for id := uint64(1); id <= 9; id++ {
		put(t, j, id, 90+int(id))
		s := j.active
		begin := s.end - recordSize(90+int64(id))
		extents[id] = extent{s.path, begin, begin + recordHeader + 90 + int64(id)}
	}
	noError(t, j.Close())
	return disk, extents
}

// alter changes a file in place.
func alter(t tb, disk fsys.FS, path string, do func(content []byte) []byte) {
	t.Helper()
	content, err := fsys.ReadFile(disk, path)
	noError(t, err)
	noError(t, fsys.Replace(disk, path, do(content), 0o600, false))
}

// TestBitFlips: a flipped bit loses at most the record that it is in, and what is lost is told.
func TestBitFlips(t *testing.T) {
	pristine, extents := written(t)
	paths := segments(t, pristine, where)
	for which, path := range paths {
		content, err := fsys.ReadFile(pristine, path)
		noError(t, err)
		for at := range int64(len(content)) {
			disk := pristine.Clone(memfs.KillNine())
			alter(t, disk, path, func(b []byte) []byte { b[at] ^= 1 << (at % 8); return b })
			got, damage := read(t, disk, where)
			for id, e := range extents {
				_, there := got[id]
				if hit := e.path == path && e.begin <= at && at < e.end; there == hit {
					t.Fatalf("byte %d of segment %d: record %d is there: %v", at, which, id, there)
				}
			}
			if gap := at >= headerSize && !inRecord(extents, path, at); len(damage) != 1 && !gap {
				t.Fatalf("byte %d of segment %d: damage %v", at, which, damage)
			}
		}
	}
}

func inRecord(extents map[uint64]extent, path string, at int64) bool {
	for _, e := range extents {
		if e.path == path && e.begin <= at && at < e.end {
			return true
		}
	}
	return false
}

// TestCuts: a segment may end anywhere. In the last one that is an append that did not finish,
// in others it is damage.
func TestCuts(t *testing.T) {
	pristine, extents := written(t)
	paths := segments(t, pristine, where)
	for which, path := range paths {
		content, err := fsys.ReadFile(pristine, path)
		noError(t, err)
		for size := range int64(len(content)) {
			disk := pristine.Clone(memfs.KillNine())
			alter(t, disk, path, func(b []byte) []byte { return b[:size] })
			got, damage := read(t, disk, where)
			lost := size < headerSize
			for id, e := range extents {
				_, there := got[id]
				gone := e.path == path && size < e.end
				if lost = lost || gone; there == gone {
					t.Fatalf("segment %d cut at %d: record %d is there: %v", which, size, id, there)
				}
			}
			if last := which == len(paths)-1; (len(damage) == 0) != (last || !lost) {
				t.Fatalf("segment %d cut at %d: damage %v", which, size, damage)
			}
		}
	}
}

// TestZeros: a file may be longer than what is in it. At the end of the last segment that is
// normal, in the middle it loses what it covers.
func TestZeros(t *testing.T) {
	pristine, _ := written(t)
	last := segments(t, pristine, where)[2]
	for _, more := range []int{1, 31, 32, 4096, 2 * windowBytes} {
		disk := pristine.Clone(memfs.KillNine())
		alter(t, disk, last, func(b []byte) []byte { return append(b, make([]byte, more)...) })
		got, damage := read(t, disk, where)
		expectIDs(t, got, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		if len(damage) != 0 {
			t.Errorf("%d zeros: damage %v", more, damage)
		}
	}
}

// TestDamage: what is told about each kind, and that the rest is read.
func TestDamage(t *testing.T) {
	long := bytes.Repeat([]byte("no record"), windowBytes/4)
	tests := []struct {
		name   string
		do     func(t *testing.T, disk *memfs.FS, paths []string)
		want   []uint64
		damage []Damage // Segment is the number of the path
	}{
		{"nothing", func(*testing.T, *memfs.FS, []string) {}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, nil},
		{"a missing segment", func(t *testing.T, disk *memfs.FS, paths []string) {
			noError(t, disk.Remove(paths[1]))
		}, []uint64{1, 2, 3, 7, 8, 9}, []Damage{{Segment: "2", Bytes: 408, Reason: reasonMissing}}},
		{"the first ones were released", func(t *testing.T, disk *memfs.FS, paths []string) {
			noError(t, disk.Remove(paths[0]))
		}, []uint64{4, 5, 6, 7, 8, 9}, nil},
		{"two bodies", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[0], func(b []byte) []byte { b[100]++; b[300]++; return b })
		}, []uint64{3, 4, 5, 6, 7, 8, 9}, []Damage{
			{Segment: "0", Offset: 64, Bytes: 136, Reason: reasonBody},
			{Segment: "0", Offset: 200, Bytes: 136, Reason: reasonBody},
		}},
		{"two headers", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[0], func(b []byte) []byte { b[64]++; b[208]++; return b })
		}, []uint64{3, 4, 5, 6, 7, 8, 9}, []Damage{{Segment: "0", Offset: 64, Bytes: 272, Reason: reasonHeader}}},
		{"the last header of a segment", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[0], func(b []byte) []byte { b[340]++; return b })
		}, []uint64{1, 2, 4, 5, 6, 7, 8, 9}, []Damage{{Segment: "0", Offset: 336, Bytes: 136, Reason: reasonHeader}}},
		{"the last record of all", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { b[400]++; return b })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8}, []Damage{{Segment: "2", Offset: 352, Bytes: 144, Reason: reasonBody, Tail: true}}},
		{"the header of the last record of all", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { b[352]++; return b })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8}, []Damage{{Segment: "2", Offset: 352, Bytes: 144, Reason: reasonHeader, Tail: true}}},
		{"the header of the last record of all, and rubbish", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { b[352]++; return append(b, long...) })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8}, []Damage{
			{Segment: "2", Offset: 352, Bytes: 144, Reason: reasonHeader, Tail: true},
			{Segment: "2", Offset: 496, Bytes: int64(len(long)), Reason: reasonHeader, Tail: true},
		}},
		{"the last record of all and its mark", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { b[400]++; b[495]++; return b })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8}, []Damage{{Segment: "2", Offset: 352, Bytes: 144, Reason: reasonBody, Tail: true}}},
		{"a mark", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { b[495]++; return b })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, nil},
		{"rubbish at the end", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { return append(b, long...) })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, []Damage{{Segment: "2", Offset: 496, Bytes: int64(len(long)), Reason: reasonHeader, Tail: true}}},
		{"rubbish beyond what the next one tells", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[1], func(b []byte) []byte { return append(b, long...) })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, nil},
		{"rubbish in the middle", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { return slices.Concat(b[:208], long[:len(long)&^7], b[208:]) })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, []Damage{{Segment: "2", Offset: 208, Bytes: int64(len(long) &^ 7), Reason: reasonHeader}}},
		{"a copied record", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[2], func(b []byte) []byte { return slices.Concat(b[:208], b[64:208], b[208:]) })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, []Damage{{Segment: "2", Offset: 208, Bytes: 144, Reason: reasonOrder}}},
		{"a segment header", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[1], func(b []byte) []byte { clear(b[:headerSize]); return b })
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, []Damage{{Segment: "1", Bytes: headerSize, Reason: reasonSegment}}},
		{"another name", func(t *testing.T, disk *memfs.FS, paths []string) {
			noError(t, disk.Rename(paths[1], where+"/other.seg"))
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, nil},
		{"a segment header and the name", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[1], func(b []byte) []byte { clear(b[:headerSize]); return b })
			noError(t, disk.Rename(paths[1], where+"/other.seg"))
		}, []uint64{1, 2, 3, 7, 8, 9}, []Damage{
			{Segment: "other.seg", Bytes: 472, Reason: reasonNameless},
			{Segment: "2", Bytes: 408, Reason: reasonMissing},
		}},
		{"a segment that was never begun", func(t *testing.T, disk *memfs.FS, _ []string) {
			noError(t, fsys.Replace(disk, where+"/000000000000000a-0000000000000001.seg", nil, 0o600, false))
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, nil},
		{"a strange file", func(t *testing.T, disk *memfs.FS, _ []string) {
			noError(t, fsys.Replace(disk, where+"/checkpoint", []byte("x"), 0o600, false))
		}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, nil},
		{"an unknown signal", func(t *testing.T, disk *memfs.FS, paths []string) {
			alter(t, disk, paths[0], func(b []byte) []byte {
				salt, _ := parseName(filepath.Base(paths[0]))
				head, _ := decodeRecord(b[200:], salt.salt)
				head.signal = otlp.Count
				head.put(b[200:], salt.salt)
				return b
			})
		}, []uint64{1, 3, 4, 5, 6, 7, 8, 9}, []Damage{{Segment: "0", Offset: 200, Bytes: 136, Reason: reasonSignal}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			disk, _ := written(t)
			paths := segments(t, disk, where)
			tt.do(t, disk, paths)
			got, damage := read(t, disk, where)
			expectIDs(t, got, tt.want...)
			for i := range damage {
				if which := slices.Index(paths, filepath.Join(where, damage[i].Segment)); which >= 0 {
					damage[i].Segment = fmt.Sprint(which)
				}
			}
			if !slices.Equal(damage, tt.damage) {
				t.Errorf("damage %+v\nwant   %+v", damage, tt.damage)
			}
		})
	}
}

// TestClaims: a length is not believed beyond the segment, even under a sound checksum.
func TestClaims(t *testing.T) {
	for _, length := range []int64{101, 1 << 20, MaxRecord, 1<<32 - 1} {
		disk, _ := written(t)
		last := segments(t, disk, where)[2]
		alter(t, disk, last, func(b []byte) []byte {
			salt, _ := parseName(filepath.Base(last))
			head, _ := decodeRecord(b[352:], salt.salt)
			head.length = length
			head.put(b[352:], salt.salt)
			return b
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, _ := read(t, disk, where)
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 1<<20 {
			t.Errorf("length %d: %d bytes allocated", length, bytes)
		}
		expectIDs(t, got, 1, 2, 3, 4, 5, 6, 7, 8)
	}
}

// TestForgery: a body that looks like records is a body, also when the record before it is
// damaged, as long as the salt is secret.
func TestForgery(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, Config{})
	put(t, j, 1, 100)
	forged := make([]byte, 8*(recordHeader+8))
	for at := 0; at < len(forged); at += recordHeader + 8 {
		recordHead{position: 50 + uint64(at), length: 8}.put(forged[at:], 0x1234)
	}
	_, err := j.Append(otlp.Traces, 0, forged)
	noError(t, err)
	put(t, j, 3, 100)
	noError(t, j.Close())
	alter(t, disk, segments(t, disk, where)[0], func(b []byte) []byte { b[64+144+16]++; return b }) // its length
	got, damage := read(t, disk, where)
	expectIDs(t, got, 1, 3)
	if len(damage) != 1 || damage[0].Offset != 208 || damage[0].Reason != reasonHeader {
		t.Errorf("damage %v", damage)
	}
}

// TestVersion: a journal of a newer program is an error and is left as it is.
func TestVersion(t *testing.T) {
	disk, _ := written(t)
	alter(t, disk, segments(t, disk, where)[1], func(b []byte) []byte {
		b[8] = version + 1
		sum := headerSum(b)
		b[12], b[13], b[14], b[15] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		return b
	})
	for range 2 {
		_, err := Open(disk, where, quiet())
		wantError(t, err, fault.IO, ErrVersion)
		if !strings.Contains(err.Error(), "version 2") {
			t.Errorf("error %v", err)
		}
	}
	if got := len(segments(t, disk, where)); got != 3 {
		t.Errorf("%d segments are left", got)
	}
}

// TestRemoveKeepsDamage: damaged segments are moved aside and the rest goes.
func TestRemoveKeepsDamage(t *testing.T) {
	for failing := 0; ; failing++ {
		disk, _ := written(t)
		path := segments(t, disk, where)[1]
		alter(t, disk, path, func(b []byte) []byte { b[100]++; return b })
		log := &obstest.Log{}
		r, err := Open(disk, where, log.Logger())
		noError(t, err)
		expectIDs(t, readAll(t, r), 1, 2, 3, 5, 6, 7, 8, 9)
		calls := failNth(disk, failing)
		if err := r.Remove(); err != nil {
			wantError(t, err, fault.IO, syscall.EIO)
			noError(t, r.Remove()) // at the second try
		}
		disk.SetHook(nil)
		if left := segments(t, disk, "/root"); !slices.Equal(left, []string{where + damagedSuffix}) {
			t.Errorf("left: %q", left)
		}
		if left := segments(t, disk, where+damagedSuffix); len(left) != 1 || filepath.Base(left[0]) != filepath.Base(path) {
			t.Errorf("kept: %q", left)
		}
		if dead, err := Dead(disk, "/root"); len(dead) != 0 || err != nil {
			t.Errorf("dead: %q, %v", dead, err)
		}
		if text := log.String(); strings.Count(text, "is damaged") != 1 || !strings.Contains(text, "regions=1 bytes=136") {
			t.Errorf("log:\n%s", text)
		}
		if *calls < failing {
			return
		}
	}
}

// TestReadFails: an error of the disk is not damage; the same record comes at the next try.
func TestReadFails(t *testing.T) {
	for failing := 1; ; failing++ {
		disk, _ := written(t)
		calls := failNth(disk, failing, memfs.Close)
		r, err := Open(disk, where, quiet())
		if err != nil {
			wantError(t, err, fault.IO, syscall.EIO)
			r, err = Open(disk, where, quiet())
			noError(t, err)
		}
		ids := map[uint64]bool{}
		for err = nil; !errors.Is(err, io.EOF); {
			var record Record
			if record, err = r.Next(); err == nil {
				ids[idOf(t, record.Body)] = true
			} else if !errors.Is(err, io.EOF) {
				wantError(t, err, fault.IO, syscall.EIO)
			}
		}
		if len(ids) != 9 || len(r.Damage()) != 0 {
			t.Fatalf("call %d failed: %v, damage %v", failing, slices.Sorted(maps.Keys(ids)), r.Damage())
		}
		noError(t, r.Close())
		if *calls < failing {
			return
		}
	}
}

// TestCutMeanwhile: a file that shrinks while it is read is an error, not an endless loop.
func TestCutMeanwhile(t *testing.T) {
	disk, _ := written(t)
	r, err := Open(disk, where, quiet())
	noError(t, err)
	defer r.Close()
	noError(t, r.open())
	file, err := disk.OpenFile(segments(t, disk, where)[0], os.O_RDWR, 0)
	noError(t, err)
	noError(t, errors.Join(file.Truncate(100), file.Close()))
	_, err = r.Next()
	wantError(t, err, fault.IO, io.ErrUnexpectedEOF)
}

// TestDamageIsBounded: the list ends, the bytes are all counted.
func TestDamageIsBounded(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, Config{})
	const records = 2 * maxDamage
	for id := range uint64(records) {
		_, err := j.Append(signalOf(id), 0, body(id, 16))
		noError(t, err)
	}
	noError(t, j.Close())
	alter(t, disk, segments(t, disk, where)[0], func(b []byte) []byte {
		for at := headerSize + recordHeader; at < len(b); at += int(recordSize(16)) {
			b[at]++
		}
		return b
	})
	got, damage := read(t, disk, where)
	total := int64(0)
	for _, d := range damage {
		total += d.Bytes
	}
	if len(got) != 0 || len(damage) != maxDamage || total != records*recordSize(16) {
		t.Errorf("%d records, %d entries, %d bytes", len(got), len(damage), total)
	}
}

var update = flag.Bool("update", false, "write testdata anew")

// TestGolden: journals of version 1 stay readable.
func TestGolden(t *testing.T) {
	golden := filepath.Join("testdata", "v1")
	if *update {
		disk, _ := written(t)
		noError(t, os.RemoveAll(golden))
		noError(t, os.MkdirAll(golden, 0o750))
		for _, path := range segments(t, disk, where) {
			content, err := fsys.ReadFile(disk, path)
			noError(t, err)
			noError(t, os.WriteFile(filepath.Join(golden, filepath.Base(path)), content, 0o600))
		}
	}
	disk := memfs.New()
	noError(t, fsys.MkdirAll(disk, where, 0o700))
	names, err := fs.ReadDir(os.DirFS(golden), ".")
	noError(t, err)
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(golden, name.Name()))
		noError(t, err)
		noError(t, fsys.Replace(disk, filepath.Join(where, name.Name()), content, 0o600, false))
	}
	got, damage := read(t, disk, where)
	if want := map[uint64]uint64{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9}; !maps.Equal(got, want) || len(damage) != 0 {
		t.Errorf("read %v, damage %v", got, damage)
	}
}

// TestReadFailsOnDamage: nor does an error change what is told about damage, or tell it twice.
func TestReadFailsOnDamage(t *testing.T) {
	for name, spoil := range map[string]func(b []byte) []byte{
		"a header":          func(b []byte) []byte { b[64]++; return b },
		"a body":            func(b []byte) []byte { b[100]++; return b },
		"the last header":   func(b []byte) []byte { b[200]++; return b },
		"an unfinished one": func(b []byte) []byte { b[230]++; clear(b[200+recordHeader+32 : 200+recordHeader+40]); return b },
		"rubbish":           func(b []byte) []byte { return append(b, bytes.Repeat([]byte{1}, 100)...) },
	} {
		t.Run(name, func(t *testing.T) {
			pristine, j, _ := recycled(t, 96)
			noError(t, j.Close())
			alter(t, pristine, j.segments[len(j.segments)-1].path, spoil)
			want, damage := read(t, pristine, where)
			for failing := 1; ; failing++ {
				disk := pristine.Clone(memfs.KillNine())
				r, err := Open(disk, where, quiet())
				noError(t, err)
				calls := 0
				disk.SetHook(func(op memfs.Op) error {
					if calls++; calls == failing && op.Kind != memfs.Close {
						return syscall.EIO
					}
					return nil
				})
				got := map[uint64]uint64{}
				for err = nil; !errors.Is(err, io.EOF); {
					var record Record
					if record, err = r.Next(); err == nil {
						got[record.Position] = idOf(t, record.Body)
					}
				}
				if !maps.Equal(got, want) || !slices.Equal(r.Damage(), damage) {
					t.Fatalf("call %d failed: %v, damage %+v; want %v, %+v", failing, got, r.Damage(), want, damage)
				}
				disk.SetHook(nil)
				noError(t, r.Remove())
				if calls < failing {
					return
				}
			}
		})
	}
}
