package journal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
)

// gate holds syncs back until it is opened.
type gate struct{ in, out chan struct{} }

func newGate(disk *memfs.FS) gate {
	g := gate{make(chan struct{}), make(chan struct{})}
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Sync {
			g.in <- struct{}{}
			<-g.out
		}
		return nil
	})
	return g
}

func appendOne(t tb, j *Journal, id uint64) uint64 {
	t.Helper()
	position, err := j.Append(signalOf(id), 0, body(id, 100))
	noError(t, err)
	return position
}

// TestGroupCommit: all who come while a sync runs share the next one.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: true})
		g := newGate(disk)
		var all sync.WaitGroup
		wait := func(position uint64) {
			all.Go(func() {
				if err := j.Wait(context.Background(), position); err != nil {
					t.Error(err)
				}
			})
		}
		wait(appendOne(t, j, 1))
		<-g.in // it flies
		for id := uint64(2); id <= 100; id++ {
			wait(appendOne(t, j, id))
		}
		synctest.Wait()
		g.out <- struct{}{}
		<-g.in
		wait(100) // within the round that flies
		synctest.Wait()
		g.out <- struct{}{}
		all.Wait()
		if got := j.Stats().Syncs; got != 2 {
			t.Errorf("%d syncs", got)
		}
		disk.SetHook(nil)
	})
}

// TestWaitEnds: with its ctx, and that says nothing about the record.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: true})
		g := newGate(disk)
		position := appendOne(t, j, 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		go func() { <-g.in }()
		wantError(t, j.Wait(ctx, position), fault.Timeout, context.DeadlineExceeded)
		g.out <- struct{}{}
		disk.SetHook(nil)
		noError(t, j.Wait(context.Background(), position))
		noError(t, j.Wait(ctx, position)) // the verdict comes before the deadline
	})
}

// TestSyncFails: the error reaches all whose record was not durable before, and stays; the
// journal goes on in a new segment.
func TestSyncFails(t *testing.T) {
	for _, kind := range []memfs.Kind{memfs.Sync, memfs.SyncDir} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { syncFails(t, kind) })
		})
	}
}

func syncFails(t *testing.T, kind memfs.Kind) {
	disk := memfs.New()
	log := &obstest.Log{}
	j, err := Create(disk, where, Config{Sync: true}, log.Logger())
	noError(t, err)
	defer j.Close()
	var want []uint64
	if kind == memfs.Sync { // else the name is durable already
		put(t, j, 1, 100)
		want = []uint64{1}
	}
	failing(disk, kind)
	lost := []uint64{appendOne(t, j, 2), appendOne(t, j, 3)}
	var all sync.WaitGroup
	for _, position := range lost {
		all.Go(func() {
			err := j.Wait(context.Background(), position)
			if fault.KindOf(err) != fault.IO || !errors.Is(err, syscall.EIO) {
				t.Errorf("error %v", err)
			}
		})
	}
	all.Wait()
	_, err = j.Append(signalOf(4), 0, body(4, 100)) // the pause after an error
	wantError(t, err, fault.IO, syscall.EIO)
	for range 3 {
		pause()
		lost = append(lost, appendOne(t, j, 5))
		wantError(t, j.Wait(context.Background(), lost[len(lost)-1]), fault.IO, syscall.EIO)
	}
	disk.SetHook(nil)
	pause()
	put(t, j, 6, 100)
	check := func() {
		t.Helper()
		for _, position := range lost {
			wantError(t, j.Wait(context.Background(), position), fault.IO, nil)
		}
	}
	check()
	if text := log.String(); strings.Count(text, "fails") != 1 || strings.Count(text, "syncing the journal goes on") != 1 {
		t.Errorf("log:\n%s", text)
	}
	for _, mode := range []memfs.Mode{memfs.KillNine(), memfs.PowerLoss()} {
		got, damage := read(t, disk.Clone(mode), where)
		expectIDs(t, got, append(want, 6)...) // what failed is not read back, not even after kill -9
		if len(damage) != 0 {
			t.Errorf("%v: damage %v", mode, damage)
		}
	}
	j.Release(j.Next())
	j.cut(0)
	j.reap()
	check() // also when the segments are gone
	if s := j.Stats(); s.SyncFailed != 4 || s.Segments != 0 || s.Failed != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestWaitUnknown: a position that was never given, or given to a record that failed, is
// never durable.
func TestWaitUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: true})
		put(t, j, 1, 100)
		failing(disk, memfs.Write)
		_, err := j.Append(signalOf(2), 0, body(2, 100))
		wantError(t, err, fault.IO, nil)
		disk.SetHook(nil)
		pause()
		put(t, j, 3, 100)
		for _, position := range []uint64{0, 2, 4, 1 << 63} {
			wantError(t, j.Wait(context.Background(), position), fault.IO, errLost)
		}
	})
}

// TestReleasedWhileWaiting: what followers have is durable with them.
func TestReleasedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: true, SegmentBytes: 100})
		position := appendOne(t, j, 1)
		appendOne(t, j, 2)
		failing(disk, memfs.Remove)
		j.Release(2)
		noError(t, j.Wait(context.Background(), position)) // it cannot be removed, and need not
		disk.SetHook(nil)
		j.Release(2)
		noError(t, j.Wait(context.Background(), position))
		if got := j.Stats(); got.Segments != 1 || got.Syncs != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

// TestPinned: a segment is not removed under the sync that runs on it, but right after.
func TestPinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: true, SegmentBytes: 100})
		g := newGate(disk)
		done := make(chan error)
		position := appendOne(t, j, 1)
		go func() { done <- j.Wait(context.Background(), position) }()
		<-g.in
		j.Release(j.Next())
		if got := j.Stats().Segments; got != 1 {
			t.Errorf("%d segments while one is synced", got)
		}
		g.out <- struct{}{}
		noError(t, <-done)
		synctest.Wait()
		if got := j.Stats().Segments; got != 0 {
			t.Errorf("%d segments", got)
		}
		disk.SetHook(nil)
	})
}

// TestCloseWakes: the last sync is for all who wait.
func TestCloseWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: true})
		g := newGate(disk)
		done := make(chan error, 2)
		for id := uint64(1); id <= 2; id++ {
			position := appendOne(t, j, id)
			go func() { done <- j.Wait(context.Background(), position) }()
			synctest.Wait()
		}
		closed := make(chan error)
		go func() { closed <- j.Close() }()
		for range 2 {
			<-g.in
			g.out <- struct{}{}
		}
		noError(t, errors.Join(<-closed, <-done, <-done))
		noError(t, j.Wait(context.Background(), 2))
	})
}
