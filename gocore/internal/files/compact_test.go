package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

// fatal is what testing.TB and *rapid.T share.
type fatal interface {
	Helper()
	Fatal(args ...any)
}

// wholeRows reads a stream: how often each row is there, as its request and promoted values.
func wholeRows(t fatal, s otlp.Signal, data []byte) map[string]int {
	t.Helper()
	rows := map[string]int{}
	for batch, err := range readback.Batches(bytes.NewReader(data)) {
		if err != nil {
			t.Fatal(err)
		}
		for row := range batch.NumRows() {
			one := batch.NewSlice(row, row+1)
			body, err := encode.Batch(nil, s, one)
			if err != nil {
				t.Fatal(err)
			}
			text := string(body)
			for i, field := range batch.Schema().Fields() {
				if field.Metadata.FindKey(schema.PromotedFrom) >= 0 || field.Name == "series_id" || field.Name == "duration_nano" {
					text += fmt.Sprintf("|%s=%q", field.Name, one.Column(i).ValueStr(0))
				}
			}
			rows[text]++
			one.Release()
		}
	}
	return rows
}

// sameRows compares streams with one, each content once.
func sameRows(t fatal, s otlp.Signal, data []byte) func([]byte) bool {
	want, known := wholeRows(t, s, data), map[string]bool{}
	return func(data []byte) bool {
		verdict, ok := known[string(data)]
		if !ok {
			verdict = maps.Equal(want, wholeRows(t, s, data))
			known[string(data)] = verdict
		}
		return verdict
	}
}

