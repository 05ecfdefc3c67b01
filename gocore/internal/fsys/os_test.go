package fsys_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// TestLockOutlivesNoProcess: the lock of a process that was killed is free, not before.
func TestLockOutlivesNoProcess(t *testing.T) {
	const variable = "OTLP_ARROW_TEST_LOCK"
	if name := os.Getenv(variable); name != "" {
		if _, err := (fsys.OS{}).Lock(name); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("held\n") //nolint:errcheck // the parent notices
		select {}
	}
	name := filepath.Join(t.TempDir(), "lock")
	holder := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	holder.Env = append(os.Environ(), variable+"="+name)
	out, err := holder.StdoutPipe()
	noError(t, err)
	noError(t, holder.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder said %q, %v", line, err)
	}
	_, err = fsys.OS{}.Lock(name)
	wantError(t, err, fsys.ErrLocked)
	noError(t, holder.Process.Kill())
	if holder.Wait() == nil {
		t.Error("the holder ended well")
	}
	held, err := fsys.OS{}.Lock(name)
	noError(t, err)
	noError(t, held.Close())
}

// TestLockExcludes: also when each holder removes the file, there is one at a time.
func TestLockExcludes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is being removed cannot be opened there")
	}
	name := filepath.Join(t.TempDir(), "lock")
	var holders atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for won := 0; won < 200; {
				held, err := fsys.OS{}.Lock(name)
				if errors.Is(err, fsys.ErrLocked) {
					runtime.Gosched()
					continue
				}
				if err != nil || holders.Add(1) != 1 {
					t.Errorf("%d holders, %v", holders.Load(), err)
					return
				}
				won++
				holders.Add(-1)
				if err := errors.Join(os.Remove(name), held.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestOpenFilesMove: on each system an open file can be renamed, also over another, and removed.
func TestOpenFilesMove(t *testing.T) {
	disk, dir := fsys.OS{}, t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	noError(t, os.WriteFile(to, []byte("old"), 0o600))
	file, err := disk.OpenFile(from, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	noError(t, err)
	reader, err := disk.OpenFile(from, os.O_RDONLY, 0)
	noError(t, err)
	noError(t, disk.Rename(from, to))
	_, err = file.WriteAt([]byte("new"), 0)
	noError(t, err)
	got := make([]byte, 3)
	_, err = reader.ReadAt(got, 0)
	noError(t, err)
	if string(got) != "new" {
		t.Errorf("read %q", got)
	}
	noError(t, disk.Remove(to))
	noError(t, errors.Join(file.Close(), reader.Close()))
	_, err = disk.OpenFile(to, os.O_RDONLY, 0)
	wantError(t, err, fs.ErrNotExist)
}

// TestOpenFileFlags: a file is made or met as the flags say, and one that only reads cannot write.
func TestOpenFileFlags(t *testing.T) {
	disk, name := fsys.OS{}, filepath.Join(t.TempDir(), "file")
	_, err := disk.OpenFile(name, os.O_RDWR, 0)
	wantError(t, err, fs.ErrNotExist)
	for range 2 {
		file, err := disk.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		noError(t, err)
		noError(t, file.Close())
	}
	_, err = disk.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	wantError(t, err, fs.ErrExist)
	file, err := disk.OpenFile(name, os.O_RDONLY, 0)
	noError(t, err)
	if _, err := file.WriteAt([]byte("x"), 0); err == nil {
		t.Error("a file that was opened to be read could be written")
	}
	noError(t, file.Close())
}
