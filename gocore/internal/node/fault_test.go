package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// failing makes calls of a disk that change it fail, from one on and for a while.
type failing struct {
	from, calls int // which
	err         error
	short       bool // writes put half of the data before they fail

	seen atomic.Int64
}

func (f *failing) hook(op memfs.Op) error {
	if !op.Kind.Changes() {
		return nil
	}
	if n := int(f.seen.Add(1)); n <= f.from || n > f.from+f.calls {
		return nil
	}
	if f.short && op.Kind == memfs.Write {
		return &memfs.ShortWriteError{N: len(op.Data) / 2, Err: f.err}
	}
	return f.err
}

// crashes are what each durability survives.
var crashes = map[string]memfs.Mode{config.Write: memfs.KillNine(), config.Fsync: memfs.PowerLoss()}

// throughFaults runs a node on a disk that fails for a while and then is well again, and then a
// second one, which adopts nothing or what the first could not write.
func throughFaults(t *testing.T, durability string, f *failing) (calls int) {
	t.Helper()
	disk, acked := memfs.New(), &acks{}
	n, err := StartOn(disk, crashConfig(durability), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	disk.SetHook(f.hook)
	for i := range 6 {
		id := fmt.Sprintf("request %d", i)
		if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, id)); err == nil {
			acked.add(id)
		} else if kind := fault.KindOf(err); kind != fault.IO && kind != fault.Overloaded {
			t.Errorf("request %d: %v, want an error that says try later", i, err)
		}
		time.Sleep(100 * time.Millisecond)
		if i%2 == 1 {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_ = n.Flush(ctx, otlp.Logs)
			cancel()
		}
	}
	calls = int(f.seen.Load())
	disk.SetHook(nil)
	m := moment{name: fmt.Sprintf("%v at call %d and %d more", f.err, f.from, f.calls-1), acked: acked.now()}
	if mode, survives := crashes[durability]; survives {
		crashed := disk.Clone(mode)
		restart(t, crashed, durability)
		m.expect(t, crashed, "after a crash while it failed")
	}
	time.Sleep(5 * time.Second)
	if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, "afterwards")); err != nil {
		t.Errorf("after the faults: %v", err)
	}
	acked.add("afterwards")
	if err := n.Flush(t.Context(), otlp.Logs); err != nil {
		t.Errorf("Flush after the faults: %v", err)
	}
	m.acked = acked.now()
	m.expect(t, disk, "while it runs")
	if err := n.Shutdown(context.Background()); err != nil {
		t.Errorf("%s: Shutdown: %v", m.name, err)
	}
	restart(t, disk, durability)
	m.expect(t, disk, "after a restart")
	return calls
}

// TestEveryFault: whichever call fails, once or for a while, what was acknowledged is stored once,
// and the node goes on by itself when the disk is well again.
func TestEveryFault(t *testing.T) {
	for _, durability := range []string{config.Write, config.Fsync, config.Memory} {
		for _, err := range []error{syscall.EIO, syscall.ENOSPC} {
			for _, calls := range []int{1, 7} {
				t.Run(fmt.Sprintf("%s %v %d", durability, err, calls), func(t *testing.T) {
					total := 0
					synctest.Test(t, func(t *testing.T) { total = throughFaults(t, durability, &failing{}) })
					for from := range total {
						synctest.Test(t, func(t *testing.T) {
							throughFaults(t, durability, &failing{from: from, calls: calls, err: err, short: from%2 == 1})
						})
						if t.Failed() {
							return
						}
					}
					t.Logf("%d calls failed in turn", total)
				})
			}
		}
	}
}

// TestFullDisk: a disk that is full refuses, degrades nothing that was acknowledged, and is used
// again once there is room.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, acked := memfs.New(), &acks{}
		n, err := StartOn(disk, crashConfig(config.Write), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		disk.SetCapacity(disk.Used() + 300<<10)
		refused := 0
		for i := range 20 {
			id := fmt.Sprintf("request %d", i)
			if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, id)); err == nil {
				acked.add(id)
			} else {
				refused++
			}
			time.Sleep(300 * time.Millisecond)
		}
		if refused == 0 || len(acked.now()) == 0 {
			t.Errorf("%d of 20 requests were refused, want some and not all", refused)
		}
		disk.SetCapacity(0)
		time.Sleep(5 * time.Second)
		if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, "afterwards")); err != nil {
			t.Errorf("with room again: %v", err)
		}
		acked.add("afterwards")
		if err := n.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		moment{name: "full disk", acked: acked.now()}.expect(t, disk, "at the end")
	})
}
