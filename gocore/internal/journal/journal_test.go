package journal

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestRoundTrip: records of every size come back, in order and once, from both file systems.
func TestRoundTrip(t *testing.T) {
	sizes := []int{0, 1, 7, 8, 9, 500, 4096, scratchBytes - 1, scratchBytes, scratchBytes + 1, windowBytes, 3 * windowBytes}
	for name, disk := range map[string]fsys.FS{"os": fsys.OS{}, "memfs": memfs.New()} {
		for _, sync := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "root", "writer")
				j, err := Create(disk, dir, Config{SegmentBytes: 256 << 10, Sync: sync}, quiet())
				noError(t, err)
				for i, size := range sizes {
					id := uint64(i + 1)
					if next := j.Next(); next != id {
						t.Errorf("next is %d, want %d", next, id)
					}
					if position := put(t, j, id, size); position != id {
						t.Errorf("position %d, want %d", position, id)
					}
				}
				_, err = Open(disk, dir, quiet())
				wantError(t, err, fault.IO, fsys.ErrLocked)
				if dead, err := Dead(disk, filepath.Dir(dir)); len(dead) != 0 || err != nil {
					t.Errorf("dead: %q, %v", dead, err)
				}
				noError(t, j.Close())
				noError(t, j.Close())

				dead, err := Dead(disk, filepath.Dir(dir))
				if !slices.Equal(dead, []string{dir}) || err != nil {
					t.Fatalf("dead: %q, %v", dead, err)
				}
				r, err := Open(disk, dir, quiet())
				noError(t, err)
				wantError(t, r.Remove(), fault.Internal, ErrUnread)
				if got := readAll(t, r); len(got) != len(sizes) || len(r.Damage()) != 0 {
					t.Errorf("%d records, damage %v", len(got), r.Damage())
				}
				if _, err := r.Next(); !errors.Is(err, io.EOF) {
					t.Errorf("after the end: %v", err)
				}
				noError(t, r.Remove())
				noError(t, r.Close())
				wantError(t, r.Remove(), fault.Closed, nil)
				_, err = r.Next()
				wantError(t, err, fault.Closed, nil)
				if left, err := disk.ReadDir(filepath.Dir(dir)); len(left) != 0 || err != nil {
					t.Errorf("left: %v, %v", left, err)
				}
			})
		}
	}
}

func TestEmptyBody(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, Config{})
	for range 3 {
		_, err := j.Append(otlp.Logs, 0, nil)
		noError(t, err)
	}
	noError(t, j.Close())
	r, err := Open(disk, where, quiet())
	noError(t, err)
	defer r.Close()
	for want := uint64(1); want <= 3; want++ {
		record, err := r.Next()
		if err != nil || record.Position != want || len(record.Body) != 0 {
			t.Errorf("record %+v, %v", record, err)
		}
	}
}

func TestConfig(t *testing.T) {
	tests := []struct {
		config  Config
		segment int64
		faults  int
	}{
		{Config{}, 16 << 20, 0},
		{Config{MaxBytes: 1 << 20}, 128 << 10, 0},
		{Config{MaxBytes: 64 << 20}, 8 << 20, 0},
		{Config{MaxBytes: 256 << 10}, 64 << 10, 1},
		{Config{MaxBytes: 1 << 41}, 16 << 20, 1},
		{Config{SegmentBytes: 1 << 20}, 1 << 20, 0},
		{Config{SegmentBytes: 1}, 1, 1},
		{Config{MaxBytes: -1, SegmentBytes: -1}, -1, 2},
	}
	for _, tt := range tests {
		c := tt.config.withDefaults()
		if c.SegmentBytes != tt.segment || c.MaxBytes == 0 || c.DirMode != 0o700 || c.FileMode != 0o600 {
			t.Errorf("%+v: %+v", tt.config, c)
		}
		faults := tt.config.Validate("queue")
		if len(faults) != tt.faults {
			t.Errorf("%+v: %v", tt.config, faults)
		}
		for _, err := range faults {
			if !strings.HasPrefix(err.Error(), "queue.") {
				t.Errorf("without the key: %v", err)
			}
		}
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes there")
	}
	dir := filepath.Join(t.TempDir(), "root", "writer")
	j, err := Create(fsys.OS{}, dir, Config{DirMode: 0o666, FileMode: 0o666}, quiet())
	noError(t, err)
	defer j.Close()
	put(t, j, 1, 10)
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(dir): fs.ModeDir | 0o766, dir: fs.ModeDir | 0o766, lockName(dir): 0o666, segments(t, fsys.OS{}, dir)[0]: 0o666,
	} {
		info, err := fsys.OS{}.Stat(path)
		noError(t, err)
		if info.Mode() != want {
			t.Errorf("%s: %v, want %v", path, info.Mode(), want)
		}
	}
}

