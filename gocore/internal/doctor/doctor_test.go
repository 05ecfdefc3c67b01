package doctor

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/node"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func settings() config.Config {
	c := config.Default()
	c.OutputDir, c.WriteIntervalSecs = "/out", 3600
	c.OTLPGRPC.Enabled, c.OTLPHTTP.Enabled, c.Arrow.Enabled = false, false, false
	c.Health.Enabled, c.Metrics.Enabled = false, false
	c.Queue.MaxBytes = 1 << 20
	return c
}

func request(t testing.TB, id string) []byte {
	t.Helper()
	record := &logspb.LogRecord{Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: id}}}
	scopes := []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{record}}}
	body, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: scopes}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// start starts a node that is shut down with the test.
func start(t testing.TB, disk fsys.FS, change func(*config.Config)) *node.Node {
	t.Helper()
	c := settings()
	change(&c)
	n, err := node.StartOn(disk, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
	return n
}

// put accepts requests and writes them as one batch, but for an id of "".
func put(t testing.TB, n *node.Node, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if id == "" {
			return
		}
		if err := n.Accept(t.Context(), otlp.Logs, request(t, id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Flush(t.Context(), otlp.Logs); err != nil {
		t.Fatal(err)
	}
}

// crash is a directory whose writer died with a and b in one file, c in another, and d in the
// journal only.
func crash(t testing.TB, change func(*config.Config)) *memfs.FS {
	t.Helper()
	disk := memfs.New()
	n := start(t, disk, func(c *config.Config) { c.Files.RotateBytes = 1 << 14; change(c) })
	put(t, n, "a")
	put(t, n, "b"+strings.Repeat("x", 1<<15))
	put(t, n, "c")
	put(t, n, "d", "")
	return disk.Clone(memfs.KillNine())
}

func nothing(*config.Config) {}

// stored reads all rows as anybody would: how often each is there, by its first letter.
func stored(t testing.TB, disk fsys.FS) string {
	t.Helper()
	dir := filepath.Join(files.Root("/out"), "logs")
	entries, err := disk.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[byte]int{}
	for _, entry := range entries {
		if entry.Name()[0] == '.' {
			continue
		}
		data, err := fsys.ReadFile(disk, filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		bodies, err := readback.Texts(data, "body")
		if err != nil {
			t.Fatalf("%s: %v", entry.Name(), err)
		}
		for _, text := range bodies {
			counts[text[0]]++
		}
	}
	text := ""
	for letter := byte('a'); letter <= 'z'; letter++ {
		text += strings.Repeat(string(letter), counts[letter])
	}
	return text
}

func run(t testing.TB, disk fsys.FS, repair bool) *Report {
	t.Helper()
	report, err := Run(disk, settings(), Options{Repair: repair, Now: time.Now()}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// only is the one file of a kind: a part of its path.
func only(t testing.TB, disk fsys.FS, dir, part string) string {
	t.Helper()
	dir = filepath.Join(files.Root("/out"), dir)
	entries, err := disk.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.Contains(entry.Name(), part) {
			return filepath.Join(dir, entry.Name())
		}
	}
	t.Fatalf("%s has no %s", dir, part)
	return ""
}

// change rewrites bytes of a file in place.
func change(t testing.TB, disk fsys.FS, path string, edit func(data []byte) (at int64, b []byte)) {
	t.Helper()
	data, err := fsys.ReadFile(disk, path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := disk.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	at, b := edit(data)
	if _, err := file.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func appending(b ...byte) func([]byte) (int64, []byte) {
	return func(data []byte) (int64, []byte) { return int64(len(data)), b }
}

func remove(t testing.TB, disk fsys.FS, path string) {
	t.Helper()
	if err := disk.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func makeFile(t testing.TB, disk fsys.FS, path string, data []byte) {
	t.Helper()
	if err := fsys.MkdirAll(disk, filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Replace(disk, path, data, 0o600, false); err != nil {
		t.Fatal(err)
	}
}

const (
	firstLogs = "_000001.arrows"
	lastLogs  = "_000002.arrows"
)

// TestDoctor spoils a crashed directory, and sees what is found, and what is left of both the
// problem and the rows after a repair.
func TestDoctor(t *testing.T) {
	for n, tt := range []struct {
		name   string
		adopt  bool // the journal, before the directory is spoiled
		spoil  func(t *testing.T, disk *memfs.FS)
		found  []string // parts of findings, with their severity
		left   []string // of what cannot be repaired
		stored string
	}{
		{"a crash", false, func(*testing.T, *memfs.FS) {}, []string{"error: the journal of a dead writer, with 1 requests"}, nil, "abcd"},
		{"nothing", true, func(*testing.T, *memfs.FS) {}, nil, nil, "abcd"},
		{"a damaged cursor", false, func(t *testing.T, disk *memfs.FS) {
			change(t, disk, only(t, disk, ".journal", "logs.cursor"), func([]byte) (int64, []byte) { return 3, []byte("\x00\x00") })
		}, []string{"error: cursor", "error: the journal of a dead writer, with 4 requests"}, []string{"warning: 1 pieces of damaged files"}, "abcd"},
		{"a lost cursor of which the journal has all", false, func(t *testing.T, disk *memfs.FS) {
			remove(t, disk, only(t, disk, ".journal", "logs.cursor"))
		}, []string{"error: the journal of a dead writer, with 4 requests"}, nil, "abcd"},
		{"a directory that was copied", false, func(t *testing.T, disk *memfs.FS) {
			path := only(t, disk, "logs", lastLogs)
			data, err := fsys.ReadFile(disk, path)
			if err != nil {
				t.Fatal(err)
			}
			makeFile(t, disk, path, data)
		}, []string{"error: otlp_logs_", "error: the journal"}, []string{"warning: 1 pieces"}, "abcd"},
		{"a cursor beyond its file", false, func(t *testing.T, disk *memfs.FS) {
			file, err := disk.OpenFile(only(t, disk, "logs", lastLogs), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			info, _ := file.Stat()
			if err := errorsOf(file.Truncate(info.Size()-8), file.Close()); err != nil {
				t.Fatal(err)
			}
		}, []string{"error: no batch of otlp_logs_", "error: behind the last whole batch", "error: the journal"},
			[]string{"warning: 1 pieces"}, "abcd"},
		{"a file that is gone", false, func(t *testing.T, disk *memfs.FS) { remove(t, disk, only(t, disk, "logs", lastLogs)) },
			[]string{"warning: its file otlp_logs", "error: the journal"}, []string{"warning: no file has the records"}, "abd"},
		{"a tail of zeros", true, func(t *testing.T, disk *memfs.FS) {
			change(t, disk, only(t, disk, "logs", lastLogs), appending(0, 0, 0, 0, 0))
			change(t, disk, only(t, disk, "logs", firstLogs), appending(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3))
		}, nil, nil, "abcd"},
		{"garbage behind the last batch", true, func(t *testing.T, disk *memfs.FS) {
			change(t, disk, only(t, disk, "logs", firstLogs), appending(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
		}, []string{"error: behind the last whole batch"}, []string{"warning: 1 pieces"}, "abcd"},
		{"a batch that is cut short", true, func(t *testing.T, disk *memfs.FS) {
			change(t, disk, only(t, disk, "logs", firstLogs), func(data []byte) (int64, []byte) { return int64(len(data)), data[:100] })
		}, []string{"error: behind the last whole batch"}, []string{"warning: 1 pieces"}, "abcd"},
		{"no schema", true, func(t *testing.T, disk *memfs.FS) {
			change(t, disk, only(t, disk, "logs", lastLogs), func([]byte) (int64, []byte) { return 0, []byte("no schema") })
		}, []string{"error: not even a schema", "warning: no file has the records"}, []string{"warning: 1 pieces", "warning: no file has the records"}, "abd"},
		{"a broken batch", true, func(t *testing.T, disk *memfs.FS) {
			change(t, disk, only(t, disk, "logs", firstLogs), func(data []byte) (int64, []byte) {
				return int64(len(data)) - 600, bytes.Repeat([]byte{0xff}, 600)
			})
		}, []string{"error: 1 of 2 batches cannot be decoded"}, []string{"warning: 1 pieces", "warning: no file has the records"}, "acd"},
		{"rows twice", true, func(t *testing.T, disk *memfs.FS) {
			data, err := fsys.ReadFile(disk, only(t, disk, "logs", firstLogs))
			if err != nil {
				t.Fatal(err)
			}
			makeFile(t, disk, strings.Replace(only(t, disk, "logs", lastLogs), "000002", "000009", 1), data)
		}, []string{"error: its journal records", "error: its journal records"}, []string{"error: its journal records", "error: its journal records"}, "aabbcd"},
		{"another version", true, func(t *testing.T, disk *memfs.FS) {
			change(t, disk, only(t, disk, "logs", lastLogs), func(data []byte) (int64, []byte) {
				at := bytes.Index(data, []byte("otlp_arrow.schema_version"))
				return int64(at - 8 + bytes.IndexByte(data[at-8:at], '1')), []byte{'7'}
			})
		}, []string{`warning: schema version "7"`}, []string{`warning: schema version "7"`}, "abcd"},
		{"another signal", true, func(t *testing.T, disk *memfs.FS) {
			data, err := fsys.ReadFile(disk, only(t, disk, "logs", lastLogs))
			if err != nil {
				t.Fatal(err)
			}
			makeFile(t, disk, "/out/otlp/traces/otlp_traces_20250101_000000_abc_000001.arrows", data)
		}, []string{"error: it holds logs"}, []string{"error: it holds logs"}, "abcd"},
		{"leftovers", true, func(t *testing.T, disk *memfs.FS) {
			for _, name := range []string{
				"logs/.otlp_logs_20250101_000000_abc_000001.arrows.tmp", "logs/.otlp_logs_20250101_000000_abc_000001.arrows.new.tmp",
				"traces/.otlp_trial_abc", ".journal/abc.logs.cursor", ".journal/.abc.logs.cursor.0123456789ab.tmp", ".journal/abd.lock",
				"aside/.otlp_logs_20250101_000000_abc_000001.binpb.0123456789ab.tmp",
				// and what is to stay
				"aside/otlp_logs_20250101_000000_abc_000001.binpb", "aside/.not-ours", "logs/.not-ours",
				".journal/abe.damaged/0001.seg",
			} {
				makeFile(t, disk, "/out/otlp/"+name, nil)
			}
			data, err := fsys.ReadFile(disk, only(t, disk, "logs", lastLogs))
			if err != nil {
				t.Fatal(err)
			}
			makeFile(t, disk, "/out/otlp/logs/otlp_logs_copy.arrows", data)
		}, []string{
			"warning: segments of a dead writer's", "warning: a file that was never finished", "warning: a file that was never finished",
			"warning: a file that was never finished", "warning: a file that was never finished", "warning: a file that was never finished",
			"warning: a cursor without a journal", "warning: the lock of a dead writer", "warning: 1 requests", "warning: not a name of ours",
		}, []string{"warning: segments of a dead writer's", "warning: 1 requests", "warning: not a name of ours"}, "abccd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk := crash(t, nothing)
			if tt.adopt {
				run(t, disk, true)
			}
			tt.spoil(t, disk)
			before := disk.Clone(memfs.KillNine())
			onlyLooks(t, disk)
			expectFindings(t, "found", run(t, disk, false), tt.found, false)
			disk.SetHook(nil)
			repaired := run(t, disk, true)
			report := run(t, disk, false)
			expectFindings(t, "left", report, tt.left, true)
			if repaired.Healthy != report.Healthy || strings.Contains(repaired.Text(), "failed") {
				t.Errorf("said after the repair: %s", repaired.Text())
			}
			if got := stored(t, disk); got != tt.stored {
				t.Errorf("%q is stored, want %q", got, tt.stored)
			}
			everyRepair(t, before, tt.stored, n)
		})
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// onlyLooks fails a test that changes anything but locks.
func onlyLooks(t *testing.T, disk *memfs.FS) {
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind.Changes() && op.Kind != memfs.Lock {
			t.Errorf("%s %s while it only looks", op.Kind, op.Name)
		}
		return nil
	})
}

func expectFindings(t *testing.T, when string, report *Report, want []string, exact bool) {
	t.Helper()
	rest := append([]Finding(nil), report.Findings...)
	for _, part := range want {
		severity, problem, _ := strings.Cut(part, ": ")
		found := false
		for i, f := range rest {
			if f.Severity == severity && strings.HasPrefix(f.Problem, problem) {
				rest, found = append(rest[:i], rest[i+1:]...), true
				break
			}
		}
		if !found {
			t.Errorf("%s: no %q in\n%s", when, part, report.Text())
		}
	}
	if len(rest) > 0 {
		t.Errorf("%s: not expected: %+v", when, rest)
	}
	if healthy := !strings.Contains(strings.Join(want, "\n"), Error); report.Healthy != healthy {
		t.Errorf("%s: healthy is %v", when, report.Healthy)
	}
}

// everyRepair crashes a repair at its calls, of which it leaves some to other cases: the next one
// comes to the same.
func everyRepair(t *testing.T, before *memfs.FS, want string, offset int) {
	t.Helper()
	for _, mode := range []memfs.Mode{memfs.KillNine(), memfs.PowerLossPartly(3)} {
		var all []*memfs.FS
		disk := before.Clone(memfs.KillNine())
		syncAll(t, disk, "/")
		disk.SetHook(func(op memfs.Op) error {
			if op.Kind.Changes() {
				all = append(all, disk.Clone(mode))
			}
			return nil
		})
		run(t, disk, true)
		for i := offset % 3; i < len(all); i += 3 {
			crashed := all[i]
			run(t, crashed, true)
			if got := stored(t, crashed); got != want {
				t.Fatalf("a crash (%s) at call %d of the repair: %q is stored, want %q", mode, i, got, want)
			}
		}
	}
}

// syncAll makes what there is durable.
func syncAll(t *testing.T, disk fsys.FS, dir string) {
	t.Helper()
	entries, err := disk.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if entry.IsDir() {
			syncAll(t, disk, path)
			continue
		}
		file, err := disk.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			err = errorsOf(file.Sync(), file.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := disk.SyncDir(dir); err != nil {
		t.Fatal(err)
	}
}

// TestBesideAService: what is alive is only read, though it looks unfinished.
func TestBesideAService(t *testing.T) {
	for _, durability := range []string{config.Memory, config.Write} {
		disk := memfs.New()
		n := start(t, disk, func(c *config.Config) { c.Durability = durability })
		put(t, n, "a")
		put(t, n, "b", "")
		path := only(t, disk, "logs", firstLogs)
		change(t, disk, path, appending(1, 2, 3, 4, 5, 6, 7, 8))
		makeFile(t, disk, filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp"), nil)
		report := run(t, disk, true)
		expectFindings(t, durability, report, []string{"warning: behind the last whole batch"}, true)
		if durability == config.Write {
			if len(report.Journals) != 1 || !report.Journals[0].Alive || report.Journals[0].Unread["logs"] != 1 {
				t.Errorf("journals: %+v", report.Journals)
			}
			if !strings.Contains(report.Text(), "alive, 2 requests, 1 of logs not in files yet") {
				t.Error(report.Text())
			}
		}
		put(t, n, "c")
		if got := stored(t, disk); got != "abc" {
			t.Errorf("%q is stored", got)
		}
	}
}

// TestALostCursor: the journal forgot what is in files; adopted as it is, these would be removed.
func TestALostCursor(t *testing.T) {
	disk := memfs.New()
	n := start(t, disk, func(c *config.Config) { c.Files.RotateBytes = 1 << 16 })
	large := strings.Repeat("x", 70<<10)
	put(t, n, "a"+large)
	put(t, n, "b"+large)
	put(t, n, "c", "")
	crashed := disk.Clone(memfs.KillNine())
	remove(t, crashed, only(t, crashed, ".journal", "logs.cursor"))
	expectFindings(t, "found", run(t, crashed, false), []string{"error: there is no cursor", "error: the journal"}, true)
	if report := run(t, crashed, true); !report.Healthy {
		t.Error(report.Text())
	}
	if got := stored(t, crashed); got != "abc" {
		t.Errorf("%q is stored", got)
	}
}

// TestDamagedJournal: what cannot be read is moved aside, the rest adopted.
func TestDamagedJournal(t *testing.T) {
	disk := crash(t, nothing)
	entries, err := disk.ReadDir(files.Journals("/out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			change(t, disk, only(t, disk, ".journal/"+entry.Name(), ".seg"), func(data []byte) (int64, []byte) {
				return int64(bytes.LastIndexByte(data, 'd')), []byte{0xff}
			})
		}
	}
	report := run(t, disk, false)
	if !strings.Contains(report.Text(), "a body's checksum differs") || report.Healthy {
		t.Error(report.Text())
	}
	run(t, disk, true)
	if report = run(t, disk, false); !report.Healthy || !strings.Contains(report.Text(), "could not be read are kept here") {
		t.Error(report.Text())
	}
}

func TestTroubles(t *testing.T) {
	if _, err := Run(memfs.New(), settings(), Options{}, quiet); fault.KindOf(err) != fault.Config {
		t.Errorf("no directory: %v", err)
	}
	for _, kind := range []memfs.Kind{memfs.ReadDir, memfs.Open, memfs.Read, memfs.Lock} {
		for _, part := range []string{".journal", "/logs", ".seg"} {
			disk, hit := crash(t, nothing), false
			disk.SetHook(func(op memfs.Op) error {
				if op.Kind == kind && strings.Contains(op.Name, part) {
					hit = true
					return syscall.EIO
				}
				return nil
			})
			report, err := Run(disk, settings(), Options{Repair: true, Now: time.Now()}, quiet)
			if err == nil && report.Healthy && hit {
				t.Errorf("%s of %s fails: healthy\n%s", kind, part, report.Text())
			}
			disk.SetHook(nil)
			run(t, disk, true)
			if got := stored(t, disk); got != "abcd" {
				t.Errorf("%s of %s failed: %q is stored", kind, part, got)
			}
		}
	}
}

// TestFailedRepairs are told with their reason, and what they were to repair stays.
func TestFailedRepairs(t *testing.T) {
	disk := crash(t, nothing)
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Remove && !strings.Contains(op.Name, "maintenance") {
			return fmt.Errorf("held: %w", fs.ErrPermission)
		}
		return nil
	})
	report := run(t, disk, true)
	if report.Healthy || !strings.Contains(report.Text(), "repair failed: adopt it") || !strings.Contains(report.Text(), "problems remain") {
		t.Error(report.Text())
	}
	disk.SetHook(nil)
	release, err := files.Maintain(disk, "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release() }()
	if _, err := Run(disk, settings(), Options{Repair: true}, quiet); err == nil {
		t.Error("two repair at a time")
	}
}

// TestDamageOfTheLiving is told when it lasts, and nothing is done about it. A journal of a newer
// program is left alone.
func TestDamageOfTheLiving(t *testing.T) {
	disk := memfs.New()
	n := start(t, disk, nothing)
	put(t, n, "a"+strings.Repeat("x", 100), "b", "")
	segment := only(t, disk, ".journal/"+onlyJournal(t, disk), ".seg")
	change(t, disk, segment, func(data []byte) (int64, []byte) {
		return int64(bytes.Index(data, []byte("xxx"))), []byte("y")
	})
	expectFindings(t, "alive", run(t, disk, true), []string{"warning: damaged at 64"}, true)

	looks := 0
	disk.SetHook(func(op memfs.Op) error { // at the second look it is another segment
		if op.Kind == memfs.Open && op.Name == segment {
			if looks++; looks > 2 {
				return fs.ErrNotExist
			}
		}
		return nil
	})
	expectFindings(t, "alive, for a moment", run(t, disk, false), nil, true)
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Read && op.Name == segment {
			return syscall.EIO
		}
		return nil
	})
	expectFindings(t, "unreadable", run(t, disk, false), []string{"warning: the journal cannot be read"}, true)
	disk.SetHook(nil)

	crashed := disk.Clone(memfs.KillNine())
	change(t, crashed, segment, func(data []byte) (int64, []byte) {
		head := bytes.Clone(data[:64])
		head[8]++ // the version
		table := crc32.MakeTable(crc32.Castagnoli)
		binary.LittleEndian.PutUint32(head[12:], crc32.Update(crc32.Checksum(head[:12], table), table, head[16:]))
		return 0, head
	})
	newer := []string{"warning: the journal cannot be read"}
	expectFindings(t, "newer", run(t, crashed, true), newer, true)
	expectFindings(t, "newer, afterwards", run(t, crashed, false), newer, true)
}

// onlyJournal is the one writer's with a journal.
func onlyJournal(t *testing.T, disk fsys.FS) string {
	t.Helper()
	entries, err := disk.ReadDir(files.Journals("/out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			return entry.Name()
		}
	}
	t.Fatal("no journal")
	return ""
}
