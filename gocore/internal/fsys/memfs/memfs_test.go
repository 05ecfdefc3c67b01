package memfs_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, disk *memfs.FS, name string) fsys.File {
	t.Helper()
	file, err := disk.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	noError(t, err)
	return file
}

func write(t testing.TB, file fsys.File, text string, off int64) {
	t.Helper()
	_, err := file.WriteAt([]byte(text), off)
	noError(t, err)
}

// tree is every file below a directory with its content.
func tree(t testing.TB, disk fsys.FS, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := disk.ReadDir(dir)
	noError(t, err)
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		if entry.IsDir() {
			all[name] = "dir"
			maps.Copy(all, tree(t, disk, name))
			continue
		}
		content, err := fsys.ReadFile(disk, name)
		noError(t, err)
		all[name] = string(content)
	}
	return all
}

// do makes one step of a story.
func do(t *testing.T, disk *memfs.FS, step string) {
	t.Helper()
	words := strings.Fields(step)
	switch words[0] {
	case "write":
		file := open(t, disk, words[1])
		write(t, file, words[2], 0)
		noError(t, file.Close())
	case "cut":
		file := open(t, disk, words[1])
		noError(t, file.Truncate(1))
		noError(t, file.Close())
	case "sync":
		file := open(t, disk, words[1])
		noError(t, file.Sync())
		noError(t, file.Close())
	case "rename":
		noError(t, disk.Rename(words[1], words[2]))
	case "remove":
		noError(t, disk.Remove(words[1]))
	case "mkdir":
		noError(t, disk.Mkdir(words[1], 0o700))
	case "syncdir":
		noError(t, disk.SyncDir(words[1]))
	default:
		t.Fatalf("unknown step %q", step)
	}
}

func TestPowerLoss(t *testing.T) {
	tests := []struct {
		name  string
		steps []string
		want  map[string]string
	}{
		{"nothing synced", []string{"write /a one"}, map[string]string{}},
		{"content only", []string{"write /a one", "sync /a"}, map[string]string{}},
		{"name only", []string{"write /a one", "syncdir /"}, map[string]string{"/a": ""}},
		{"both", []string{"write /a one", "sync /a", "syncdir /"}, map[string]string{"/a": "one"}},
		{"overwritten later", []string{"write /a one", "sync /a", "syncdir /", "write /a two!"}, map[string]string{"/a": "one"}},
		{"cut later", []string{"write /a one", "sync /a", "syncdir /", "cut /a"}, map[string]string{"/a": "one"}},
		{"cut and synced", []string{"write /a one", "syncdir /", "cut /a", "sync /a"}, map[string]string{"/a": "o"}},
		{"removed later", []string{"write /a one", "sync /a", "syncdir /", "remove /a"}, map[string]string{"/a": "one"}},
		{"removed", []string{"write /a one", "sync /a", "syncdir /", "remove /a", "syncdir /"}, map[string]string{}},
		{"renamed later", []string{"write /a one", "sync /a", "syncdir /", "rename /a /b"}, map[string]string{"/a": "one"}},
		{"renamed", []string{"write /a one", "sync /a", "rename /a /b", "syncdir /"}, map[string]string{"/b": "one"}},
		{"directory not synced", []string{"mkdir /d", "write /d/a one", "sync /d/a", "syncdir /d"}, map[string]string{}},
		{"directory", []string{"mkdir /d", "write /d/a one", "sync /d/a", "syncdir /d", "syncdir /"}, map[string]string{"/d": "dir", "/d/a": "one"}},
		{
			"moved, only the new place synced",
			[]string{"mkdir /d", "write /a one", "sync /a", "syncdir /", "rename /a /d/a", "syncdir /d"},
			map[string]string{"/d": "dir", "/a": "one", "/d/a": "one"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			disk := memfs.New()
			for _, step := range tt.steps {
				do(t, disk, step)
			}
			before := tree(t, disk, "/")
			clone := disk.Clone(memfs.PowerLoss())
			if got := tree(t, clone, "/"); !maps.Equal(got, tt.want) {
				t.Errorf("after a loss of power: %q, want %q", got, tt.want)
			}
			if got := tree(t, disk.Clone(memfs.KillNine()), "/"); !maps.Equal(got, before) {
				t.Errorf("after kill -9: %q, want %q", got, before)
			}
			if got := tree(t, disk.Clone(memfs.KillNine()).Clone(memfs.PowerLoss()), "/"); !maps.Equal(got, tt.want) {
				t.Errorf("after kill -9 and then a loss of power: %q, want %q", got, tt.want)
			}
			if got := tree(t, clone.Clone(memfs.PowerLoss()), "/"); !maps.Equal(got, tt.want) {
				t.Errorf("what survived once was lost later: %q", got)
			}
			if got := tree(t, disk, "/"); !maps.Equal(got, before) {
				t.Errorf("cloning changed the original: %q", got)
			}
		})
	}
}