// TestCreateFails: whatever call fails, nothing is left that keeps a later start from going on.
func TestCreateFails(t *testing.T) {
	for failing := 1; ; failing++ {
		disk := memfs.New()
		calls := failNth(disk, failing)
		j, err := Create(disk, where, Config{Sync: true}, quiet())
		disk.SetHook(nil)
		if *calls < failing {
			noError(t, err)
			noError(t, j.Discard())
			return
		}
		if err == nil {
			noError(t, j.Discard()) // looking or closing failed
			continue
		}
		wantError(t, err, fault.IO, syscall.EIO)
		again, err := Create(disk, where, Config{}, quiet())
		noError(t, err)
		noError(t, again.Discard())
	}
}

func TestCreateTwice(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, Config{})
	_, err := Create(disk, where, Config{}, quiet())
	wantError(t, err, fault.IO, fs.ErrExist)
	noError(t, j.Close())
	_, err = Create(disk, where, Config{}, quiet())
	wantError(t, err, fault.IO, fs.ErrExist)
	_, err = Open(disk, "/root/nobody", quiet())
	wantError(t, err, fault.IO, fs.ErrNotExist)
	if names := segments(t, disk, "/root"); len(names) != 2 {
		t.Errorf("beside the journal: %q", names)
	}
}

func TestRefused(t *testing.T) {
	j := create(t, memfs.New(), Config{MaxBytes: 1000})
	_, err := j.Append(otlp.Count, 0, nil)
	wantError(t, err, fault.Invalid, nil)
	_, err = j.Append(otlp.Logs, 0, make([]byte, 1000-headerSize-int(recordSize(0))+1))
	wantError(t, err, fault.TooLarge, nil)
	_, err = j.Append(otlp.Logs, 0, make([]byte, 1000-headerSize-int(recordSize(0))))
	noError(t, err)
	if j.Size() != j.Capacity() {
		t.Errorf("size %d of %d", j.Size(), j.Capacity())
	}
	_, err = j.Append(otlp.Logs, 0, nil)
	wantError(t, err, fault.Overloaded, nil)
	if after := fault.RetryAfterOf(err); after != time.Second {
		t.Errorf("retry after %v", after)
	}
	if j.Next() != 2 {
		t.Errorf("a refused record took a position: next is %d", j.Next())
	}
	if s := j.Stats(); s.Refused != 1 || s.Records != 1 || s.Bytes != 896 || s.Segments != 1 {
		t.Errorf("stats: %+v", s)
	}
	noError(t, j.Close())
	_, err = j.Append(otlp.Logs, 0, nil)
	wantError(t, err, fault.Closed, nil)
}

// TestFullUntilReleased: room comes back with what is released, even by cutting the active
// segment over.
func TestFullUntilReleased(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, Config{MaxBytes: 2000, SegmentBytes: 10000})
	put(t, j, 1, 1000)
	big := body(2, 1000)
	_, err := j.Append(signalOf(2), 0, big)
	wantError(t, err, fault.Overloaded, nil)
	j.Release(1)
	_, err = j.Append(signalOf(2), 0, big)
	wantError(t, err, fault.Overloaded, nil)
	j.Release(j.Next()) // too short a segment to be cut by itself
	put(t, j, 2, 1000)
	noError(t, j.Close())
	got, damage := read(t, disk, where)
	expectIDs(t, got, 2)
	if len(damage) != 0 {
		t.Errorf("damage %v", damage)
	}
}

