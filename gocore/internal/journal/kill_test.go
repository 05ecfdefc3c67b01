package journal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// keptByKilled is how many records the process does not release.
const keptByKilled = 10

const killVariable = "OTLP_ARROW_TEST_JOURNAL"

// TestHelperWriter is the process that killed starts and ends; by itself it does nothing.
func TestHelperWriter(t *testing.T) {
	dir := os.Getenv(killVariable)
	if dir == "" {
		t.Skip("for TestKilledWhileWriting")
	}
	j, err := Create(fsys.OS{}, dir, Config{SegmentBytes: 1 << 20, MaxBytes: 1 << 40}, quiet())
	noError(t, err)
	for id := uint64(1); ; id++ {
		put(t, j, id, int(id%5)*50_000)
		j.Release(max(id, keptByKilled) - keptByKilled)
		fmt.Println(id)
	}
}

// killed runs a writer for a moment, kills it and tells the last record that it told of.
func killed(t *testing.T) (dir string, told uint64) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "root", "writer")
	writer := exec.Command(os.Args[0], "-test.run=^TestHelperWriter$")
	writer.Env = append(os.Environ(), killVariable+"="+dir)
	out, err := writer.StdoutPipe()
	noError(t, err)
	noError(t, writer.Start())
	lines := bufio.NewScanner(out)
	begin := time.Now()
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &told); err != nil {
			continue // the testing package's
		}
		if told == 200 || time.Since(begin) > 5*time.Second {
			noError(t, writer.Process.Kill())
		}
	}
	_ = writer.Wait() // killed
	return dir, told
}