// TestPartly: each block and each name has its own fate, the same one for the same seed.
func TestPartly(t *testing.T) {
	const block = 4096
	disk := memfs.New()
	kept := open(t, disk, "/kept")
	write(t, kept, strings.Repeat("o", 2*block), 0)
	noError(t, kept.Sync())
	noError(t, disk.SyncDir("/"))
	write(t, kept, strings.Repeat("n", 4*block), 0)
	for _, name := range []string{"/x", "/y"} {
		noError(t, open(t, disk, name).Close())
	}
	noError(t, disk.Rename("/x", "/z"))
	seen := map[string]int{}
	for seed := range uint64(200) {
		left := tree(t, disk.Clone(memfs.PowerLossPartly(seed)), "/")
		if again := tree(t, disk.Clone(memfs.PowerLossPartly(seed)), "/"); !maps.Equal(left, again) {
			t.Fatalf("seed %d: %d and %d names", seed, len(left), len(again))
		}
		content := left["/kept"]
		if len(content)%(2*block) != 0 {
			t.Fatalf("length %d", len(content))
		}
		for at := 0; at < len(content); at += block {
			text := content[at : at+block]
			if strings.Trim(text, text[:1]) != "" || !strings.Contains("on\x00", text[:1]) {
				t.Fatalf("a block was split: %q", text)
			}
			seen[text[:1]]++
		}
		for _, name := range []string{"/x", "/y", "/z"} {
			if _, ok := left[name]; ok {
				seen[name]++
			}
		}
		if _, x := left["/x"]; x {
			if _, z := left["/z"]; z {
				t.Fatal("half of a rename survived")
			}
		}
	}
	for _, what := range []string{"o", "n", "\x00", "/x", "/y", "/z"} {
		if seen[what] < 20 {
			t.Errorf("%q was seen %d times only", what, seen[what])
		}
	}
}

// TestMoveIsOneChange: a rename across directories has one fate in both.
func TestMoveIsOneChange(t *testing.T) {
	disk := memfs.New()
	for _, step := range []string{"mkdir /d", "mkdir /e", "write /d/a one", "sync /d/a", "syncdir /d", "syncdir /", "rename /d/a /e/a"} {
		do(t, disk, step)
	}
	for seed := range uint64(50) {
		left := tree(t, disk.Clone(memfs.KillNine()).Clone(memfs.PowerLossPartly(seed)), "/")
		if (left["/d/a"] == "one") == (left["/e/a"] == "one") {
			t.Fatalf("seed %d: %q", seed, left)
		}
	}
}

// TestCloneIsApart: locks are free, there is no hook, and writes on one side do not show on
// the other.
func TestCloneIsApart(t *testing.T) {
	for _, mode := range []memfs.Mode{memfs.KillNine(), memfs.PowerLoss(), memfs.PowerLossPartly(1)} {
		t.Run(mode.String(), func(t *testing.T) {
			disk := memfs.New()
			held, err := disk.Lock("/lock")
			noError(t, err)
			for _, step := range []string{"write /a one", "sync /a", "syncdir /"} {
				do(t, disk, step)
			}
			disk.SetHook(func(memfs.Op) error { return syscall.EIO })
			clone := disk.Clone(mode)
			again, err := clone.Lock("/lock")
			noError(t, err)
			noError(t, again.Close())
			do(t, clone, "write /a two")
			disk.SetHook(nil)
			do(t, disk, "write /b x")
			noError(t, held.Close())
			if got := tree(t, clone, "/"); got["/a"] != "two" || got["/b"] != "" {
				t.Errorf("clone: %q", got)
			}
			if got := tree(t, disk, "/"); got["/a"] != "one" {
				t.Errorf("original: %q", got)
			}
		})
	}
}