// TestRelease: whole segments go, oldest first; an idle journal shrinks.
func TestRelease(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, Config{SegmentBytes: 64 + 3*144}) // three records each
	for id := uint64(1); id <= 10; id++ {
		put(t, j, id, 100)
	}
	full := j.Size()
	for _, tt := range []struct {
		below    uint64
		segments int
	}{{0, 4}, {3, 4}, {4, 3}, {5, 3}, {8, 2}, {6, 2}, {10, 1}, {11, 1}, {99, 1}} {
		j.Release(tt.below)
		if got := len(withSuffix(t, disk, suffix)); got != tt.segments || j.Stats().Segments != got {
			t.Errorf("below %d: %d segments, want %d", tt.below, got, tt.segments)
		}
	}
	if size := j.Size(); size >= full || size == 0 {
		t.Errorf("size %d, before %d", size, full)
	}
	put(t, j, 11, 100)
	put(t, j, 12, 100)
	j.Release(13) // now the active one is worth cutting
	if size := j.Size(); size != 0 || len(withSuffix(t, disk, suffix)) != 0 {
		t.Errorf("size %d", size)
	}
	if position := put(t, j, 13, 100); position != 13 {
		t.Errorf("position %d comes again", position)
	}
	noError(t, j.Close())
	j.Release(14)
	got, damage := read(t, disk, where)
	expectIDs(t, got, 13)
	if len(damage) != 0 {
		t.Errorf("damage %v", damage)
	}
}

// TestReleaseFails: a segment that cannot be removed stays, and so do those after it, until
// it can; it is told once.
func TestReleaseFails(t *testing.T) {
	disk := memfs.New()
	log := &obstest.Log{}
	j, err := Create(disk, where, Config{SegmentBytes: 100}, log.Logger())
	noError(t, err)
	defer j.Close()
	for id := uint64(1); id <= 3; id++ {
		put(t, j, id, 100)
	}
	failing(disk, memfs.Remove)
	j.Release(3)
	j.Release(3)
	if got := j.Stats().Segments; got != 3 {
		t.Errorf("%d segments", got)
	}
	disk.SetHook(nil)
	j.Release(3)
	j.Release(3)
	if got := len(segments(t, disk, where)); got != 1 {
		t.Errorf("%d segments", got)
	}
	if text := log.String(); strings.Count(text, "cannot be removed") != 1 || strings.Count(text, "goes on") != 1 {
		t.Errorf("log:\n%s", text)
	}
}

func TestDiscard(t *testing.T) {
	for _, sync := range []bool{false, true} {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: sync})
		put(t, j, 1, 100)
		wantError(t, j.Discard(), fault.Internal, ErrUnreleased)
		got, _ := read(t, disk, where)
		expectIDs(t, got, 1)

		disk = memfs.New()
		j = create(t, disk, Config{Sync: sync})
		put(t, j, 1, 100)
		j.Release(2)
		noError(t, j.Discard())
		noError(t, j.Discard())
		noError(t, j.Close())
		if left := segments(t, disk, "/root"); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
	}
}

// TestDiscardFails: what cannot be removed is the next process's, empty or not.
func TestDiscardFails(t *testing.T) {
	for failing := 1; ; failing++ {
		disk := memfs.New()
		j := create(t, disk, Config{})
		put(t, j, 1, 100)
		j.Release(2)
		calls := failNth(disk, failing, memfs.Close)
		err := j.Discard()
		disk.SetHook(nil)
		if *calls < failing {
			noError(t, err)
			return
		}
		wantError(t, err, fault.IO, syscall.EIO)
		dead, err := Dead(disk, "/root")
		noError(t, err)
		for _, dir := range dead {
			r, err := Open(disk, dir, quiet())
			noError(t, err)
			readAll(t, r)
			noError(t, r.Remove())
		}
		if left := segments(t, disk, "/root"); len(left) != 0 {
			t.Errorf("call %d failed: %q", failing, left)
		}
	}
}

