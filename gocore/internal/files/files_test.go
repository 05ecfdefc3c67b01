package files

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var compressions = []string{"lz4", "zstd", "none"}

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

// newWriter makes a Writer that is closed with the test.
func newWriter(t testing.TB, config Config, dir string, at *clock) (*Writer, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	w, err := New(config, fsys.OS{}, dir, Options{Writer: NewID(at.now())}, slog.New(slog.NewTextHandler(log, nil)), at.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return w, log
}

// lines is a batch of log records with these bodies.
func lines(t testing.TB, bodies ...string) arrow.RecordBatch {
	t.Helper()
	records := make([]*logspb.LogRecord, len(bodies))
	for i, body := range bodies {
		records[i] = &logspb.LogRecord{Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: body}}}
	}
	scopes := []*logspb.ScopeLogs{{LogRecords: records}}
	request, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: scopes}}})
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, otlp.Logs, request)
}

func decoded(t testing.TB, s otlp.Signal, request []byte) arrow.RecordBatch {
	t.Helper()
	table := decode.New(s)
	if err := table.Decode(request); err != nil {
		t.Fatal(err)
	}
	return table.Batch()
}

func write(t testing.TB, w *Writer, s otlp.Signal, batch arrow.RecordBatch) {
	t.Helper()
	if err := w.Write(s, 0, batch); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func list(t testing.TB, w *Writer, s otlp.Signal) []File {
	t.Helper()
	files, err := w.Files(s)
	if err != nil {
		t.Fatalf("Files: %v", err)
	}
	return files
}

// bodies reads a stream to its end: for each batch, the bodies of its rows.
func bodies(r io.Reader) ([][]string, error) {
	var all [][]string
	for batch, err := range readback.Batches(r) {
		if err != nil {
			return all, err
		}
		column := batch.Column(batch.Schema().FieldIndices("body")[0])
		var rows []string
		for i := range column.Len() {
			rows = append(rows, column.ValueStr(i))
		}
		all = append(all, rows)
	}
	return all, nil
}

func bodiesOf(path string) ([][]string, error) {
	file, err := os.Open(path) //nolint:gosec // below the test's directory
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return bodies(file)
}

func expectBodies(t testing.TB, path string, want ...[]string) {
	t.Helper()
	got, err := bodiesOf(path)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func expectKind(t testing.TB, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("got error %v of kind %d, want kind %d", err, fault.KindOf(err), want)
	}
}

func TestNamesAndRotation(t *testing.T) {
	name := regexp.MustCompile(`^otlp_logs_20250304_\d{6}_[0-9a-f]{21}_(\d{6})\.arrows$`)
	for _, c := range []struct {
		name   string
		change func(*Config)
		step   time.Duration
		writes int
		times  []string // in the files' names
	}{
		{"one file", func(*Config) {}, time.Second, 5, []string{"050607"}},
		{"by age", func(c *Config) { c.RotateIntervalSecs = 60 }, 30 * time.Second, 5, []string{"050607", "050707", "050807"}},
		{"clock set back", func(*Config) {}, -time.Hour, 2, []string{"040607", "050607"}},
		{"by size", func(c *Config) { c.RotateBytes = 1 }, 0, 3, []string{"050607", "050607", "050607"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, at, dir := Default(), newClock(), t.TempDir()
			c.change(&config)
			w, _ := newWriter(t, config, dir, at)
			for i := range c.writes {
				if i > 0 {
					at.move(c.step)
				}
				write(t, w, otlp.Logs, lines(t, "a"))
			}
			rows, files := 0, list(t, w, otlp.Logs)
			var times []string
			for _, file := range files {
				base := filepath.Base(file.Path)
				if filepath.Dir(file.Path) != filepath.Join(dir, "otlp", "logs") || !name.MatchString(base) {
					t.Errorf("the path is %s", file.Path)
				}
				times = append(times, strings.Split(base, "_")[3])
				batches, err := bodiesOf(file.Path)
				if err != nil {
					t.Error(err)
				}
				rows += len(batches)
			}
			if !slices.Equal(times, c.times) || rows != c.writes {
				t.Errorf("%d batches in files of %v, want %d in %v", rows, times, c.writes, c.times)
			}
		})
	}
}

func TestRotatesAtTheSize(t *testing.T) {
	config := Default()
	config.RotateBytes, config.Compression = minRotateBytes, "none"
	w, _ := newWriter(t, config, t.TempDir(), newClock())
	for range 40 {
		write(t, w, otlp.Logs, lines(t, strings.Repeat("a", 10_000)))
	}
	files := list(t, w, otlp.Logs)
	if len(files) < 3 {
		t.Fatalf("%d files, want more", len(files))
	}
	for _, file := range files[:len(files)-1] {
		if file.Length < minRotateBytes || file.Length > 2*minRotateBytes {
			t.Errorf("%s has %d bytes", file.Path, file.Length)
		}
	}
}

func TestWritersAndRestartsNeverCollide(t *testing.T) {
	dir, at := t.TempDir(), newClock()
	config := Default()
	config.RotateBytes = 1 // a file for each batch
	const writers, batches = 4, 25
	var group sync.WaitGroup
	for range writers {
		w, _ := newWriter(t, config, dir, at)
		group.Go(func() {
			for range batches {
				if err := w.Write(otlp.Logs, 0, lines(t, "a")); err != nil {
					t.Errorf("Write: %v", err)
				}
			}
		})
	}
	group.Wait()
	again, _ := newWriter(t, Default(), dir, at)
	before := list(t, again, otlp.Logs)
	if len(before) != writers*batches {
		t.Errorf("%d files, want %d", len(before), writers*batches)
	}
	write(t, again, otlp.Logs, lines(t, "b"))
	if after := list(t, again, otlp.Logs); len(after) != len(before)+1 {
		t.Errorf("%d files after a restart, want %d", len(after), len(before)+1)
	}
}

// TestReaderAtAnyMoment reads while batches of 1 to 50 rows are written: batch i has 1 + i%50
// rows that all say i, so a half or a torn one shows.
func TestReaderAtAnyMoment(t *testing.T) {
	for _, compression := range compressions {
		t.Run(compression, func(t *testing.T) {
			config := Default()
			config.Compression = compression
			w, _ := newWriter(t, config, t.TempDir(), newClock())
			const batches = 40
			done := make(chan struct{})
			var group sync.WaitGroup
			for i := range batches {
				write(t, w, otlp.Logs, lines(t, wanted(i)...))
				if i == 0 {
					path := list(t, w, otlp.Logs)[0].Path
					group.Go(func() { readUntil(t, w, done) })
					group.Go(func() { tail(t, w.signals[otlp.Logs].encoder.schema, path, done) })
				}
			}
			close(done)
			group.Wait()
			if got := readAll(t, w); got != batches {
				t.Errorf("%d batches at the end, want %d", got, batches)
			}
		})
	}
}

func wanted(i int) []string { return slices.Repeat([]string{fmt.Sprintf("batch %d", i)}, 1+i%50) }

func readUntil(t *testing.T, w *Writer, done <-chan struct{}) {
	for last := 0; !t.Failed(); {
		got := readAll(t, w)
		if got < last {
			t.Errorf("%d batches after %d were seen", got, last)
		}
		last = got
		select {
		case <-done:
			return
		default:
		}
	}
}

// tail looks at the end of the file without a pause, so that it meets the moments within a
// write, and reads what is new as soon as it shows.
func tail(t *testing.T, schema []byte, path string, done <-chan struct{}) {
	file, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = file.Close() }()
	at, next, buffer := int64(len(schema)), 0, make([]byte, 1<<20)
	for last := false; ; {
		n, _ := file.ReadAt(buffer, at) // EOF is as usual
		if n < 8 || bytes.Equal(buffer[:8], make([]byte, 8)) {
			if last {
				return
			}
			select {
			case <-done:
				last = true // one more look
			default:
			}
			continue
		}
		stream := bytes.NewReader(slices.Concat(schema, buffer[:n]))
		got, err := bodies(stream)
		if err != nil || len(got) == 0 {
			t.Errorf("%d batches after batch %d: %v", len(got), next, err)
			return
		}
		for _, rows := range got {
			if !slices.Equal(rows, wanted(next)) {
				t.Errorf("batch %d is %q", next, rows)
			}
			next++
		}
		read := (stream.Size() - int64(stream.Len())) &^ 7 // without half of the end's zeros
		at += read - int64(len(schema))
	}
}