func TestHook(t *testing.T) {
	disk := memfs.New()
	file := open(t, disk, "/a")
	var seen []string
	last := 0
	disk.SetHook(func(op memfs.Op) error {
		if op.N <= last {
			t.Errorf("call %d after %d", op.N, last)
		}
		last = op.N
		text := op.Kind.String() + " " + op.Name
		if op.Kind.Changes() {
			text += " !"
		}
		if op.Kind == memfs.Write {
			text += " " + string(op.Data)
		}
		seen = append(seen, text)
		return nil
	})
	write(t, file, "abc", 1)
	_, err := file.ReadAt(make([]byte, 1), 0)
	noError(t, errors.Join(err, file.Truncate(1), file.Sync(), file.Chmod(0o644), file.Close()))
	noError(t, errors.Join(disk.Mkdir("/d", 0o700), disk.SyncDir("/"), disk.Rename("/a", "/b"), disk.Remove("/b")))
	_, err = disk.ReadDir("/")
	noError(t, err)
	_, err = disk.Stat("/d")
	noError(t, err)
	held, err := disk.Lock("/l")
	noError(t, err)
	noError(t, held.Close())
	noError(t, open(t, disk, "/l").Close())
	_, err = disk.OpenFile("/l", os.O_RDONLY, 0)
	noError(t, err)
	want := []string{
		"write /a ! abc", "read /a", "truncate /a !", "sync /a !", "chmod /a", "close /a", "mkdir /d !", "syncdir / !",
		"rename /a !", "remove /b !", "readdir /", "stat /d", "lock /l !", "create /l !", "close /l", "open /l",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("seen\n%q, want\n%q", seen, want)
	}
}

// TestFailures: a failed call tells its error and has no effect.
func TestFailures(t *testing.T) {
	calls := []struct {
		kind memfs.Kind
		call func(disk *memfs.FS, file fsys.File) error
	}{
		{memfs.Open, func(disk *memfs.FS, _ fsys.File) error { _, err := disk.OpenFile("/a", os.O_RDWR, 0); return err }},
		{memfs.Create, func(disk *memfs.FS, _ fsys.File) error {
			_, err := disk.OpenFile("/new", os.O_RDWR|os.O_CREATE, 0o600)
			return err
		}},
		{memfs.Read, func(_ *memfs.FS, file fsys.File) error { _, err := file.ReadAt(make([]byte, 1), 0); return err }},
		{memfs.Write, func(_ *memfs.FS, file fsys.File) error { _, err := file.WriteAt([]byte("x"), 0); return err }},
		{memfs.Truncate, func(_ *memfs.FS, file fsys.File) error { return file.Truncate(0) }},
		{memfs.Sync, func(_ *memfs.FS, file fsys.File) error { return file.Sync() }},
		{memfs.Chmod, func(_ *memfs.FS, file fsys.File) error { return file.Chmod(0) }},
		{memfs.Rename, func(disk *memfs.FS, _ fsys.File) error { return disk.Rename("/a", "/b") }},
		{memfs.Remove, func(disk *memfs.FS, _ fsys.File) error { return disk.Remove("/a") }},
		{memfs.Mkdir, func(disk *memfs.FS, _ fsys.File) error { return disk.Mkdir("/d", 0o700) }},
		{memfs.ReadDir, func(disk *memfs.FS, _ fsys.File) error { _, err := disk.ReadDir("/"); return err }},
		{memfs.Stat, func(disk *memfs.FS, _ fsys.File) error { _, err := disk.Stat("/a"); return err }},
		{memfs.Stat, func(disk *memfs.FS, _ fsys.File) error { _, err := disk.FileID("/a"); return err }},
		{memfs.Stat, func(_ *memfs.FS, file fsys.File) error { _, err := file.Stat(); return err }},
		{memfs.Stat, func(_ *memfs.FS, file fsys.File) error { _, err := file.ID(); return err }},
		{memfs.SyncDir, func(disk *memfs.FS, _ fsys.File) error { return disk.SyncDir("/") }},
		{memfs.Lock, func(disk *memfs.FS, _ fsys.File) error { _, err := disk.Lock("/l"); return err }},
		{memfs.Close, func(_ *memfs.FS, file fsys.File) error { return file.Close() }},
	}
	for _, tt := range calls {
		t.Run(tt.kind.String(), func(t *testing.T) {
			disk := memfs.New()
			file := open(t, disk, "/a")
			write(t, file, "abc", 0)
			disk.SetHook(func(op memfs.Op) error {
				if op.Kind == tt.kind {
					return syscall.EIO
				}
				t.Errorf("%v came before %v", op.Kind, tt.kind)
				return nil
			})
			err := tt.call(disk, file)
			var where *fs.PathError
			if !errors.Is(err, syscall.EIO) || !errors.As(err, &where) || where.Op != tt.kind.String() || where.Path == "" {
				t.Errorf("error %v", err)
			}
			disk.SetHook(nil)
			if got := tree(t, disk, "/"); !maps.Equal(got, map[string]string{"/a": "abc"}) {
				t.Errorf("left %q", got)
			}
		})
	}
}