// TestAppendFails: a failing disk is tried at most four times a second, told once, and costs
// no record that was acknowledged.
func TestAppendFails(t *testing.T) {
	for _, kind := range []memfs.Kind{memfs.Create, memfs.Chmod, memfs.Write} {
		synctest.Test(t, func(t *testing.T) {
			disk := memfs.New()
			log := &obstest.Log{}
			j, err := Create(disk, where, Config{SegmentBytes: 200}, log.Logger())
			noError(t, err)
			defer j.Close()
			put(t, j, 1, 100)
			tries := 0
			disk.SetHook(func(op memfs.Op) error {
				if op.Kind == kind {
					tries++
					return syscall.EIO
				}
				return nil
			})
			for range 20 {
				_, err := j.Append(signalOf(2), 0, body(2, 100))
				wantError(t, err, fault.IO, syscall.EIO)
				time.Sleep(retryInterval / 10)
			}
			if tries != 2 {
				t.Errorf("%v was tried %d times in half a second", kind, tries)
			}
			disk.SetHook(nil)
			pause()
			position := put(t, j, 3, 100)
			if position != j.Next()-1 || j.Stats().Failed != 20 {
				t.Errorf("position %d, next %d, stats %+v", position, j.Next(), j.Stats())
			}
			if text := log.String(); strings.Count(text, "fails") != 1 || strings.Count(text, "goes on") != 1 {
				t.Errorf("log:\n%s", text)
			}
			noError(t, j.Close())
			got, damage := read(t, disk, where)
			expectIDs(t, got, 1, 3)
			if len(damage) != 0 {
				t.Errorf("damage %v", damage)
			}
		})
	}
}

// TestDiskFull: a full disk gathers no files, its torn records are passed over, and there is
// room again as soon as something is removed.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{})
		put(t, j, 1, 1000)
		disk.SetCapacity(2 * 4096)
		for range 10 {
			_, err := j.Append(signalOf(2), 0, body(2, 10000))
			wantError(t, err, fault.IO, syscall.ENOSPC)
			pause()
		}
		if got := len(segments(t, disk, where)); got != 1 {
			t.Errorf("%d files", got)
		}
		if got := j.Size(); got < disk.Used()-4096 {
			t.Errorf("size %d, on disk %d", got, disk.Used())
		}
		disk.SetCapacity(0)
		put(t, j, 3, 10000)
		noError(t, j.Close())
		got, damage := read(t, disk, where)
		expectIDs(t, got, 1, 3)
		if len(damage) != 0 {
			t.Errorf("damage %v", damage)
		}
	})
}

// TestLeftover: an abandoned segment that cannot be removed at once is later. Until then its
// record, which is whole but was never acknowledged, is not read.
func TestLeftover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: 100})
		put(t, j, 1, 100)
		writes := 0
		disk.SetHook(func(op memfs.Op) error {
			if op.Kind == memfs.Write {
				writes++
			}
			if op.Kind == memfs.Remove || writes == 2 { // the header is written, the record fails
				return &memfs.ShortWriteError{N: len(op.Data), Err: syscall.EIO}
			}
			return nil
		})
		_, err := j.Append(signalOf(2), 0, body(2, 100))
		wantError(t, err, fault.IO, syscall.EIO)
		disk.SetHook(nil)
		pause()
		put(t, j, 3, 100)
		got, damage := read(t, disk.Clone(memfs.KillNine()), where)
		expectIDs(t, got, 1, 3)
		if len(damage) != 0 || len(segments(t, disk, where)) != 3 {
			t.Errorf("%d segments, damage %v", len(segments(t, disk, where)), damage)
		}
		j.Release(3)
		if got := len(segments(t, disk, where)); got != 1 || j.Stats().Segments != 1 {
			t.Errorf("%d segments are left", got)
		}
	})
}

