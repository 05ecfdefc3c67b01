package journal

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

// TestStatsFull: full is what would refuse the refused append again; what was released is no
// longer in its way, though its segment is too short to be cut by itself.
func TestStatsFull(t *testing.T) {
	j := create(t, memfs.New(), Config{MaxBytes: 2000, SegmentBytes: 10000})
	put(t, j, 1, 1000)
	if j.Stats().Full {
		t.Error("full before a refusal")
	}
	_, err := j.Append(signalOf(2), 0, body(2, 1000))
	wantError(t, err, fault.Overloaded, nil)
	if !j.Stats().Full {
		t.Error("not full after a refusal")
	}
	j.Release(j.Next())
	if j.Stats().Full {
		t.Error("full after a release")
	}
	put(t, j, 2, 1000)
	_, err = j.Append(signalOf(3), 0, body(3, 1000))
	wantError(t, err, fault.Overloaded, nil)
	put(t, j, 4, 100)
	if j.Stats().Full {
		t.Error("full after another append went well")
	}
}

// TestStatsFailure: the last try counts, with its time.
func TestStatsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, Config{Sync: true})
		put(t, j, 1, 100)
		if s := j.Stats(); s.Failure != nil || !s.LastTried.IsZero() {
			t.Errorf("at first: %+v", s)
		}
		for _, kind := range []memfs.Kind{memfs.Write, memfs.Sync} {
			disk.SetHook(func(op memfs.Op) error {
				if op.Kind == kind {
					return syscall.ENOSPC
				}
				return nil
			})
			position, err := j.Append(signalOf(2), 0, body(2, 100))
			if err == nil {
				err = j.Wait(t.Context(), position)
			}
			wantError(t, err, fault.IO, syscall.ENOSPC)
			failed := time.Now()
			time.Sleep(time.Minute)
			if s := j.Stats(); !errors.Is(s.Failure, syscall.ENOSPC) || !s.LastTried.Equal(failed) {
				t.Errorf("%s: %+v", kind, s)
			}
			disk.SetHook(nil)
			put(t, j, 3, 100)
			if s := j.Stats(); s.Failure != nil {
				t.Errorf("%s, afterwards: %+v", kind, s)
			}
		}
		if s := j.Stats(); j.SyncSeconds().Count != s.Syncs || s.Syncs == 0 {
			t.Errorf("%d syncs were timed, of %d", j.SyncSeconds().Count, s.Syncs)
		}
	})
}
