package journal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

// withSuffix are the files of a journal that are of a kind.
func withSuffix(t tb, disk fsys.FS, ext string) []string {
	t.Helper()
	return slices.DeleteFunc(segments(t, disk, where), func(path string) bool { return filepath.Ext(path) != ext })
}

// onDisk is what the files of a journal take.
func onDisk(t tb, disk fsys.FS) (total int64) {
	t.Helper()
	for _, path := range segments(t, disk, where) {
		info, err := disk.Stat(path)
		noError(t, err)
		total += info.Size()
	}
	return total
}

// recycled makes a journal whose last segment took over the file of the first: of its records 7
// and 8 the second ends within a record of the former life. It is still open.
func recycled(t testing.TB, size int) (*memfs.FS, *Journal, map[uint64]extent) {
	t.Helper()
	disk := memfs.New()
	j := create(t, disk, Config{SegmentBytes: headerSize + 3*recordSize(int64(size))})
	extents := map[uint64]extent{}
	add := func(id uint64, size int) {
		put(t, j, id, size)
		s := j.active
		begin := s.end - recordSize(int64(size))
		extents[id] = extent{s.path, begin, begin + recordHeader + int64(size)}
	}
	for id := uint64(1); id <= 6; id++ {
		add(id, size)
	}
	j.Release(4)
	for id := uint64(1); id <= 3; id++ {
		delete(extents, id)
	}
	add(7, size)
	add(8, size/3)
	info, err := disk.Stat(j.active.path)
	noError(t, err)
	if j.Stats().Recycled != 1 || j.active.rest == 0 || info.Size() != j.config.SegmentBytes {
		t.Fatalf("stats %+v, %d bytes", j.Stats(), info.Size())
	}
	return disk, j, extents
}

// TestRecycled: what was there before is neither read nor taken for damage.
func TestRecycled(t *testing.T) {
	disk, j, _ := recycled(t, 96)
	if size, files := j.Size(), onDisk(t, disk); size != files-j.active.rest || size+j.spare != files {
		t.Errorf("size %d and %d, files %d", size, j.spare, files)
	}
	noError(t, j.Close())
	got, damage := read(t, disk, where)
	expectIDs(t, got, 4, 5, 6, 7, 8)
	if len(damage) != 0 {
		t.Errorf("damage %v", damage)
	}
}

// TestRecycledFlips: a flipped bit loses the record that it is in, and that is told; one in what is
// left of the former life does not matter.
func TestRecycledFlips(t *testing.T) {
	pristine, j, extents := recycled(t, 96)
	last := j.active.path
	noError(t, j.Close())
	content, err := fsys.ReadFile(pristine, last)
	noError(t, err)
	for at := range int64(len(content)) {
		disk := pristine.Clone(memfs.KillNine())
		alter(t, disk, last, func(b []byte) []byte { b[at] ^= 1 << (at % 8); return b })
		got, damage := read(t, disk, where)
		hit := inRecord(extents, last, at)
		for id, e := range extents {
			if _, there := got[id]; there == (e.path == last && e.begin <= at && at < e.end) {
				t.Fatalf("byte %d: record %d is there: %v", at, id, there)
			}
		}
		if told := len(damage) == 1; len(damage) > 1 || told != (hit || at < headerSize) {
			t.Fatalf("byte %d: damage %+v", at, damage)
		}
		if tail := hit && at >= extents[8].begin; hit && damage[0].Tail != tail {
			t.Fatalf("byte %d: damage %+v", at, damage)
		}
	}
}

// TestRecycledTwoFaults: a body and its mark are not taken for an append that did not finish when
// more follows, be it a record or only its mark.
func TestRecycledTwoFaults(t *testing.T) {
	for _, tt := range []struct {
		at     []int // of byte 64 begins record 7, of byte 200 record 8
		want   []uint64
		damage []Damage
	}{
		{[]int{100, 199}, []uint64{4, 5, 6, 8}, []Damage{{Offset: 64, Bytes: 136, Reason: reasonBody}}},
		{[]int{100, 199, 200}, []uint64{4, 5, 6}, []Damage{
			{Offset: 64, Bytes: 136, Reason: reasonBody, Tail: true},
			{Offset: 200, Bytes: 72, Reason: reasonHeader, Tail: true},
		}},
		{[]int{240, 271}, []uint64{4, 5, 6, 7}, nil}, // the same as what was not written
	} {
		disk, j, _ := recycled(t, 96)
		noError(t, j.Close())
		alter(t, disk, j.segments[1].path, func(b []byte) []byte {
			for _, at := range tt.at {
				b[at]++
			}
			return b
		})
		got, damage := read(t, disk, where)
		expectIDs(t, got, tt.want...)
		for i := range damage {
			damage[i].Segment = ""
		}
		if !slices.Equal(damage, tt.damage) {
			t.Errorf("%v: damage %+v", tt.at, damage)
		}
	}
}

