package files

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// deadWriter is the id in these tests.
const deadWriter = "00000000000000000000a"

func keeping(t *testing.T, disk fsys.FS, dir string) *Writer {
	t.Helper()
	cursors := filepath.Join(Root(dir), ".journal")
	if err := fsys.MkdirAll(disk, cursors, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := New(Default(), disk, dir, Options{Writer: deadWriter, Cursors: cursors, Sync: true}, slog.New(slog.DiscardHandler), newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func writeBelow(t *testing.T, w *Writer, below uint64, texts ...string) {
	t.Helper()
	batch := lines(t, texts...)
	defer batch.Release()
	if err := w.Write(otlp.Logs, below, batch); err != nil {
		t.Fatal(err)
	}
}

func TestRecover(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, w *Writer, first File)
		want  []string // the bodies in the file of the cursor; nil where there is none
		from  uint64
	}{
		{"nothing to do", func(*testing.T, *Writer, File) {}, []string{"a"}, 7},
		{"a tail beyond the cursor", func(t *testing.T, w *Writer, first File) {
			file, err := os.OpenFile(first.Path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString("garbage that no reader likes"); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}, []string{"a"}, 7},
		{"files beyond the cursor", func(t *testing.T, w *Writer, first File) {
			for _, name := range []string{"otlp_logs_20250304_050608_" + deadWriter + "_000002.arrows", ".otlp_logs_20250304_050608_" + deadWriter + "_000003.arrows.tmp"} {
				data, err := os.ReadFile(first.Path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(w.dir(otlp.Logs), name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"a"}, 7},
		{"others' files", func(t *testing.T, w *Writer, first File) {
			for _, name := range []string{"notes.txt", ".hidden.tmp", "otlp_logs_20240304_050608_00000000000000000000b_000002.arrows"} {
				if err := os.WriteFile(filepath.Join(w.dir(otlp.Logs), name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if _, err := os.Stat(filepath.Join(w.dir(otlp.Logs), name)); err != nil {
						t.Errorf("%s is gone", name)
					}
				})
			}
		}, []string{"a"}, 7},
		{"a file that was replaced", func(t *testing.T, w *Writer, first File) {
			if err := errors.Join(os.Rename(first.Path, first.Path+".old"), os.WriteFile(first.Path, []byte("theirs"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}, nil, 7},
		{"no cursor", func(t *testing.T, w *Writer, _ File) {
			if err := RemoveCursors(w.disk, w.cursors, w.id); err != nil {
				t.Fatal(err)
			}
		}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			w := keeping(t, fsys.OS{}, dir)
			writeBelow(t, w, 7, "a")
			first := list(t, w, otlp.Logs)[0]
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, w, first)
			again := keeping(t, fsys.OS{}, dir)
			from, err := again.Recover()
			if err != nil || from[otlp.Logs] != c.from || from[otlp.Traces] != 0 {
				t.Errorf("positions %v, %v; want %d for logs", from, err, c.from)
			}
			if c.want != nil {
				expectBodies(t, first.Path, c.want)
			}
			writeBelow(t, again, 9, "b") // in a new file, whatever was there
			files := list(t, again, otlp.Logs)
			expectBodies(t, files[len(files)-1].Path, []string{"b"})
			if cursor, err := LoadCursor(fsys.OS{}, again.cursors, deadWriter, otlp.Logs); err != nil || cursor.Position != 9 {
				t.Errorf("cursor %v, %v; want position 9", cursor, err)
			}
		})
	}
}

func TestADamagedCursorIsAnError(t *testing.T) {
	w := keeping(t, fsys.OS{}, t.TempDir())
	if err := os.WriteFile(cursorPath(w.cursors, w.id, otlp.Logs), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := w.Recover()
	expectKind(t, err, fault.IO)
}

// TestRecoverTellsErrors: whichever call fails, Recover says so, and can be called again.
func TestRecoverTellsErrors(t *testing.T) {
	disk := memfs.New()
	w := keeping(t, disk, "/out")
	writeBelow(t, w, 7, "a")
	dropped := filepath.Join(w.dir(otlp.Logs), "otlp_logs_20250304_050608_"+deadWriter+"_000002.arrows")
	data, err := fsys.ReadFile(disk, list(t, w, otlp.Logs)[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{dropped, list(t, w, otlp.Logs)[0].Path} { // one to drop, one with a tail
		if err := fsys.Replace(disk, file+".x", append(data, make([]byte, 64)...), 0o600, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := disk.Rename(dropped+".x", dropped); err != nil {
		t.Fatal(err)
	}
	for fail := 0; ; fail++ {
		clone := disk.Clone(memfs.KillNine())
		again := keeping(t, clone, "/out")
		n := 0
		clone.SetHook(func(op memfs.Op) error {
			if n++; n-1 == fail && op.Kind != memfs.Close {
				return syscall.EIO
			}
			return nil
		})
		_, err := again.Recover()
		clone.SetHook(nil)
		if n <= fail {
			return
		}
		if from, again := again.Recover(); again != nil || from[otlp.Logs] != 7 {
			t.Errorf("call %d failed with %v, then %v, %v", fail, err, from, again)
		}
	}
}

// TestRemoveCursors: with what a kill left of them, and nothing of another's.
func TestRemoveCursors(t *testing.T) {
	dir, disk := t.TempDir(), fsys.OS{}
	for _, name := range []string{
		"abc.logs.cursor", ".abc.logs.cursor.0123456789ab.tmp", ".abcd.logs.cursor.0123456789ab.tmp", "abcd.logs.cursor", ".abc.notes",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := RemoveCursors(disk, dir, "abc"); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || fmt.Sprint(left) != "[- .abc.notes - .abcd.logs.cursor.0123456789ab.tmp - abcd.logs.cursor]" {
		t.Errorf("left %v, %v", left, err)
	}
	if err := RemoveCursors(disk, filepath.Join(dir, "nowhere"), "abc"); err != nil {
		t.Error(err)
	}
}
