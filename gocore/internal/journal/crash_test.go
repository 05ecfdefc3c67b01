package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

// ledger is what a test knows about a journal: what must be in it, and what may.
type ledger struct {
	sync bool

	mu       sync.Mutex // guards what follows
	tried    map[uint64]bool
	acked    map[uint64]uint64 // ids by position
	released uint64
}

func newLedger(durable bool) *ledger {
	return &ledger{sync: durable, tried: map[uint64]bool{}, acked: map[uint64]uint64{}}
}

// store appends and waits as a receiver does.
func (l *ledger) store(j *Journal, id uint64, size int) {
	l.mu.Lock()
	l.tried[id] = true
	l.mu.Unlock()
	position, err := j.Append(signalOf(id), 0, body(id, size))
	if err == nil {
		err = j.Wait(context.Background(), position)
	}
	if err == nil {
		l.mu.Lock()
		l.acked[position] = id
		l.mu.Unlock()
	}
}

func (l *ledger) release(j *Journal, below uint64) {
	l.mu.Lock()
	l.released = max(l.released, below) // before it happens: it may be half done
	l.mu.Unlock()
	j.Release(below)
}

// inspect crashes the disk and reads what is left: the next process's view.
func (l *ledger) inspect(t tb, disk *memfs.FS, mode memfs.Mode, power bool) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	left := disk.Clone(mode)
	got := map[uint64]uint64{}
	dead, err := Dead(left, "/root")
	noError(t, err)
	for _, dir := range dead {
		r, err := Open(left, dir, quiet())
		noError(t, err)
		got = readAll(t, r)
		if damage := r.Damage(); len(damage) > 0 && !power {
			t.Fatalf("%v: damage %+v", mode, damage)
		}
		noError(t, r.Remove())
	}
	again, err := Dead(left, "/root")
	if len(again) != 0 || err != nil {
		t.Fatalf("%v: dead again: %q, %v", mode, again, err)
	}
	l.compare(t, mode, got, power)
}

func (l *ledger) compare(t tb, mode memfs.Mode, got map[uint64]uint64, power bool) {
	t.Helper()
	seen := map[uint64]bool{}
	for position, id := range got {
		if !l.tried[id] || seen[id] {
			t.Fatalf("%v: %d at position %d was read twice or never appended", mode, id, position)
		}
		seen[id] = true
	}
	if power && !l.sync {
		return // all may be lost
	}
	for position, id := range l.acked {
		if position >= l.released && got[position] != id {
			t.Fatalf("%v: %d was acknowledged at position %d and is lost; read %v", mode, id, position, got)
		}
	}
}

func (l *ledger) inspectAll(t tb, disk *memfs.FS, seed uint64) {
	t.Helper()
	l.inspect(t, disk, memfs.KillNine(), false)
	l.inspect(t, disk, memfs.PowerLoss(), true)
	l.inspect(t, disk, memfs.PowerLossPartly(seed), true)
}

// torn is a process that was killed within a write: the kernel may have taken n bytes of it.
func torn(t tb, disk *memfs.FS, op memfs.Op, n int) *memfs.FS {
	t.Helper()
	left := disk.Clone(memfs.KillNine())
	file, err := left.OpenFile(op.Name, syscall.O_RDWR, 0)
	noError(t, err)
	defer file.Close()
	_, err = file.WriteAt(op.Data[:n], op.Offset)
	noError(t, err)
	return left
}

func (l *ledger) inspectTorn(t tb, disk *memfs.FS, op memfs.Op) {
	t.Helper()
	if op.Kind != memfs.Write {
		return
	}
	for _, n := range []int{1, 8, recordHeader - 1, recordHeader, len(op.Data) / 2, len(op.Data) - markSize, len(op.Data) - 1} {
		if n > 0 && n < len(op.Data) {
			l.inspect(t, torn(t, disk, op, n), memfs.KillNine(), false)
		}
	}
}

