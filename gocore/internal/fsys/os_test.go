package fsys_test

import (
	"bufio"
	"errors"
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
