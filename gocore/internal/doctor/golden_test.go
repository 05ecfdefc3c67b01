package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/node"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

// golden is an output directory as version 1 wrote it, with a compacted file of a writer that
// ended, and a second writer that died with requests in its journal only. It stays as it is:
// what a later version reads of it, or of its own, are tests of that version.
//
//	OTLP_ARROW_UPDATE_GOLDEN=1 go test ./gocore/internal/doctor -run Golden
const golden = "testdata/v1"

// requestsOf are the requests of each signal: 3 batches of the first writer, 2 of the second, and
// one that is in its journal only.
func requestsOf(s otlp.Signal) (all [][]byte) {
	maker := sample.New(int64(s)+1, 1_700_000_000_000_000_000)
	for range 6 {
		all = append(all, maker.Body(s.String(), 2))
	}
	return all
}

// goldenRows are the rows of requests, as the requests of a row each.
func goldenRows(t *testing.T, s otlp.Signal, requests [][]byte) map[string]int {
	t.Helper()
	dir := t.TempDir()
	n := start(t, fsys.OS{}, func(c *config.Config) { c.OutputDir = dir })
	for _, body := range requests {
		if err := n.Accept(t.Context(), s, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return rowsIn(t, dir, s)
}

// rowsIn reads a signal's files as anybody would.
func rowsIn(t *testing.T, dir string, s otlp.Signal) map[string]int {
	t.Helper()
	rows := map[string]int{}
	paths, err := filepath.Glob(filepath.Join(files.Root(dir), s.String(), "*"+files.Suffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasPrefix(filepath.Base(path), ".") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for batch, err := range readback.Batches(bytes.NewReader(data)) {
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for row := range batch.NumRows() {
				one := batch.NewSlice(row, row+1)
				body, err := encode.Batch(nil, s, one)
				if err != nil {
					t.Fatal(err)
				}
				rows[string(body)]++
				one.Release()
			}
		}
	}
	return rows
}

// makeGolden writes the directory anew.
func makeGolden(t *testing.T) {
	t.Helper()
	dir, disk := t.TempDir(), fsys.OS{}
	for _, last := range []bool{false, true} {
		n := start(t, disk, func(c *config.Config) { c.OutputDir = dir })
		for _, s := range otlp.Signals {
			requests := requestsOf(s)
			now := requests[:3]
			if last {
				now = requests[3:]
			}
			for i, body := range now {
				err := n.Accept(t.Context(), s, body)
				if err == nil && (!last || i < 2) {
					err = n.Flush(t.Context(), s)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if last {
			if err := errorsOf(os.RemoveAll(golden), os.CopyFS(golden, os.DirFS(dir))); err != nil { // it lives, but its copy is dead
				t.Fatal(err)
			}
		} else if err := n.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		} else if _, err := files.Compact(t.Context(), disk, dir, files.Choice{Signals: []otlp.Signal{otlp.Logs}, MinBatches: 2}); err != nil {
			t.Fatal(err)
		}
	}
}

// copied is a copy that may be written to, in which cursors name the copies of their files.
func copied(t *testing.T, adjust bool) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !adjust || !strings.HasSuffix(path, ".cursor") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var cursor files.Cursor
		if err := json.Unmarshal(text, &cursor); err != nil {
			return err
		}
		signal := strings.Split(cursor.File, "_")[1]
		if cursor.Inode, err = (fsys.OS{}).FileID(filepath.Join(files.Root(dir), signal, cursor.File)); err != nil {
			return err
		}
		if text, err = json.Marshal(cursor); err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestGolden: what version 1 wrote can be read, judged, repaired, adopted and compacted.
func TestGolden(t *testing.T) {
	if os.Getenv("OTLP_ARROW_UPDATE_GOLDEN") != "" {
		makeGolden(t)
	}
	want := [otlp.Count][2]map[string]int{}
	for _, s := range otlp.Signals {
		all := requestsOf(s)
		want[s] = [2]map[string]int{goldenRows(t, s, all[:5]), goldenRows(t, s, all)}
	}
	expect := func(when, dir string, adopted int) {
		t.Helper()
		for _, s := range otlp.Signals {
			if got := rowsIn(t, dir, s); !maps.Equal(got, want[s][adopted]) {
				t.Errorf("%s: %d different %s, want %d", when, len(got), s, len(want[s][adopted]))
			}
		}
	}
	expect("as it is", golden, 0)

	dir := copied(t, false)
	c := settings()
	c.OutputDir = dir
	report, err := Run(fsys.OS{}, c, Options{Now: time.Now()}, quiet)
	if err != nil || report.Healthy || len(report.Journals) != 1 || report.Journals[0].Records != 9 {
		t.Fatalf("%v, %+v", err, report)
	}
	if text := fmt.Sprint(report.Findings); strings.Count(text, "is not the file that the cursor names") != 3 {
		t.Errorf("a copy has other inodes: %s", report.Text())
	}
	if report, err = Run(fsys.OS{}, c, Options{Repair: true, Now: time.Now()}, quiet); err != nil || !report.Healthy {
		t.Errorf("%v, %s", err, report.Text())
	}
	expect("repaired", dir, 1)
	if _, err := files.Compact(t.Context(), fsys.OS{}, dir, files.Choice{MinBatches: 1}); err != nil {
		t.Error(err)
	}
	expect("compacted", dir, 1)

	c.OutputDir = copied(t, true)
	n, err := node.StartOn(fsys.OS{}, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	expect("adopted by a node", c.OutputDir, 1)
	if err := n.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(files.Journals(c.OutputDir)); err != nil || len(entries) > 0 {
		t.Errorf("left of the journals: %v, %v", entries, err)
	}
}