// TestDirectoryRemoved: the journal goes on in a new directory under a lock, as soon as it
// notices.
func TestDirectoryRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what is open cannot be removed there")
	}
	for name, gone := range map[string]func(root, dir string) error{
		"all":           func(root, _ string) error { return os.RemoveAll(root) },
		"the directory": func(_, dir string) error { return os.RemoveAll(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			dir := filepath.Join(root, "writer")
			j, err := Create(fsys.OS{}, dir, Config{Sync: true}, quiet())
			noError(t, err)
			put(t, j, 1, 100)
			noError(t, gone(root, dir))
			j.Release(1)
			if position := put(t, j, 2, 100); position != 2 {
				t.Errorf("position %d", position)
			}
			_, err = Open(fsys.OS{}, dir, quiet())
			wantError(t, err, fault.IO, fsys.ErrLocked)
			noError(t, j.Close())
			got, damage := read(t, fsys.OS{}, dir)
			expectIDs(t, got, 2)
			if len(damage) != 0 {
				t.Errorf("damage %v", damage)
			}
		})
	}
}

// TestRemakeFails: then the next append tries again.
func TestRemakeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{})
		noError(t, disk.Remove(where))
		failing(disk, memfs.Mkdir)
		_, err := j.Append(otlp.Logs, 0, body(2, 16))
		wantError(t, err, fault.IO, syscall.EIO)
		disk.SetHook(nil)
		pause()
		put(t, j, 1, 100)
	})
}

func TestConcurrentAppends(t *testing.T) {
	for _, durable := range []bool{false, true} {
		const writers, each = 8, 50
		disk := memfs.New()
		j := create(t, disk, Config{SegmentBytes: 4 << 10, Sync: durable})
		var all sync.WaitGroup
		for w := range uint64(writers) {
			all.Go(func() {
				for i := range uint64(each) {
					before := j.Next()
					position, err := j.Append(signalOf(w*each+i), 0, body(w*each+i, int(i)))
					if err != nil || position < before || position >= j.Next() {
						t.Errorf("position %d between %d and %d, %v", position, before, j.Next(), err)
					}
					if err := j.Wait(context.Background(), position); err != nil {
						t.Error(err)
					}
					j.Release(0)
					j.Size()
					j.Stats()
				}
			})
		}
		all.Wait()
		if s := j.Stats(); s.Records != writers*each || (s.Syncs > 0) != durable || s.Segments < 3 {
			t.Errorf("stats %+v", s)
		}
		noError(t, j.Close())
		if got, damage := read(t, disk, where); len(got) != writers*each || len(damage) != 0 {
			t.Errorf("read %d records, damage %v", len(got), damage)
		}
	}
}

// TestDead: only directories whose lock is free, and errors do not hide the others.
func TestDead(t *testing.T) {
	disk := memfs.New()
	if dead, err := Dead(disk, "/root"); dead != nil || err != nil {
		t.Errorf("without a root: %q, %v", dead, err)
	}
	create(t, disk, Config{})
	for _, dir := range []string{"/root/a", "/root/b", "/root/c.damaged"} {
		noError(t, disk.Mkdir(dir, 0o700))
	}
	dead, err := Dead(disk, "/root")
	if !slices.Equal(dead, []string{"/root/a", "/root/b"}) || err != nil {
		t.Errorf("dead: %q, %v", dead, err)
	}
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Lock && op.Name == lockName("/root/a") {
			return syscall.EACCES
		}
		return nil
	})
	dead, err = Dead(disk, "/root")
	if !slices.Equal(dead, []string{"/root/b"}) || !errors.Is(err, syscall.EACCES) {
		t.Errorf("dead: %q, %v", dead, err)
	}
	failing(disk, memfs.ReadDir)
	if _, err := Dead(disk, "/root"); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v", err)
	}
}

// TestCloseFails: an error of the last sync or of closing is told each time.
func TestCloseFails(t *testing.T) {
	for _, tt := range []struct {
		sync bool
		kind memfs.Kind
	}{{true, memfs.Sync}, {true, memfs.SyncDir}, {false, memfs.Close}} {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: tt.sync})
		_, err := j.Append(otlp.Logs, 0, body(1, 10))
		noError(t, err)
		failing(disk, tt.kind)
		for range 2 {
			wantError(t, j.Close(), fault.IO, syscall.EIO)
		}
	}
}