// TestRecycledTorn: an append that was killed after any byte is no damage, wherever the former life
// ends; one that was not is none either.
func TestRecycledTorn(t *testing.T) {
	for _, first := range []int{96, 40} {
		for _, size := range []int{16, 40, 96, 97, 160, 165, 168, 169, 500} {
			pristine, j, _ := recycled(t, first)
			s := j.active
			record := make([]byte, recordSize(int64(size)))
			b := body(9, size)
			recordHead{position: 9, length: int64(size), signal: signalOf(9), sum: checksum(b)}.put(record, s.salt)
			copy(record[recordHeader:], b)
			putMark(record[recordHeader+size:], s.salt)
			for n := range len(record) + 1 {
				disk := pristine.Clone(memfs.KillNine())
				file, err := disk.OpenFile(s.path, os.O_RDWR, 0)
				noError(t, err)
				_, err = file.WriteAt(record[:n], s.end)
				noError(t, err)
				got, damage := read(t, disk, where)
				want := []uint64{4, 5, 6, 7, 8}
				content, err := fsys.ReadFile(disk, s.path)
				noError(t, err)
				if bytes.HasPrefix(content[s.end:], record[:recordHeader+size]) { // what was there may be the same
					want = append(want, 9)
				}
				expectIDs(t, got, want...)
				if len(damage) != 0 {
					t.Fatalf("%d of %d bytes over records of %d: damage %+v", n, len(record), first, damage)
				}
			}
		}
	}
}

// TestRecycledBlocks: after a loss of power each block of a file may be the old one or the new one,
// and names may be old, new or both. What is read of it is what is there in whole of the new life;
// nothing of the former life is, unless all that tells of the new one is lost.
func TestRecycledBlocks(t *testing.T) {
	const block = 4096
	disk, j, extents := recycled(t, 5000)
	last := j.active.path
	old := writtenBefore(t, j)
	now, err := fsys.ReadFile(disk, last)
	noError(t, err)
	blocks := (len(now) + block - 1) / block
	later := filepath.Base(last)
	for _, names := range [][]string{{later}, {"former"}, {"former", later}, {"former.free", later}} {
		for mask := range 1 << blocks {
			mixed := slices.Clone(old.content)
			for i := range blocks {
				if mask&(1<<i) != 0 {
					copy(mixed[i*block:], now[i*block:min((i+1)*block, len(now))])
				}
			}
			left := disk.Clone(memfs.KillNine())
			noError(t, left.Remove(last))
			for _, name := range names {
				name = strings.Replace(name, "former", strings.TrimSuffix(old.name, suffix), 1)
				if filepath.Ext(name) == "" {
					name += suffix
				}
				noError(t, fsys.Replace(left, filepath.Join(where, name), mixed, 0o600, false))
			}
			got, damage := read(t, left, where)
			if !slices.Contains(names, later) && mask&1 == 0 {
				continue // the former life as it was, with what overwrote it
			}
			for id, e := range extents {
				whole := true
				for i := range blocks {
					within := e.path == last && e.begin < int64(i+1)*block && int64(i)*block < e.end
					whole = whole && (!within || mask&(1<<i) != 0)
				}
				if _, there := got[id]; there != whole {
					t.Fatalf("%q, blocks %b: record %d is there: %v", names, mask, id, there)
				}
			}
			if !slices.Contains(names, "former") && len(got) > len(extents) {
				t.Fatalf("%q, blocks %b: read %v", names, mask, got)
			}
			if clear := mask == 0 || mask == 1<<blocks-1; clear && len(damage) != 0 {
				t.Fatalf("%q, blocks %b: damage %+v", names, mask, damage)
			}
		}
	}
}

type file struct {
	name    string
	content []byte
}

// writtenBefore is the file that a recycled journal's last segment took over.
func writtenBefore(t *testing.T, j *Journal) file {
	t.Helper()
	again := memfs.New()
	before := create(t, again, j.config)
	for id := uint64(1); id <= 3; id++ {
		put(t, before, id, 5000)
	}
	noError(t, before.Close())
	path := segments(t, again, where)[0]
	content, err := fsys.ReadFile(again, path)
	noError(t, err)
	return file{filepath.Base(path), content}
}