// apart checks within a call, up to the first failure. That ends the check's goroutine and not
// the caller's: a journal whose committer is gone never closes, and synctest would panic.
func apart(t testing.TB, check func()) {
	if t.Failed() {
		return
	}
	var done sync.WaitGroup
	done.Go(check)
	done.Wait()
}

// story is a small life of a journal: segments come and go.
func story(l *ledger, disk *memfs.FS) error {
	j, err := Create(disk, where, Config{SegmentBytes: 300, Sync: l.sync}, quiet())
	if err != nil {
		return err
	}
	for id := uint64(1); id <= 8; id++ {
		l.store(j, id, int(id)*20)
		switch id {
		case 5:
			l.release(j, 4)
		case 7:
			l.release(j, j.Next())
		}
		if id%2 == 1 {
			pause() // some appends meet the pause after an error, some do not
		}
	}
	l.store(j, 9, scratchBytes+1) // in a file that was used before, and beyond
	for id := uint64(10); id <= 14; id++ {
		l.store(j, id, int(id)*7)
		l.release(j, j.Next()-id%3)
	}
	return j.Close()
}

// TestCrashAnywhere: a crash before any call, or within a write, loses nothing that was
// acknowledged.
func TestCrashAnywhere(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync=%v", durable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, disk := newLedger(durable), memfs.New()
				var crashes atomic.Int64
				disk.SetHook(func(op memfs.Op) error {
					if !op.Kind.Changes() {
						return nil
					}
					crashes.Add(1)
					apart(t, func() {
						l.inspectAll(t, disk, uint64(op.N))
						l.inspectTorn(t, disk, op)
					})
					return nil
				})
				noError(t, story(l, disk))
				disk.SetHook(nil)
				l.inspectAll(t, disk, 0)
				if crashes.Load() < 40 || len(l.acked) != 14 {
					t.Errorf("%d crashes, %d records", crashes.Load(), len(l.acked))
				}
			})
		})
	}
}

// TestErrorAnywhere: a call that fails, or several in a row, loses nothing that was
// acknowledged either, whatever crash follows.
func TestErrorAnywhere(t *testing.T) {
	for _, durable := range []bool{false, true} {
		for _, lasting := range []int{1, 3} {
			for failing := 1; failing > 0; failing++ {
				synctest.Test(t, func(t *testing.T) {
					if errorAt(t, durable, failing, lasting) {
						failing = -1
					}
				})
			}
		}
	}
}

// errorAt makes the n-th changing call and some after it fail, and tells whether there was none.
func errorAt(t *testing.T, durable bool, failing, lasting int) bool {
	l, disk := newLedger(durable), memfs.New()
	var count atomic.Int64 // the committer makes calls too
	disk.SetHook(func(op memfs.Op) error {
		if !op.Kind.Changes() && op.Kind != memfs.Close && op.Kind != memfs.Chmod && op.Kind != memfs.Open {
			return nil
		}
		calls := int(count.Add(1))
		if calls >= failing && op.Kind.Changes() {
			apart(t, func() { l.inspectAll(t, disk, uint64(op.N)) })
		}
		if calls < failing || calls >= failing+lasting {
			return nil
		}
		if op.Kind == memfs.Write {
			return &memfs.ShortWriteError{N: len(op.Data) * (failing % 3) / 2, Err: syscall.ENOSPC}
		}
		return syscall.EIO
	})
	err := story(l, disk)
	disk.SetHook(nil)
	l.inspectAll(t, disk, uint64(failing))
	if len(l.acked) == 0 && err == nil {
		t.Fatalf("nothing was acknowledged after call %d failed", failing)
	}
	return int(count.Load()) < failing
}