func TestShortWrite(t *testing.T) {
	disk := memfs.New()
	file := open(t, disk, "/a")
	write(t, file, "......", 0)
	for _, tt := range []struct {
		n    int
		want string
	}{{0, "......"}, {2, ".ab..."}, {99, ".abcd."}} {
		disk.SetHook(func(memfs.Op) error { return &memfs.ShortWriteError{N: tt.n, Err: syscall.ENOSPC} })
		n, err := file.WriteAt([]byte("abcd"), 1)
		disk.SetHook(nil)
		if n != min(tt.n, 4) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("wrote %d, %v", n, err)
		}
		if got := tree(t, disk, "/")["/a"]; got != tt.want {
			t.Errorf("content %q, want %q", got, tt.want)
		}
	}
	short := &memfs.ShortWriteError{N: 3, Err: syscall.EIO}
	if !errors.Is(short, syscall.EIO) || !strings.Contains(short.Error(), "3 bytes") {
		t.Errorf("short write: %v", short)
	}
}

func TestCapacity(t *testing.T) {
	const block = 4096
	disk := memfs.New()
	disk.SetCapacity(3 * block)
	file := open(t, disk, "/a")
	noError(t, file.Truncate(100*block)) // a hole takes no space
	n, err := file.WriteAt(make([]byte, 5*block), block/2)
	if n != 3*block-block/2 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	write(t, file, "over what is there", 7)
	if got := disk.Used(); got != 3*block {
		t.Errorf("%d bytes used", got)
	}
	full := disk.Clone(memfs.KillNine())
	if _, err := open(t, full, "/b").WriteAt([]byte("x"), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the clone has room: %v", err)
	}
	disk.SetCapacity(4 * block)
	write(t, file, "x", 50*block)
	noError(t, file.Truncate(block))
	if got := disk.Used(); got != block {
		t.Errorf("%d bytes used after cutting", got)
	}
	noError(t, disk.Rename("/a", "/b"))
	noError(t, disk.Remove("/b"))
	if got := disk.Used(); got != block {
		t.Errorf("%d bytes used by an open file without a name", got)
	}
	noError(t, file.Close())
	if got := disk.Used(); got != 0 {
		t.Errorf("%d bytes used by nothing", got)
	}
}

// TestModel: what is synced survives every crash, and nothing that was never written is read.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		disk := memfs.New()
		file, err := disk.OpenFile("/a", os.O_RDWR|os.O_CREATE, 0o600)
		noError(t, errors.Join(err, disk.SyncDir("/")))
		var now, synced []byte
		r.Repeat(map[string]func(*rapid.T){
			"write": func(r *rapid.T) {
				p := slices.Repeat([]byte{rapid.Byte().Draw(r, "byte")}, rapid.IntRange(0, 9000).Draw(r, "length"))
				off := rapid.IntRange(0, 20000).Draw(r, "offset")
				write(t, file, string(p), int64(off))
				if len(p) > 0 && off+len(p) > len(now) {
					now = append(now, make([]byte, off+len(p)-len(now))...)
				}
				copy(now[min(off, len(now)):], p)
			},
			"truncate": func(r *rapid.T) {
				size := rapid.IntRange(0, 20000).Draw(r, "size")
				noError(t, file.Truncate(int64(size)))
				now = append(now[:min(size, len(now)):min(size, len(now))], make([]byte, max(0, size-len(now)))...)
			},
			"sync": func(*rapid.T) {
				noError(t, file.Sync())
				synced = slices.Clone(now)
			},
			"": func(r *rapid.T) {
				seed := rapid.Uint64().Draw(r, "seed")
				for mode, want := range map[string][]byte{"kill": now, "power": synced} {
					crash := memfs.KillNine()
					if mode == "power" {
						crash = memfs.PowerLoss()
					}
					got, err := fsys.ReadFile(disk.Clone(crash), "/a")
					if err != nil || string(got) != string(want) {
						r.Fatalf("%s: %d bytes, want %d; %v", mode, len(got), len(want), err)
					}
				}
				got, err := fsys.ReadFile(disk.Clone(memfs.PowerLossPartly(seed)), "/a")
				if err != nil || len(got) != len(now) && len(got) != len(synced) {
					r.Fatalf("partly: %d bytes, %v", len(got), err)
				}
			},
		})
	})
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	disk := memfs.New()
	shared := open(t, disk, "/shared")
	disk.SetHook(func(memfs.Op) error { return nil })
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			own := path.Join("/", string(rune('a'+i)))
			for range 50 {
				write(t, shared, own, int64(i)*10)
				do(t, disk, "write "+own+" x")
				do(t, disk, "sync "+own)
				do(t, disk, "rename "+own+" "+own+"b")
				disk.Clone(memfs.PowerLossPartly(uint64(i)))
			}
		})
	}
	all.Wait()
	noError(t, shared.Sync())
	if got := len(tree(t, disk, "/")); got != 5 {
		t.Errorf("%d files", got)
	}
}