func contentOf(t fatal, disk fsys.FS, path string) []byte {
	t.Helper()
	data, err := fsys.ReadFile(disk, path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// finished writes each body as a batch of one file, and ends the writer.
func finished(t fatal, disk fsys.FS, dir string, s otlp.Signal, config Config, bodies ...[]byte) string {
	t.Helper()
	w, err := New(config, disk, dir, Options{Writer: "abc"}, quiet, newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	w.cursors = Journals(dir)
	if err := fsys.MkdirAll(disk, w.cursors, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, body := range bodies {
		table := decode.New(s, config.Promotions()...)
		if err := table.Decode(body); err != nil {
			t.Fatal(err)
		}
		batch := table.Batch()
		err := w.Write(s, uint64(i+2), batch)
		batch.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), RemoveCursors(disk, w.cursors, "abc")); err != nil {
		t.Fatal(err)
	}
	return w.signals[s].path
}

func compact(t fatal, disk fsys.FS, dir string, choice Choice) []Compacted {
	t.Helper()
	all, err := Compact(context.Background(), disk, dir, choice)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCompactKeepsEveryRow: of drawn requests of every shape, with texts that end in NUL,
// repeated keys, empty lists and maps, and promoted columns.
func TestCompactKeepsEveryRow(t *testing.T) {
	config := Default()
	config.Compression = "none"
	config.Promote = []string{"http", "a", "resource/b:int", "c:double", "k\x00:bool"}
	for _, s := range otlp.Signals {
		t.Run(s.String(), func(t *testing.T) {
			runs, compacted := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				if runs++; runs > 30 { // the race detector makes it slow
					return
				}
				var requests [][]byte
				for range rapid.IntRange(2, 6).Draw(t, "batches") {
					body, err := proto.Marshal(otlpgen.Request(t, s))
					if err != nil {
						t.Fatal(err)
					}
					requests = append(requests, body)
				}
				disk := memfs.New()
				path := finished(t, disk, "/out", s, config, requests...)
				before := contentOf(t, disk, path)
				want := wholeRows(t, s, before)
				// To make it larger than the new one, whatever is in it: readers pass over what follows zeros.
				writeFile(t, disk, path, append(before, make([]byte, 1<<16)...))
				done := compact(t, disk, "/out", Choice{MinBatches: 2})
				if len(done) != 1 {
					t.Fatal(done)
				}
				after := contentOf(t, disk, path)
				if got := wholeRows(t, s, after); !maps.Equal(got, want) {
					t.Fatalf("%d rows before, %d after: %v, %v", len(want), len(got), want, got)
				}
				if done[0].Skipped != "" {
					return
				}
				compacted++
				if again := compact(t, disk, "/out", Choice{}); again[0].Skipped != "it is compacted" {
					t.Fatalf("once more: %+v", again)
				}
				if !bytes.Equal(after, contentOf(t, disk, path)) {
					t.Fatal("the second time it is another file")
				}
			})
			if compacted == 0 {
				t.Error("none was compacted")
			}
		})
	}
}

func writeFile(t fatal, disk fsys.FS, path string, data []byte) {
	t.Helper()
	if err := fsys.Replace(disk, path, data, 0o600, false); err != nil {
		t.Fatal(err)
	}
}

func sampleRequests(t testing.TB, s otlp.Signal, n int) [][]byte {
	t.Helper()
	maker := sample.New(1, 1_700_000_000_000_000_000)
	var all [][]byte
	for range n {
		all = append(all, maker.Body(s.String(), 50))
	}
	return all
}

// TestCompactedFile: what it looks like.
func TestCompactedFile(t *testing.T) {
	dir, disk := t.TempDir(), fsys.OS{}
	config := Default()
	config.FileMode = "0640"
	for _, s := range otlp.Signals {
		path := finished(t, disk, dir, s, config, sampleRequests(t, s, 9)...)
		want := wholeRows(t, s, contentOf(t, disk, path))
		done := compact(t, disk, dir, Choice{Signals: []otlp.Signal{s}, MinBatches: DefaultMinBatches})
		if len(done) != 1 || done[0].Skipped != "" || done[0].Before.Batches != 9 || done[0].After.Batches != 1 || done[0].After.Bytes >= done[0].Before.Bytes {
			t.Fatalf("%s: %+v", s, done)
		}
		content, err := Inspect(disk, path, true)
		if err != nil || content.Bad != nil || len(content.Broken) > 0 || !content.Compacted() || content.Version() != schema.Version {
			t.Fatalf("%+v, %v", content, err)
		}
		if content.Batches[0].Tag != "abc 0-10" {
			t.Errorf("the journal's range is %q", content.Batches[0].Tag)
		}
		if !content.Schema.Equal(schema.Of(s)) {
			t.Errorf("the schema is %v", content.Schema)
		}
		if got := wholeRows(t, s, contentOf(t, disk, path)); !maps.Equal(got, want) {
			t.Errorf("%s: the rows differ", s)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(Root(dir)); err != nil || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ".maintenance" }) {
		t.Errorf("the lock is left: %v", err)
	}
}

// TestCompactSorts within a group, by service and time.
func TestCompactSorts(t *testing.T) {
	disk := memfs.New()
	path := finished(t, disk, "/out", otlp.Traces, Default(), sampleRequests(t, otlp.Traces, 10)...)
	compact(t, disk, "/out", Choice{MinBatches: 2})
	content, err := Inspect(disk, path, false)
	if err != nil {
		t.Fatal(err)
	}
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	batch, err := content.read(file, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Release()
	g, err := newGroup(content, groupRows)
	if err != nil {
		t.Fatal(err)
	}
	last := place{}
	for row := range int(batch.NumRows()) {
		now := place{service: g.serviceOf(batch, row), time: g.timeOf(batch, row)}
		if row > 0 && (now.service < last.service || now.service == last.service && now.time < last.time) {
			t.Fatalf("row %d: %v after %v", row, now, last)
		}
		last = now
	}
}

func TestCompactInGroups(t *testing.T) {
	disk := memfs.New()
	var requests [][]byte
	maker := sample.New(1, 1_700_000_000_000_000_000)
	for range 5 {
		requests = append(requests, maker.Body("logs", 60))
	}
	path := finished(t, disk, "/out", otlp.Logs, Default(), requests...)
	done := compact(t, disk, "/out", Choice{MinBatches: 2, groupRows: 128})
	content, err := Inspect(disk, path, true)
	if err != nil || content.Rows != 300 || len(content.Batches) != 3 || len(content.Broken) > 0 {
		t.Fatalf("%d rows in %d batches, %v, %+v", content.Rows, len(content.Batches), err, done)
	}
	for _, b := range content.Batches {
		if b.Rows > 128 || b.Tag != "abc 0-6" {
			t.Errorf("%+v", b)
		}
	}
}

func TestWhatIsNotCompacted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, disk fsys.FS, path string)
		want  string
	}{
		{"in use", func(t *testing.T, disk fsys.FS, _ string) { layout(t, disk, "/out", ".journal/abc.lock") }, "it is in use"},
		{"of a dead writer", func(t *testing.T, disk fsys.FS, _ string) { layout(t, disk, "/out", ".journal/abc/") }, "it is in use"},
		{"damaged", func(t *testing.T, disk fsys.FS, path string) {
			writeFile(t, disk, path, append(contentOf(t, disk, path), "garbage!!"...))
		}, "it is damaged, see doctor"},
		{"a broken batch", func(t *testing.T, disk fsys.FS, path string) {
			data := contentOf(t, disk, path)
			copy(data[len(data)-600:], bytes.Repeat([]byte{0xff}, 600))
			writeFile(t, disk, path, data)
		}, "what follows is no message"},
		{"few batches", func(t *testing.T, disk fsys.FS, path string) {
			content, _ := Inspect(disk, path, false)
			writeFile(t, disk, path, contentOf(t, disk, path)[:content.Batches[1].End])
		}, "it has fewer than 3 batches"},
		{"no rows", func(t *testing.T, disk fsys.FS, path string) {
			content, _ := Inspect(disk, path, false)
			writeFile(t, disk, path, contentOf(t, disk, path)[:content.Begin])
		}, "it has no rows"},
		{"larger", func(t *testing.T, disk fsys.FS, path string) {
			e, err := newEncoder("zstd", schema.Of(otlp.Logs))
			if err != nil {
				t.Fatal(err)
			}
			one, err := e.encode("", []arrow.RecordBatch{lines(t, "one")})
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, disk, path, append(bytes.Clone(e.schema), one...))
		}, "it would not become smaller"},
		{"of another version", func(t *testing.T, disk fsys.FS, path string) {
			data := contentOf(t, disk, path)
			at := bytes.Index(data, []byte(schema.VersionKey))
			data[at-8+bytes.IndexByte(data[at-8:at], '1')] = '7'
			writeFile(t, disk, path, data)
		}, "its schema version is not known here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk := memfs.New()
			path := finished(t, disk, "/out", otlp.Logs, Default(), sampleRequests(t, otlp.Logs, 5)...)
			tt.spoil(t, disk, path)
			before := contentOf(t, disk, path)
			least := 3
			if tt.name == "larger" {
				least = 1
			}
			done := compact(t, disk, "/out", Choice{MinBatches: least})
			if len(done) != 1 || !strings.HasPrefix(done[0].Skipped, tt.want) {
				t.Errorf("%+v, want %q", done, tt.want)
			}
			if !bytes.Equal(before, contentOf(t, disk, path)) {
				t.Error("it was changed")
			}
			if names := named(t, disk, "/out", otlp.Logs); !slices.Equal(names, []string{"abc1"}) {
				t.Errorf("there is %q", names)
			}
		})
	}
}