// TestSparesGo: with the journal, however it ends.
func TestSparesGo(t *testing.T) {
	spares := func(t *testing.T) (*memfs.FS, *Journal) {
		t.Helper()
		disk, j, _ := recycled(t, 96)
		put(t, j, 9, 96) // another segment
		j.Release(8)
		if got := withSuffix(t, disk, spareSuffix); len(got) != 1 {
			t.Fatalf("spares %q", got)
		}
		return disk, j
	}
	for name, end := range map[string]func(disk *memfs.FS, j *Journal) error{
		"discarded": func(_ *memfs.FS, j *Journal) error { j.Release(j.Next()); return j.Discard() },
		"adopted": func(disk *memfs.FS, j *Journal) error {
			noError(t, j.Close())
			r, err := Open(disk, where, quiet())
			noError(t, err)
			expectIDs(t, readAll(t, r), 7, 8, 9)
			return r.Remove()
		},
		"damaged": func(disk *memfs.FS, j *Journal) error {
			alter(t, disk, j.segments[0].path, func(b []byte) []byte { b[100]++; return b })
			noError(t, j.Close())
			r, err := Open(disk, where, quiet())
			noError(t, err)
			readAll(t, r)
			noError(t, r.Remove())
			if left := segments(t, disk, where+damagedSuffix); len(left) != 1 || filepath.Ext(left[0]) != suffix {
				t.Errorf("kept: %q", left)
			}
			return fsys.OS{}.Remove(filepath.Join(t.TempDir(), "nothing"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk, j := spares(t)
			if err := end(disk, j); name != "damaged" {
				noError(t, err)
				if left := segments(t, disk, "/root"); len(left) != 0 {
					t.Errorf("left: %q", left)
				}
			}
		})
	}
}

// TestReuseFails: whatever call fails, or if the file is gone, a new one is begun at once, and the
// bound on disk holds.
func TestReuseFails(t *testing.T) {
	life := func(t *testing.T, hook func(op memfs.Op) error, kept bool) {
		t.Helper()
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: headerSize + recordSize(96), MaxBytes: 2000})
		put(t, j, 1, 96)
		put(t, j, 2, 96)
		j.Release(2)
		if got := withSuffix(t, disk, spareSuffix); len(got) != 1 {
			t.Fatalf("spares %q", got)
		}
		disk.SetHook(hook)
		put(t, j, 3, 96)
		disk.SetHook(nil)
		if got := len(withSuffix(t, disk, spareSuffix)) == 1; got != kept || j.Stats().Recycled != 0 {
			t.Errorf("spares %q, stats %+v", segments(t, disk, where), j.Stats())
		}
		for id := uint64(4); ; id++ {
			position, err := j.Append(signalOf(id), 0, body(id, 96))
			if files := onDisk(t, disk); files != j.Size()+j.spare || files > j.Capacity() {
				t.Fatalf("size %d and %d, files %d", j.Size(), j.spare, files)
			}
			if err != nil {
				wantError(t, err, fault.Overloaded, nil)
				break
			}
			if position != id {
				t.Errorf("position %d", position)
			}
		}
		if j.Size() < 2000-recordSize(96)-headerSize {
			t.Errorf("full at %d bytes", j.Size())
		}
		noError(t, j.Close())
		if got, damage := read(t, disk, where); len(got) != int(j.Next()-2) || len(damage) != 0 {
			t.Errorf("%d records, damage %v", len(got), damage)
		}
	}
	for failing := 2; failing <= 6; failing++ { // the old one is closed, then: open, write, close, rename, open
		calls := 0
		life(t, func(memfs.Op) error {
			if calls++; calls == failing {
				return syscall.EIO
			}
			return nil
		}, false)
		calls = 0
		life(t, func(op memfs.Op) error {
			if calls++; calls == failing || op.Kind == memfs.Remove {
				return syscall.EIO
			}
			return nil
		}, failing < 6) // after the rename its name is a segment's, which holds nothing
	}
	life(t, func(op memfs.Op) error {
		if op.Kind == memfs.Open {
			return syscall.ENOENT
		}
		return nil
	}, false)
}

// TestSparesAreBounded: by number and by their share, and go when there is no room.
func TestSparesAreBounded(t *testing.T) {
	for _, tt := range []struct{ most, kept int }{{1 << 20, maxSpares}, {16 * 200, 3}, {8 * 200, 2}, {4 * 200, 1}} {
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: 200, MaxBytes: int64(tt.most)})
		for id := uint64(1); id <= uint64(min(tt.most/200, 8)); id++ {
			put(t, j, id, 96)
		}
		j.Release(j.Next())
		if got := len(withSuffix(t, disk, spareSuffix)); got != tt.kept || j.spare != int64(got)*200 {
			t.Errorf("%d bytes: %d spares of %d bytes, want %d", tt.most, got, j.spare, tt.kept)
		}
		for id := range uint64(1000) {
			if _, err := j.Append(signalOf(id), 0, body(id, 96)); err != nil {
				wantError(t, err, fault.Overloaded, nil)
				break
			}
		}
		if tt.most < 1<<20 && (j.Size() < int64(tt.most)-200 || j.spare != 0) {
			t.Errorf("full at %d of %d bytes, %d spare", j.Size(), tt.most, j.spare)
		}
	}
}