// readAll counts the batches that a reader of the bare files sees, and one that trusts
// Length, and checks their rows.
func readAll(t *testing.T, w *Writer) int {
	files, err := w.Files(otlp.Logs)
	if err != nil || len(files) == 0 {
		return 0
	}
	file, err := os.Open(files[0].Path)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = file.Close() }()
	for name, r := range map[string]io.Reader{
		"up to Length": io.NewSectionReader(file, 0, files[0].Length),
		"read ahead":   bufio.NewReaderSize(io.NewSectionReader(file, 0, 1<<40), 1<<16),
	} {
		if _, err := bodies(r); err != nil {
			t.Errorf("read %s: %v", name, err)
		}
	}
	got, err := bodiesOf(files[0].Path)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	for i, rows := range got {
		if !slices.Equal(rows, wanted(i)) {
			t.Errorf("batch %d is %q", i, rows)
		}
	}
	return len(got)
}

func TestTextsThatEndInNUL(t *testing.T) {
	for _, compression := range compressions {
		t.Run(compression, func(t *testing.T) {
			config := Default()
			config.Compression = compression
			w, _ := newWriter(t, config, t.TempDir(), newClock())
			batches := [][]string{{"x"}, {"x\x00"}, {"x\x00\x00", "x"}, {"x", "x\x00"}, {""}, {"\x00"}, {"x"}}
			for _, batch := range batches {
				write(t, w, otlp.Logs, lines(t, batch...))
			}
			expectBodies(t, list(t, w, otlp.Logs)[0].Path, batches...)
		})
	}
}