// TestCompactCrash: at whichever call, by whichever crash, the name stands for all rows, and the
// next compaction comes to its end.
func TestCompactCrash(t *testing.T) {
	for _, mode := range []memfs.Mode{memfs.KillNine(), memfs.PowerLoss(), memfs.PowerLossPartly(1), memfs.PowerLossPartly(2)} {
		disk := memfs.New()
		path := finished(t, disk, "/out", otlp.Metrics, Default(), sampleRequests(t, otlp.Metrics, 3)...)
		same := sameRows(t, otlp.Metrics, contentOf(t, disk, path))
		durable(t, disk, "/")
		var crashed []*memfs.FS
		disk.SetHook(func(op memfs.Op) error {
			if op.Kind.Changes() {
				crashed = append(crashed, disk.Clone(mode))
			}
			return nil
		})
		compact(t, disk, "/out", Choice{MinBatches: 2})
		if len(crashed) < 6 {
			t.Fatalf("only %d calls", len(crashed))
		}
		for i, disk := range crashed {
			if !same(contentOf(t, disk, path)) {
				t.Fatalf("%s at call %d: the rows differ", mode, i)
			}
			compact(t, disk, "/out", Choice{MinBatches: 2})
			content, err := Inspect(disk, path, true)
			if err != nil || !content.Compacted() || !same(contentOf(t, disk, path)) {
				t.Fatalf("%s at call %d, then again: %v", mode, i, err)
			}
			if names := named(t, disk, "/out", otlp.Metrics); len(names) != 1 {
				t.Fatalf("%s at call %d: there is %q", mode, i, names)
			}
		}
	}
}

