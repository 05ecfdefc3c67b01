package node

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func keeping(t *testing.T, disk fsys.FS, durability string, change func(*config.Config)) (*Node, *obstest.Log) {
	t.Helper()
	c, log := crashConfig(durability), &obstest.Log{}
	change(&c)
	n, err := StartOn(disk, c, log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
	return n, log
}

func logFiles(t *testing.T, n *Node) int {
	t.Helper()
	all, err := n.Files(t.Context(), otlp.Logs)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestRetentionInTheNode: files go while the node runs, but never the one that is written,
// whatever the durability.
func TestRetentionInTheNode(t *testing.T) {
	for _, durability := range []string{config.Memory, config.Write, config.Fsync} {
		t.Run(durability, func(t *testing.T) {
			disk := memfs.New()
			small := func(c *config.Config) {
				c.Files.RotateBytes, c.Retention.Logs = 1, files.Limit{MaxBytes: 1}
			}
			n, log := keeping(t, disk, durability, small)
			other, _ := keeping(t, disk, durability, small)
			n.stopKeeper() // its clock is the real one, and it has a first look
			other.stopKeeper()
			for _, writer := range []*Node{n, n, n, other, other} {
				if err := writer.Accept(t.Context(), otlp.Logs, logRequest(t, "a")); err != nil {
					t.Fatal(err)
				}
				if err := writer.Flush(t.Context(), otlp.Logs); err != nil {
					t.Fatal(err)
				}
			}
			if got := logFiles(t, n); got != 5 {
				t.Fatalf("%d files to begin with", got)
			}
			n.keep(t.Context(), time.Now())
			if got := logFiles(t, n); got != 2 || log.Count("old files were removed") != 1 {
				t.Errorf("%d files, want the newest of each writer", got)
			}
			if err := other.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			n.keep(t.Context(), time.Now())
			if got := logFiles(t, n); got != 1 {
				t.Errorf("%d files, want n's newest", got)
			}
		})
	}
}

// TestCompactionInTheNode: closed files of a living writer, but never the newest.
func TestCompactionInTheNode(t *testing.T) {
	disk := memfs.New()
	n, log := keeping(t, disk, config.Write, func(c *config.Config) {
		c.Files.CompactAfterRotation, c.Files.RotateBytes = true, 100<<10
	})
	n.stopKeeper()
	for i := 0; logFiles(t, n) < 3; i++ {
		body := logRequest(t, fmt.Sprint(i))
		if err := n.Accept(t.Context(), otlp.Logs, body); err != nil {
			t.Fatal(err)
		}
	}
	before, err := stored(disk)
	if err != nil {
		t.Fatal(err)
	}
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Create && strings.HasSuffix(op.Name, ".new.tmp") {
			return syscall.ENOSPC
		}
		return nil
	})
	for range 2 {
		n.keep(t.Context(), time.Now())
	}
	disk.SetHook(nil)
	for range 2 {
		n.keep(t.Context(), time.Now())
	}
	for text, want := range map[string]int{
		"cannot be compacted": 1, "compacting files goes on": 1, "files were compacted": 1, "files=2": 1,
	} {
		if got := log.Count(text); got != want {
			t.Errorf("the log has %q %d times, want %d", text, got, want)
		}
	}
	after, err := stored(disk)
	if err != nil || !maps.Equal(before, after) {
		t.Errorf("%d requests before, %d after: %v", len(before), len(after), err)
	}
}

// TestTroubleOfRetention: it is told once, and its end once.
func TestTroubleOfRetention(t *testing.T) {
	disk := memfs.New()
	n, log := keeping(t, disk, config.Write, func(c *config.Config) { c.Retention.Logs.MaxBytes = 1 })
	n.stopKeeper()
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.ReadDir {
			return syscall.EIO
		}
		return nil
	})
	n.keep(t.Context(), time.Now())
	n.keep(t.Context(), time.Now())
	disk.SetHook(nil)
	n.keep(t.Context(), time.Now())
	n.keep(t.Context(), time.Now())
	if began, ended := log.Count("cannot be removed; it is tried again"), log.Count("removing old files goes on"); began != 1 || ended != 1 {
		t.Errorf("the beginning was told %d times, the end %d times", began, ended)
	}
}

// TestLocksOfTheDead: without a journal nobody else would remove them, and the newest file would
// be kept for ever.
func TestLocksOfTheDead(t *testing.T) {
	disk := memfs.New()
	dead, _ := keeping(t, disk, config.Memory, func(*config.Config) {})
	crashed := disk.Clone(memfs.KillNine())
	lock := filepath.Join(journals("/out"), dead.files.ID()) + ".lock"
	for _, one := range []struct {
		disk *memfs.FS
		left bool
	}{{disk, true}, {crashed, false}} {
		n, _ := keeping(t, one.disk, config.Write, func(c *config.Config) { c.Retention.Logs.MaxBytes = 1 })
		n.stopKeeper()
		n.keep(t.Context(), time.Now())
		if _, err := one.disk.Stat(lock); (err == nil) != one.left {
			t.Errorf("the lock is there: %v, want %v", err == nil, one.left)
		}
	}
	if err := dead.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Stat(lock); err == nil {
		t.Error("an orderly end leaves the lock")
	}
}