func TestZerosAreTheEnd(t *testing.T) {
	for _, zeros := range []int64{0, 4, 8, 12, 4096} {
		t.Run(fmt.Sprint(zeros), func(t *testing.T) {
			w, _ := newWriter(t, Default(), t.TempDir(), newClock())
			write(t, w, otlp.Logs, lines(t, "a", "b"))
			file := list(t, w, otlp.Logs)[0]
			if err := os.Truncate(file.Path, file.Length+zeros); err != nil {
				t.Fatal(err)
			}
			expectBodies(t, file.Path, []string{"a", "b"})
			if got := list(t, w, otlp.Logs)[0]; got != file {
				t.Errorf("Files gives %v, want %v", got, file)
			}
			write(t, w, otlp.Logs, lines(t, "c"))
			expectBodies(t, file.Path, []string{"a", "b"}, []string{"c"})
		})
	}
}

func TestFileTakenAway(t *testing.T) {
	for _, c := range []struct {
		name string
		take func(path string) error
	}{
		{"removed", os.Remove},
		{"moved", func(path string) error { return os.Rename(path, path+".old") }},
		{"replaced", func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) }},
		{"directory removed", func(path string) error { return os.RemoveAll(filepath.Dir(path)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, log := newWriter(t, Default(), t.TempDir(), newClock())
			write(t, w, otlp.Logs, lines(t, "a"))
			first := list(t, w, otlp.Logs)[0].Path
			if err := c.take(first); err != nil {
				t.Fatal(err)
			}
			write(t, w, otlp.Logs, lines(t, "b"))
			write(t, w, otlp.Logs, lines(t, "c"))
			files := list(t, w, otlp.Logs)
			last := files[len(files)-1].Path
			if last == first {
				t.Fatal("no new file was begun")
			}
			expectBodies(t, last, []string{"b"}, []string{"c"})
			if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), first) {
				t.Errorf("want one warning that names %s, got:\n%s", first, log)
			}
		})
	}
}