func durable(t testing.TB, disk fsys.FS, dir string) {
	t.Helper()
	entries, err := disk.ReadDir(dir)
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if entry.IsDir() {
			durable(t, disk, path)
			continue
		}
		file, opening := disk.OpenFile(path, os.O_RDWR, 0)
		if err = errors.Join(err, opening); err == nil {
			err = errors.Join(file.Sync(), file.Close())
		}
	}
	if err = errors.Join(err, disk.SyncDir(dir)); err != nil {
		t.Fatal(err)
	}
}

// TestCompactFails: whichever call fails, the file stays whole and nothing is left beside it.
func TestCompactFails(t *testing.T) {
	var same func([]byte) bool
	for n := 1; ; n++ {
		disk := memfs.New()
		path := finished(t, disk, "/out", otlp.Logs, Default(), sampleRequests(t, otlp.Logs, 3)...)
		if n == 1 {
			same = sameRows(t, otlp.Logs, contentOf(t, disk, path))
		}
		calls, hit := 0, false
		disk.SetHook(func(op memfs.Op) error {
			if op.Kind == memfs.Read && op.N%17 > 0 { // there are many
				return nil
			}
			if calls++; calls == n {
				hit = true
				return syscall.EIO
			}
			return nil
		})
		_, err := Compact(t.Context(), disk, "/out", Choice{MinBatches: 2})
		disk.SetHook(nil)
		if !hit {
			break
		}
		if !same(contentOf(t, disk, path)) {
			t.Fatalf("call %d fails (%v): the rows differ", n, err)
		}
		compact(t, disk, "/out", Choice{MinBatches: 2})
		if names := named(t, disk, "/out", otlp.Logs); len(names) != 1 {
			t.Fatalf("call %d fails (%v): there is %q", n, err, names)
		}
	}
}