// TestModel: any order of calls, errors and crashes.
func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(undated{t}, func(r *rapid.T) {
			m := &model{ledger: newLedger(rapid.Bool().Draw(r, "sync")), disk: memfs.New()}
			j, err := Create(m.disk, where, Config{
				MaxBytes: 20 << 10, SegmentBytes: rapid.Int64Range(100, 5000).Draw(r, "segment"), Sync: m.sync,
			}, quiet())
			noError(t, err)
			defer j.Close()
			r.Repeat(map[string]func(*rapid.T){
				"store":   func(r *rapid.T) { m.storeSome(r, j) },
				"release": func(r *rapid.T) { m.release(j, rapid.Uint64Range(0, j.Next()).Draw(r, "below")) },
				"fail":    func(r *rapid.T) { m.fail(r) },
				"pause":   func(*rapid.T) { pause() },
				"": func(r *rapid.T) {
					m.inspectAll(r, m.disk, rapid.Uint64().Draw(r, "seed"))
					m.checkSize(r, j)
				},
			})
		})
	})
}

// undated is a test without a deadline: in a bubble of synctest it may not be asked for.
type undated struct{ rapid.TB }

type model struct {
	*ledger
	disk   *memfs.FS
	id     uint64
	faults bool // errors were injected: files may be left that could not be removed
}

// storeSome stores from several goroutines at once.
func (m *model) storeSome(r *rapid.T, j *Journal) {
	sizes := rapid.SliceOfN(rapid.IntRange(16, 3000), 1, 4).Draw(r, "sizes")
	var all sync.WaitGroup
	for _, size := range sizes {
		m.id++
		id := m.id
		all.Go(func() { m.store(j, id, size) })
	}
	all.Wait()
}

// fail lets some of the next calls fail.
func (m *model) fail(r *rapid.T) {
	kinds := rapid.SliceOfDistinct(rapid.SampledFrom([]memfs.Kind{
		memfs.Write, memfs.Sync, memfs.SyncDir, memfs.Create, memfs.Chmod, memfs.Remove, memfs.Close,
		memfs.Rename, memfs.Truncate, memfs.Open,
	}), func(k memfs.Kind) memfs.Kind { return k }).Draw(r, "kinds")
	times := rapid.IntRange(0, 5).Draw(r, "times")
	short := rapid.IntRange(0, 200).Draw(r, "short")
	m.faults = m.faults || times > 0
	var mu sync.Mutex
	m.disk.SetHook(func(op memfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if times == 0 || !slices.Contains(kinds, op.Kind) {
			return nil
		}
		times--
		if op.Kind == memfs.Write {
			return &memfs.ShortWriteError{N: short, Err: syscall.ENOSPC}
		}
		return syscall.EIO
	})
}

// checkSize: what the journal counts is what its files take, or a little more after errors.
func (m *model) checkSize(t tb, j *Journal) {
	t.Helper()
	j.mu.Lock()
	size := j.Size() + j.spare
	j.mu.Unlock()
	total := onDisk(t, m.disk.Clone(memfs.KillNine()))
	if size > j.Capacity() || size < j.Size() || !m.faults && size != total {
		t.Fatalf("it counts %d of %d bytes, its files have %d", size, j.Capacity(), total)
	}
}

// TestKilledWhileWriting: a real process that appends as fast as it can is killed, on a real
// disk, and writes its files over and over; what it had told before is read.
func TestKilledWhileWriting(t *testing.T) {
	for round := range 3 {
		dir, told := killed(t)
		got, damage := read(t, fsys.OS{}, dir)
		if len(damage) != 0 || told == 0 {
			t.Fatalf("round %d: %d told, %d read, damage %v", round, told, len(got), damage)
		}
		for position := max(told, keptByKilled) - keptByKilled + 1; position <= told; position++ {
			if got[position] != position {
				t.Fatalf("round %d: %d of %d told is lost", round, position, told)
			}
		}
		for position, id := range maps.All(got) {
			if position != id {
				t.Fatalf("position %d has %d", position, id)
			}
		}
	}
}