// TestNotKept: a file that is long, or that an error met, is not used again.
func TestNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: 400})
		put(t, j, 1, 1000)
		put(t, j, 2, 96)
		failing(disk, memfs.Write)
		_, err := j.Append(signalOf(3), 0, body(3, 96))
		wantError(t, err, fault.IO, syscall.EIO)
		disk.SetHook(nil)
		j.Release(j.Next())
		if left := segments(t, disk, where); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
		pause()
		put(t, j, 4, 96)
		put(t, j, 5, 200)
		failing(disk, memfs.Rename)
		j.Release(j.Next())
		disk.SetHook(nil)
		if left := segments(t, disk, where); len(left) != 0 || j.spare != 0 {
			t.Errorf("left: %q, %d bytes spare", left, j.spare)
		}
	})
}

// TestNotKeptUnsynced: after a failed fsync nobody knows what is in a file's pages.
func TestNotKeptUnsynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: headerSize + recordSize(100), Sync: true})
		put(t, j, 1, 96)
		failing(disk, memfs.Sync)
		wantError(t, j.Wait(context.Background(), appendOne(t, j, 2)), fault.IO, syscall.EIO)
		disk.SetHook(nil)
		pause()
		put(t, j, 3, 96)
		j.Release(3)
		if got := withSuffix(t, disk, spareSuffix); len(got) != 1 || !strings.Contains(got[0], "/0000000000000001-") {
			t.Errorf("spares %q", got)
		}
	})
}

// TestTrim: a segment that ends early gives back what it did not reach, or room would be lost.
func TestTrim(t *testing.T) {
	for _, tt := range []struct {
		most   int64
		hinder bool
	}{{8000, false}, {10000, false}, {10000, true}} {
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: 2000, MaxBytes: tt.most})
		put(t, j, 1, 1800)
		put(t, j, 2, 1800)
		j.Release(2)
		put(t, j, 3, 300) // in the file of 1
		if s := j.active; s.rest == 0 {
			t.Fatalf("segment %+v, stats %+v", s, j.Stats())
		}
		if tt.hinder {
			failing(disk, memfs.Truncate)
		}
		put(t, j, 4, 5000)
		disk.SetHook(nil)
		if files := onDisk(t, disk); files != j.Size()+j.spare || files > j.Capacity() || (j.spare > 0) != tt.hinder {
			t.Errorf("size %d and %d, files %d", j.Size(), j.spare, files)
		}
		noError(t, j.Close())
		got, damage := read(t, disk, where)
		expectIDs(t, got, 2, 3, 4)
		if len(damage) != 0 {
			t.Errorf("damage %v", damage)
		}
	}
}

// TestSettled: with Sync a file is not written over before it is durable that it is no segment.
func TestSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: headerSize + recordSize(96), Sync: true})
		put(t, j, 1, 96)
		put(t, j, 2, 16)
		j.Release(2)
		if j.settledLocked() >= 0 {
			t.Error("settled at once")
		}
		put(t, j, 2, 16) // a sync that makes no name durable
		synctest.Wait()
		if j.settledLocked() >= 0 || j.Stats().Segments != 1 {
			t.Errorf("settled by a sync of a file, %d segments", j.Stats().Segments)
		}
		put(t, j, 3, 96) // in a new file, whose name becomes durable
		synctest.Wait()
		if j.Stats().Recycled != 0 || j.settledLocked() != 0 {
			t.Errorf("stats %+v", j.Stats())
		}
		j.Release(4) // another spare
		failing(disk, memfs.SyncDir)
		wantError(t, j.Wait(context.Background(), appendOne(t, j, 4)), fault.IO, syscall.EIO)
		disk.SetHook(nil)
		synctest.Wait()
		if len(j.spares) != 0 || j.Stats().Recycled != 1 {
			t.Errorf("%d spares, stats %+v", len(j.spares), j.Stats())
		}
		pause()
		put(t, j, 5, 96)
		wantError(t, j.Close(), fault.IO, syscall.EIO) // of 4
		for _, mode := range []memfs.Mode{memfs.KillNine(), memfs.PowerLoss()} {
			got, damage := read(t, disk.Clone(mode), where)
			if len(damage) != 0 || got[4] != 3 || got[6] != 5 {
				t.Errorf("%v: %v, damage %v", mode, got, damage)
			}
		}
	})
}

// TestSteady: under a steady load that is released as it comes no file is made.
func TestSteady(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync=%v", durable), func(t *testing.T) {
			disk := memfs.New()
			j := create(t, disk, Config{SegmentBytes: headerSize + 2*recordSize(96), Sync: durable})
			for id := uint64(1); id <= 100; id++ {
				j.Release(put(t, j, id, 96))
			}
			if s := j.Stats(); s.Recycled < 45 {
				t.Errorf("%d of 50 segments were recycled", s.Recycled)
			}
		})
	}
}