func TestPermissions(t *testing.T) {
	for _, c := range []struct {
		file, dir         string
		wantFile, wantDir os.FileMode
	}{
		{"0600", "0700", 0o600, 0o700},
		{"0640", "0750", 0o640, 0o750},
		{"0666", "0777", 0o666, 0o777}, // whatever the umask
		{"0600", "0600", 0o600, 0o700}, // a directory must be entered
	} {
		t.Run(c.file+" "+c.dir, func(t *testing.T) {
			config, dir := Default(), filepath.Join(t.TempDir(), "made", "here")
			config.FileMode, config.DirMode = c.file, c.dir
			w, _ := newWriter(t, config, dir, newClock())
			write(t, w, otlp.Logs, lines(t, "a"))
			path := list(t, w, otlp.Logs)[0].Path
			want := map[string]os.FileMode{path: c.wantFile, filepath.Dir(path): c.wantDir, filepath.Join(dir, "otlp"): c.wantDir, dir: c.wantDir}
			for name, mode := range want {
				info, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode().Perm() != mode {
					t.Errorf("%s has %04o, want %04o", name, info.Mode().Perm(), mode)
				}
			}
		})
	}
}

func TestUnwritableAtNew(t *testing.T) {
	for _, blocked := range []string{"out", "out/otlp", "out/otlp/logs"} {
		t.Run(blocked, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, blocked)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			_, err := New(Default(), fsys.OS{}, filepath.Join(dir, "out"), Options{Writer: "aa"}, slog.New(slog.DiscardHandler), time.Now)
			expectKind(t, err, fault.Config)
		})
	}
	t.Run("no permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may write everywhere")
		}
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil { //nolint:gosec // a directory needs x
			t.Fatal(err)
		}
		_, err := New(Default(), fsys.OS{}, dir, Options{Writer: "aa"}, slog.New(slog.DiscardHandler), time.Now)
		expectKind(t, err, fault.Config)
	})
}

