package fsys_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a file system and an empty directory on it.
type stage struct {
	fsys.FS
	dir string
}

func (s stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// put makes a file.
func (s stage) put(t *testing.T, name, content string) {
	t.Helper()
	file := s.open(t, name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if _, err := file.WriteAt([]byte(content), 0); err != nil {
		t.Fatal(err)
	}
	noError(t, file.Close())
}

func (s stage) open(t *testing.T, name string, flag int) fsys.File {
	t.Helper()
	file, err := s.OpenFile(s.path(name), flag, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func (s stage) expect(t *testing.T, name, want string) {
	t.Helper()
	got, err := fsys.ReadFile(s, s.path(name))
	if err != nil || string(got) != want {
		t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
	}
}

func (s stage) names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := s.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// conformance is what holds for every file system.
var conformance = []struct {
	name string
	test func(t *testing.T, s stage)
}{
	{"write and read at offsets", func(t *testing.T, s stage) {
		file := s.open(t, "a", os.O_RDWR|os.O_CREATE|os.O_EXCL)
		for _, w := range []struct {
			off  int64
			text string
		}{{4, "tail"}, {0, "head"}, {2, "--"}} {
			if n, err := file.WriteAt([]byte(w.text), w.off); n != len(w.text) || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
		}
		s.expect(t, "a", "he--tail")
		got := make([]byte, 6)
		if n, err := file.ReadAt(got, 5); n != 3 || !errors.Is(err, io.EOF) || string(got[:n]) != "ail" {
			t.Errorf("read %d %q, %v", n, got, err)
		}
		if n, err := file.ReadAt(got, 100); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("beyond the end: %d, %v", n, err)
		}
		if n, err := file.ReadAt(got[:2], 0); n != 2 || err != nil {
			t.Errorf("within: %d, %v", n, err)
		}
		noError(t, file.Sync())
		noError(t, file.Close())
		wantError(t, file.Close(), fs.ErrClosed)
		_, err := file.WriteAt([]byte("x"), 0)
		wantError(t, err, fs.ErrClosed)
		wantError(t, file.Sync(), fs.ErrClosed)
	}},
	{"negative offsets", func(t *testing.T, s stage) {
		file := s.open(t, "a", os.O_RDWR|os.O_CREATE)
		defer file.Close()
		if _, err := file.WriteAt([]byte("x"), -1); err == nil {
			t.Error("written before the beginning")
		}
		if _, err := file.ReadAt(make([]byte, 1), -1); err == nil {
			t.Error("read before the beginning")
		}
	}},
	{"a hole reads as zeros", func(t *testing.T, s stage) {
		file := s.open(t, "a", os.O_RDWR|os.O_CREATE)
		defer file.Close()
		if _, err := file.WriteAt([]byte("x"), 5000); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "a", strings.Repeat("\x00", 5000)+"x")
	}},
	{"truncate", func(t *testing.T, s stage) {
		s.put(t, "a", "abcdef")
		file := s.open(t, "a", os.O_RDWR)
		defer file.Close()
		noError(t, file.Truncate(2))
		noError(t, file.Truncate(4))
		s.expect(t, "a", "ab\x00\x00")
		if file.Truncate(-1) == nil {
			t.Error("truncated to less than nothing")
		}
	}},
	{"flags", func(t *testing.T, s stage) {
		s.put(t, "a", "abc")
		_, err := s.OpenFile(s.path("a"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		wantError(t, err, fs.ErrExist)
		_, err = s.OpenFile(s.path("b"), os.O_RDWR, 0)
		wantError(t, err, fs.ErrNotExist)
		_, err = s.OpenFile(s.path("no", "b"), os.O_RDWR|os.O_CREATE, 0o600)
		wantError(t, err, fs.ErrNotExist)
		reader := s.open(t, "a", os.O_RDONLY)
		if _, err := reader.WriteAt([]byte("x"), 0); err == nil {
			t.Error("written to a file opened for reading")
		}
		noError(t, reader.Close())
		noError(t, s.open(t, "a", os.O_RDWR|os.O_CREATE).Close())
		s.expect(t, "a", "abc")
		noError(t, s.open(t, "a", os.O_RDWR|os.O_TRUNC).Close())
		s.expect(t, "a", "")
	}},
	{"stat and modes", func(t *testing.T, s stage) {
		noError(t, s.Mkdir(s.path("d"), 0o777)) // whatever the umask
		file := s.open(t, "d/a", os.O_RDWR|os.O_CREATE)
		defer file.Close()
		noError(t, file.Chmod(0o666))
		if _, err := file.WriteAt([]byte("abc"), 0); err != nil {
			t.Fatal(err)
		}
		byHandle, err := file.Stat()
		noError(t, err)
		byName, err := s.Stat(s.path("d", "a"))
		noError(t, err)
		for _, info := range []fs.FileInfo{byHandle, byName} {
			if info.Name() != "a" || info.Size() != 3 || info.Mode() != 0o666 || info.IsDir() {
				t.Errorf("%s: %d bytes, %v", info.Name(), info.Size(), info.Mode())
			}
		}
		dir, err := s.Stat(s.path("d"))
		noError(t, err)
		if !dir.IsDir() || runtime.GOOS != "windows" && dir.Mode() != fs.ModeDir|0o777 {
			t.Errorf("directory: %v", dir.Mode())
		}
		_, err = s.Stat(s.path("e"))
		wantError(t, err, fs.ErrNotExist)
		_, err = s.Stat(s.path("d", "a", "b"))
		wantError(t, err, syscall.ENOTDIR)
	}},
	{"directories", func(t *testing.T, s stage) {
		noError(t, s.Mkdir(s.path("d"), 0o700))
		wantError(t, s.Mkdir(s.path("d"), 0o700), fs.ErrExist)
		wantError(t, s.Mkdir(s.path("no", "d"), 0o700), fs.ErrNotExist)
		s.put(t, "d/b", "")
		s.put(t, "d/a", "")
		noError(t, s.Mkdir(s.path("d", "c"), 0o700))
		if got := s.names(t, s.path("d")); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("names: %q", got)
		}
		wantError(t, s.Remove(s.path("d")), syscall.ENOTEMPTY)
		_, err := s.ReadDir(s.path("no"))
		wantError(t, err, fs.ErrNotExist)
		_, err = s.ReadDir(s.path("d", "a"))
		wantError(t, err, syscall.ENOTDIR)
		_, err = s.OpenFile(s.path("d"), os.O_RDWR, 0)
		wantError(t, err, syscall.EISDIR)
		dir := s.open(t, "d", os.O_RDONLY)
		_, err = dir.ReadAt(make([]byte, 1), 0)
		wantError(t, err, syscall.EISDIR)
		noError(t, dir.Close())
		noError(t, s.SyncDir(s.path("d")))
		if s.SyncDir(s.path("no")) == nil && runtime.GOOS != "windows" {
			t.Error("a directory that is not there was synced")
		}
	}},
	{"remove", func(t *testing.T, s stage) {
		s.put(t, "a", "abc")
		noError(t, s.Mkdir(s.path("d"), 0o700))
		noError(t, s.Remove(s.path("a")))
		noError(t, s.Remove(s.path("d")))
		wantError(t, s.Remove(s.path("a")), fs.ErrNotExist)
		wantError(t, s.Remove(s.path("no", "a")), fs.ErrNotExist)
		if got := s.names(t, s.dir); len(got) != 0 {
			t.Errorf("left: %q", got)
		}
	}},
	{"rename", func(t *testing.T, s stage) {
		s.put(t, "a", "new")
		s.put(t, "b", "old")
		noError(t, s.Mkdir(s.path("d"), 0o700))
		noError(t, s.Rename(s.path("a"), s.path("b")))
		s.expect(t, "b", "new")
		noError(t, s.Rename(s.path("b"), s.path("b")))
		noError(t, s.Rename(s.path("b"), s.path("d", "c")))
		noError(t, s.Rename(s.path("d"), s.path("e")))
		s.expect(t, "e/c", "new")
		if got := s.names(t, s.dir); !slices.Equal(got, []string{"e"}) {
			t.Errorf("names: %q", got)
		}
		wantError(t, s.Rename(s.path("a"), s.path("b")), fs.ErrNotExist)
		wantError(t, s.Rename(s.path("e"), s.path("no", "b")), fs.ErrNotExist)
	}},
	{"rename of unlike things", func(t *testing.T, s stage) {
		s.put(t, "a", "x")
		noError(t, s.Mkdir(s.path("d"), 0o700))
		noError(t, s.Mkdir(s.path("e"), 0o700))
		s.put(t, "e/b", "")
		for _, tt := range []struct{ from, to string }{{"a", "d"}, {"d", "a"}, {"d", "e"}} {
			if s.Rename(s.path(tt.from), s.path(tt.to)) == nil {
				t.Errorf("%s took the place of %s", tt.from, tt.to)
			}
		}
		s.expect(t, "a", "x")
	}},
	{"a removed file lives while it is open", func(t *testing.T, s stage) {
		if runtime.GOOS == "windows" {
			t.Skip("it cannot be removed")
		}
		s.put(t, "a", "abc")
		file := s.open(t, "a", os.O_RDWR)
		defer file.Close()
		noError(t, s.Remove(s.path("a")))
		s.put(t, "a", "other")
		got := make([]byte, 3)
		if _, err := file.ReadAt(got, 0); err != nil || string(got) != "abc" {
			t.Errorf("read %q, %v", got, err)
		}
		ours, err := file.ID()
		noError(t, err)
		there, err := s.FileID(s.path("a"))
		noError(t, err)
		if ours == there {
			t.Error("the new file has the identity of the old one")
		}
	}},
	{"identity", func(t *testing.T, s stage) {
		s.put(t, "a", "")
		file := s.open(t, "a", os.O_RDWR)
		defer file.Close()
		before, err := s.FileID(s.path("a"))
		noError(t, err)
		if runtime.GOOS != "windows" {
			noError(t, s.Rename(s.path("a"), s.path("b")))
			after, err := s.FileID(s.path("b"))
			noError(t, err)
			if after != before {
				t.Errorf("renamed from %d to %d", before, after)
			}
		}
		if id, err := file.ID(); id != before || err != nil {
			t.Errorf("open: %d, %v; want %d", id, err, before)
		}
		_, err = s.FileID(s.path("no"))
		wantError(t, err, fs.ErrNotExist)
	}},
	{"lock", func(t *testing.T, s stage) {
		first, err := s.Lock(s.path("lock"))
		noError(t, err)
		_, err = s.Lock(s.path("lock"))
		wantError(t, err, fsys.ErrLocked)
		other, err := s.Lock(s.path("other"))
		noError(t, err)
		noError(t, other.Close())
		noError(t, first.Close())
		wantError(t, first.Close(), fs.ErrClosed)
		again, err := s.Lock(s.path("lock"))
		noError(t, err)
		noError(t, again.Close())
		_, err = s.Lock(s.path("no", "lock"))
		wantError(t, err, fs.ErrNotExist)
	}},
	{"a lock file is removed by its holder", func(t *testing.T, s stage) {
		first, err := s.Lock(s.path("lock"))
		noError(t, err)
		noError(t, s.Remove(s.path("lock")))
		if runtime.GOOS != "windows" { // there the name is free only when it is closed
			second, err := s.Lock(s.path("lock"))
			noError(t, err)
			_, err = s.Lock(s.path("lock"))
			wantError(t, err, fsys.ErrLocked)
			noError(t, second.Close())
		}
		noError(t, first.Close())
	}},
	{"mkdir all", func(t *testing.T, s stage) {
		noError(t, fsys.MkdirAll(s, s.path("a", "b", "c"), 0o750))
		noError(t, fsys.MkdirAll(s, s.path("a", "b", "c"), 0o700))
		info, err := s.Stat(s.path("a", "b"))
		noError(t, err)
		if runtime.GOOS != "windows" && info.Mode() != fs.ModeDir|0o750 {
			t.Errorf("mode %v", info.Mode())
		}
		s.put(t, "f", "")
		wantError(t, fsys.MkdirAll(s, s.path("f"), 0o700), syscall.ENOTDIR)
		wantError(t, fsys.MkdirAll(s, s.path("f", "g"), 0o700), syscall.ENOTDIR)
	}},
	{"replace", func(t *testing.T, s stage) {
		for _, text := range []string{"one", "two", ""} {
			for _, sync := range []bool{false, true} {
				noError(t, fsys.Replace(s, s.path("a"), []byte(text), 0o640, sync))
				s.expect(t, "a", text)
			}
		}
		info, err := s.Stat(s.path("a"))
		noError(t, err)
		if runtime.GOOS != "windows" && info.Mode() != 0o640 {
			t.Errorf("mode %v", info.Mode())
		}
		noError(t, s.Mkdir(s.path("d"), 0o700))
		if fsys.Replace(s, s.path("d"), nil, 0o600, false) == nil {
			t.Error("a directory was replaced")
		}
		if fsys.Replace(s, s.path("no", "a"), nil, 0o600, false) == nil {
			t.Error("replaced in a directory that is not there")
		}
		if got := s.names(t, s.dir); !slices.Equal(got, []string{"a", "d"}) {
			t.Errorf("names: %q", got)
		}
	}},
	{"read what is not there", func(t *testing.T, s stage) {
		_, err := fsys.ReadFile(s, s.path("no"))
		wantError(t, err, fs.ErrNotExist)
		noError(t, s.Mkdir(s.path("d"), 0o700))
		_, err = fsys.ReadFile(s, s.path("d"))
		wantError(t, err, syscall.EISDIR)
	}},
}

func TestConformance(t *testing.T) {
	kinds := map[string]func(t *testing.T) stage{
		"os": func(t *testing.T) stage { return stage{fsys.OS{}, t.TempDir()} },
		"memfs": func(t *testing.T) stage {
			disk := memfs.New()
			noError(t, fsys.MkdirAll(disk, "/some/where", 0o700))
			return stage{disk, "/some/where"}
		},
		"memfs, relative": func(*testing.T) stage { return stage{memfs.New(), "."} },
	}
	for kind, make := range kinds {
		for _, tt := range conformance {
			t.Run(kind+"/"+tt.name, func(t *testing.T) { tt.test(t, make(t)) })
		}
	}
}

// TestReplaceFails: whatever call fails, the old content or the new one is there, and no
// temporary file stays behind.
func TestReplaceFails(t *testing.T) {
	for failing := 1; ; failing++ {
		disk := memfs.New()
		noError(t, fsys.Replace(disk, "/a", []byte("old"), 0o600, true))
		var failed memfs.Op
		calls := 0
		disk.SetHook(func(op memfs.Op) error {
			if calls++; calls == failing {
				failed = op
				return syscall.EIO
			}
			return nil
		})
		err := fsys.Replace(disk, "/a", []byte("new"), 0o600, true)
		disk.SetHook(nil)
		if failed.N == 0 {
			noError(t, err)
			if failing < 8 {
				t.Errorf("only %d calls", failing-1)
			}
			return
		}
		s := stage{disk, "/"}
		switch failed.Kind {
		case memfs.Stat: // what cannot be looked at is replaced: the rename tells
			noError(t, err)
			s.expect(t, "a", "new")
		case memfs.SyncDir:
			wantError(t, err, syscall.EIO)
			s.expect(t, "a", "new")
		default:
			wantError(t, err, syscall.EIO)
			s.expect(t, "a", "old")
		}
		if got := s.names(t, "/"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("%v failed: %q", failed.Kind, got)
		}
	}
}

// TestReplaceSurvives: a crash at any call leaves the old content or the new one; after the
// call with sync, the new one.
func TestReplaceSurvives(t *testing.T) {
	old, after := []byte("old"), bytes.Repeat([]byte("new"), 5000)
	for seed := range uint64(50) {
		disk := memfs.New()
		noError(t, fsys.Replace(disk, "/a", old, 0o600, true))
		check := func(allowed ...[]byte) {
			for _, mode := range []memfs.Mode{memfs.KillNine(), memfs.PowerLoss(), memfs.PowerLossPartly(seed)} {
				got, err := fsys.ReadFile(disk.Clone(mode), "/a")
				if err != nil || !slices.ContainsFunc(allowed, func(want []byte) bool { return bytes.Equal(got, want) }) {
					t.Errorf("%v: %d bytes, %v", mode, len(got), err)
				}
			}
		}
		disk.SetHook(func(memfs.Op) error { check(old, after); return nil })
		noError(t, fsys.Replace(disk, "/a", after, 0o600, true))
		disk.SetHook(nil)
		check(after)
	}
}

// TestMkdirAllFails: errors come through, and what another made in between is no error.
func TestMkdirAllFails(t *testing.T) {
	for _, kind := range []memfs.Kind{memfs.Stat, memfs.Mkdir, memfs.SyncDir} {
		disk := memfs.New()
		disk.SetHook(func(op memfs.Op) error {
			if op.Kind == kind {
				return syscall.EIO
			}
			return nil
		})
		wantError(t, fsys.MkdirAll(disk, "/a/b", 0o700), syscall.EIO)
	}
	disk := memfs.New()
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Mkdir {
			disk.SetHook(nil)
			return disk.Mkdir(op.Name, 0o755)
		}
		return nil
	})
	noError(t, fsys.MkdirAll(disk, "/a/b", 0o700))
}