// TestReadersBesideCompaction: whoever reads by name sees every row once, at any moment; who has
// the old file open reads on in it.
func TestReadersBesideCompaction(t *testing.T) {
	dir, disk := t.TempDir(), fsys.OS{}
	path := finished(t, disk, dir, otlp.Logs, Default(), sampleRequests(t, otlp.Logs, 30)...)
	original := contentOf(t, disk, path)
	held, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	stop := make(chan struct{})
	var all sync.WaitGroup
	reads := 0
	all.Go(func() {
		for {
			rows := 0
			got, err := bodiesOf(path)
			for _, batch := range got {
				rows += len(batch)
			}
			if err != nil || rows != 1500 {
				t.Errorf("a reader sees %d rows: %v", rows, err)
			}
			reads++
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 8 {
		writeFile(t, disk, path, original)
		if done := compact(t, disk, dir, Choice{MinBatches: 2}); done[0].Skipped != "" {
			t.Errorf("%+v", done)
		}
	}
	close(stop)
	all.Wait()
	if batches, err := bodies(held); err != nil || len(batches) != 30 {
		t.Errorf("the old file has %d batches now: %v", len(batches), err)
	}
	t.Logf("%d reads", reads)
}

func TestCompactTurns(t *testing.T) {
	disk := memfs.New()
	path := finished(t, disk, "/out", otlp.Logs, Default(), sampleRequests(t, otlp.Logs, 3)...)
	release, err := Maintain(disk, "/out")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compact(t.Context(), disk, "/out", Choice{}); !errors.Is(err, fsys.ErrLocked) {
		t.Errorf("two at a time: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Compact(ended, disk, "/out", Choice{})
	expectKind(t, err, fault.Timeout)
	if done := compact(t, disk, "/out", Choice{Only: []string{path + "x"}}); len(done) > 0 {
		t.Errorf("another path: %+v", done)
	}
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Rename {
			return fs.ErrPermission
		}
		return nil
	})
	if done := compact(t, disk, "/out", Choice{Only: []string{path}}); done[0].Skipped != "it cannot be replaced now" {
		t.Errorf("mapped on Windows: %+v", done)
	}
	disk.SetHook(func(op memfs.Op) error { // retention is faster
		if op.Kind == memfs.Sync {
			return disk.Remove(path)
		}
		return nil
	})
	if done, err := Compact(t.Context(), disk, "/out", Choice{}); err != nil || len(done) > 0 {
		t.Errorf("a file that was removed: %+v, %v", done, err)
	}
	disk.SetHook(nil)
	if names := named(t, disk, "/out", otlp.Logs); len(names) > 0 {
		t.Errorf("there is %q", names)
	}
}

// TestGatherRefuses types that no table has, or not yet.
func TestGatherRefuses(t *testing.T) {
	for _, typ := range []arrow.DataType{
		arrow.PrimitiveTypes.Int8, arrow.BinaryTypes.Binary, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String},
		arrow.ListOf(arrow.PrimitiveTypes.Int8), arrow.StructOf(),
	} {
		if _, err := newGatherer(typ); !errors.Is(err, errType) {
			t.Errorf("%s: %v", typ, err)
		}
	}
	wrong := array.NewNull(1)
	for _, typ := range []arrow.DataType{
		arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Uint64, arrow.FixedWidthTypes.Boolean, schema.SpanID, schema.Text, schema.Events,
		arrow.BinaryTypes.String, schema.Attrs,
	} {
		g, err := newGatherer(typ)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.add(wrong, 0); !errors.Is(err, errType) {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestDirOf(t *testing.T) {
	const base = "otlp_logs_20250304_050607_abc_000001.arrows"
	for _, tt := range []struct {
		path, dir string
		ok        bool
	}{
		{"/out/otlp/logs/" + base, "/out", true},
		{"out/otlp/logs/" + base, "out", true},
		{"otlp/logs/" + base, ".", true},
		{"/out/otlp/traces/" + base, "", false},
		{"/out/logs/" + base, "", false},
		{"/out/otlp/logs/x.arrows", "", false},
	} {
		if dir, ok := DirOf(filepath.FromSlash(tt.path)); ok != tt.ok || ok && filepath.ToSlash(dir) != tt.dir {
			t.Errorf("%s: %q, %v", tt.path, dir, ok)
		}
	}
}

func BenchmarkCompact(b *testing.B) {
	disk := memfs.New()
	path := finished(b, disk, "/out", otlp.Traces, Default(), sampleRequests(b, otlp.Traces, 400)...)
	original := contentOf(b, disk, path)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		writeFile(b, disk, path, original)
		b.StartTimer()
		compact(b, disk, "/out", Choice{MinBatches: 2})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/item")
}