func TestFailedWriteCanBeTriedAgain(t *testing.T) {
	readOnly := func(t *testing.T, o *output) {
		file, err := fsys.OS{}.OpenFile(o.path, os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = o.file.Close()
		o.file = file
	}
	for _, c := range []struct {
		name        string
		spoil, mend func(t *testing.T, w *Writer, at *clock)
		beforeReads bool // the first file can still be read
	}{
		{name: "directory is a file", spoil: func(t *testing.T, w *Writer, _ *clock) {
			if err := errors.Join(os.RemoveAll(w.dir(otlp.Logs)), os.WriteFile(w.dir(otlp.Logs), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, mend: func(t *testing.T, w *Writer, _ *clock) {
			if err := os.Remove(w.dir(otlp.Logs)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "name is taken by a directory", spoil: func(t *testing.T, w *Writer, at *clock) {
			at.move(2 * time.Hour)
			name := fmt.Sprintf("otlp_logs_20250304_070607_%s_000002.arrows", w.id)
			if err := os.Mkdir(filepath.Join(w.dir(otlp.Logs), name), 0o700); err != nil {
				t.Fatal(err)
			}
		}, mend: func(t *testing.T, w *Writer, _ *clock) {
			name := fmt.Sprintf("otlp_logs_20250304_070607_%s_000002.arrows", w.id)
			if err := os.Remove(filepath.Join(w.dir(otlp.Logs), name)); err != nil {
				t.Fatal(err)
			}
		}, beforeReads: true},
		{name: "append fails", spoil: func(t *testing.T, w *Writer, _ *clock) { readOnly(t, w.signals[otlp.Logs]) }, beforeReads: true},
		{name: "file is closed", spoil: func(_ *testing.T, w *Writer, _ *clock) { _ = w.signals[otlp.Logs].file.Close() }, beforeReads: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := newClock()
			w, _ := newWriter(t, Default(), t.TempDir(), at)
			write(t, w, otlp.Logs, lines(t, "a"))
			first := list(t, w, otlp.Logs)[0]
			c.spoil(t, w, at)
			expectKind(t, w.Write(otlp.Logs, 0, lines(t, "b")), fault.IO)
			if c.mend != nil {
				c.mend(t, w, at)
			}
			write(t, w, otlp.Logs, lines(t, "b"))
			files := list(t, w, otlp.Logs)
			expectBodies(t, files[len(files)-1].Path, []string{"b"})
			if c.beforeReads {
				expectBodies(t, first.Path, []string{"a"})
				if files[0] != first {
					t.Errorf("the first file is %v, want %v", files[0], first)
				}
			}
			left, err := filepath.Glob(filepath.Join(w.dir(otlp.Logs), ".*"))
			if err != nil || len(left) != 0 {
				t.Errorf("left over: %v, %v", left, err)
			}
		})
	}
}

func TestBatchOfAnotherSignal(t *testing.T) {
	w, _ := newWriter(t, Default(), t.TempDir(), newClock())
	expectKind(t, w.Write(otlp.Traces, 0, lines(t, "a")), fault.Internal)
	write(t, w, otlp.Traces, decoded(t, otlp.Traces, sample.New(1, 1).Body("traces", 3))) // the error does not stay
}

// TestAside: a request that cannot become Arrow is kept as it is, private, away from the tables.
func TestAside(t *testing.T) {
	w, _ := newWriter(t, Default(), t.TempDir(), newClock())
	for range 2 {
		path, err := w.Aside(otlp.Logs, []byte("request"))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(path)
		if err != nil || string(kept) != "request" {
			t.Errorf("%q, %v", kept, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(w.root, "aside")); err != nil || len(entries) != 2 {
		t.Errorf("%d files, %v; want 2", len(entries), err)
	}
	if files := list(t, w, otlp.Logs); len(files) != 0 {
		t.Errorf("%v are taken for tables", files)
	}
	if err := os.RemoveAll(w.root); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := w.Aside(otlp.Logs, nil)
	expectKind(t, err, fault.IO)
}

func TestFilesPassesOverOthers(t *testing.T) {
	w, _ := newWriter(t, Default(), t.TempDir(), newClock())
	if files := list(t, w, otlp.Logs); files == nil || len(files) != 0 {
		t.Errorf("got %v, want an empty list", files)
	}
	write(t, w, otlp.Logs, lines(t, "a"))
	for _, name := range []string{".otlp_logs_x.arrows.tmp", ".otlp_logs_x.arrows", "notes.txt", "otlp_logs_x.arrows.old"} {
		if err := os.WriteFile(filepath.Join(w.dir(otlp.Logs), name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if files := list(t, w, otlp.Logs); len(files) != 1 {
		t.Errorf("got %v, want one file", files)
	}
	if err := os.RemoveAll(w.dir(otlp.Logs)); err != nil {
		t.Fatal(err)
	}
	_, err := w.Files(otlp.Logs)
	expectKind(t, err, fault.IO)
}

func TestClose(t *testing.T) {
	w, _ := newWriter(t, Default(), t.TempDir(), newClock())
	for _, s := range otlp.Signals {
		write(t, w, s, decoded(t, s, sample.New(1, 1).Body(s.String(), 3)))
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	write(t, w, otlp.Logs, lines(t, "a"))
	_ = w.signals[otlp.Logs].file.Close()
	expectKind(t, w.Close(), fault.IO)
}

// BenchmarkWrite writes batches of 10000 items; bytes/item is what they take on disk:
//
//	go test ./gocore/internal/files -run '^$' -bench Write -cpu 1
func BenchmarkWrite(b *testing.B) {
	const items = 10_000
	for _, s := range otlp.Signals {
		batch := decoded(b, s, sample.New(42, 1_700_000_000_000_000_000).Body(s.String(), items))
		for _, compression := range compressions {
			b.Run(fmt.Sprintf("signal=%s/compression=%s", s, compression), func(b *testing.B) {
				config := Default()
				config.Compression = compression
				w, err := New(config, fsys.OS{}, b.TempDir(), Options{Writer: "aa"}, slog.New(slog.DiscardHandler), newClock().now)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = w.Close() }()
				b.ReportAllocs()
				for b.Loop() {
					write(b, w, s, batch)
				}
				elapsed, size := b.Elapsed(), int64(0)
				for _, file := range list(b, w, s) {
					size += file.Length
				}
				b.ReportMetric(float64(elapsed.Nanoseconds())/float64(b.N)/items, "ns/item")
				b.ReportMetric(float64(size)/float64(b.N)/items, "bytes/item")
			})
		}
	}
}
