package journal

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestOwner(t *testing.T) {
	disk := memfs.New()
	for _, dir := range []string{"/j", "/j/a", "/j/b.damaged"} {
		if err := disk.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/j/c.lock", "/j/d.logs.cursor"} {
		if err := fsys.Replace(disk, name, nil, 0o600, false); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := disk.ReadDir("/j")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, entry := range entries {
		if writer, ok := Owner(entry); ok {
			got[writer] = true
		}
	}
	if len(got) != 2 || !got["a"] || !got["c"] {
		t.Errorf("got %v, want a and c", got)
	}
}

func TestClaim(t *testing.T) {
	disk := memfs.New()
	claim, err := NewClaim(disk, "/j/a", Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewClaim(disk, "/j/a", Config{}); !errors.Is(err, fsys.ErrLocked) {
		t.Errorf("a second claim: %v", err)
	}
	if dead, err := Dead(disk, "/j"); err != nil || len(dead) > 0 {
		t.Errorf("it passes for a journal: %v, %v", dead, err)
	}
	unclaimed := func(on *memfs.FS, before time.Time, want int) {
		t.Helper()
		for _, remove := range []bool{false, true} {
			if paths, err := Unclaimed(on, "/j", before, remove); err != nil || len(paths) != want {
				t.Errorf("%d unclaimed, want %d: %v", len(paths), want, err)
			}
		}
	}
	now := time.Now()
	unclaimed(disk, now, 0)
	crashed := disk.Clone(memfs.KillNine())
	unclaimed(crashed, now, 1)
	unclaimed(crashed, now, 0) // it was removed
	crashed = disk.Clone(memfs.KillNine())
	unclaimed(crashed, time.Time{}.Add(-time.Second), 0) // too young
	if err := crashed.Mkdir("/j/a", 0o700); err != nil {
		t.Fatal(err)
	}
	unclaimed(crashed, now, 0) // a journal's
	for range 2 {
		if err := claim.Release(); err != nil {
			t.Error(err)
		}
	}
	if _, err := disk.Stat("/j/a.lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock is left: %v", err)
	}
	if paths, err := Unclaimed(disk, "/nowhere", now, true); err != nil || len(paths) > 0 {
		t.Errorf("%v, %v", paths, err)
	}
}

func TestUnclaimedTellsTroubles(t *testing.T) {
	disk := memfs.New()
	if _, err := NewClaim(disk, "/j/a", Config{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []memfs.Kind{memfs.ReadDir, memfs.Lock, memfs.Remove} {
		crashed := disk.Clone(memfs.KillNine())
		crashed.SetHook(func(op memfs.Op) error {
			if op.Kind == kind {
				return syscall.EIO
			}
			return nil
		})
		if _, err := Unclaimed(crashed, "/j", time.Now(), true); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := NewClaim(crashed, "/j/b", Config{}); kind == memfs.Lock && !errors.Is(err, syscall.EIO) {
			t.Errorf("claim: %v", err)
		}
	}
}

// TestLook: it reads beside the living owner, and removes nothing.
func TestLook(t *testing.T) {
	disk := memfs.New()
	j, err := Create(disk, "/j/a", Config{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	for range 3 {
		if _, err := j.Append(otlp.Logs, 0, []byte("body")); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Look(disk, "/j/a", quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.First() != 1 {
		t.Errorf("first is %d", r.First())
	}
	for range 3 {
		if _, err := r.Next(); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := r.Remove(); !errors.Is(err, ErrUnread) {
		t.Errorf("Remove: %v", err)
	}
	if _, err := Look(disk, "/j/b", quiet()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if r.First() != 0 {
		t.Errorf("first is %d at the end", r.First())
	}
}
