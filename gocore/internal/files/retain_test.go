package files

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// layout makes files of 100 bytes, and directories where a name ends in /; a name may have
// content after a space.
func layout(t testing.TB, disk fsys.FS, dir string, names ...string) {
	t.Helper()
	for _, entry := range names {
		name, content, given := strings.Cut(entry, " ")
		if !given {
			content = strings.Repeat("x", 100)
		}
		path := filepath.Join(Root(dir), filepath.FromSlash(name))
		parent := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			parent = path
		}
		if err := fsys.MkdirAll(disk, parent, 0o700); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if err := fsys.Replace(disk, path, []byte(content), 0o600, false); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// named lists what a signal's directory has, data files by writer and number: "a1".
func named(t testing.TB, disk fsys.FS, dir string, s otlp.Signal) (all []string) {
	t.Helper()
	entries, err := disk.ReadDir(filepath.Join(Root(dir), s.String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if n, ok := parseName(entry.Name()); ok && n.signal == s {
			all = append(all, fmt.Sprintf("%s%d", n.writer, n.seq))
		} else {
			all = append(all, entry.Name())
		}
	}
	slices.Sort(all)
	return all
}

// short makes "logs/a2@03:00" the name of file 2 of writer a, begun at that time of the day.
func short(text string) string {
	rest, ok := strings.CutPrefix(text, "logs/")
	name, at, dated := strings.Cut(rest, "@")
	if !ok || !dated {
		return text
	}
	return fmt.Sprintf("logs/otlp_logs_20250304_%s00_%s_%06s.arrows", strings.ReplaceAll(at, ":", ""), name[:1], name[1:])
}

func shorts(all ...string) []string {
	for i := range all {
		all[i] = short(all[i])
	}
	return all
}

func cursorOf(file string, position int) string {
	return fmt.Sprintf(`.journal/a.logs.cursor {"position":%d,"file":"%s","length":100,"inode":1}`, position, filepath.Base(short(file)))
}

func TestRetain(t *testing.T) {
	noon := time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)
	ended := []string{"logs/a1@01:00", "logs/a2@03:00", "logs/a3@05:00"}
	for _, tt := range []struct {
		name  string
		have  []string
		limit Limit
		left  []string
	}{
		{"nothing there", []string{"logs/"}, Limit{1, 1}, nil},
		{"no limit", ended, Limit{}, []string{"a1", "a2", "a3"}},
		{"by age, which begins where the next file does", ended, Limit{MaxAgeSecs: 8 * 3600}, []string{"a2", "a3"}},
		{"a second younger", ended, Limit{MaxAgeSecs: 9*3600 + 1}, []string{"a1", "a2", "a3"}},
		{"all of an ended writer's", ended, Limit{MaxAgeSecs: 3600}, nil},
		{"by bytes", ended, Limit{MaxBytes: 250}, []string{"a2", "a3"}},
		{"by bytes, just enough", ended, Limit{MaxBytes: 300}, []string{"a1", "a2", "a3"}},
		{"by both", ended, Limit{MaxAgeSecs: 8 * 3600, MaxBytes: 100}, []string{"a3"}},
		{"the oldest of all writers", append([]string{"logs/b1@02:00"}, ended...), Limit{MaxBytes: 300}, []string{"a1", "a2", "a3"}},
		{"not what is not ours", []string{"logs/mine.arrows", "logs/otlp_traces_20250304_010000_a_000001.arrows", "logs/sub/",
			"logs/.otlp_logs_20250304_010000_a_000001.arrows.tmp", "logs/otlp_logs_20250304_010000_a_000001.arrows/"}, Limit{1, 1},
			[]string{".otlp_logs_20250304_010000_a_000001.arrows.tmp", "a1", "mine.arrows",
				"otlp_traces_20250304_010000_a_000001.arrows", "sub"}},
		{"the newest of who writes without a journal", append([]string{".journal/a.lock"}, ended...), Limit{MaxAgeSecs: 1}, []string{"a3"}},
		{"own, without a lock", []string{"logs/f1@01:00", "logs/f2@02:00"}, Limit{MaxAgeSecs: 1}, []string{"f2"}},
		{"from the cursor's on", append([]string{".journal/a.lock", ".journal/a/", cursorOf("logs/a2@03:00", 7)}, ended...),
			Limit{MaxAgeSecs: 1}, []string{"a2", "a3"}},
		{"all, without a cursor", append([]string{".journal/a/"}, ended...), Limit{MaxAgeSecs: 1}, []string{"a1", "a2", "a3"}},
		{"all, with a damaged cursor", append([]string{".journal/a/", ".journal/a.logs.cursor {"}, ended...),
			Limit{MaxAgeSecs: 1}, []string{"a1", "a2", "a3"}},
		{"the newest, whatever the cursor", append([]string{".journal/a/", cursorOf("logs/a9@05:00", 7)}, ended...),
			Limit{MaxAgeSecs: 1}, []string{"a3"}},
		{"an orphan cursor holds nothing", append([]string{cursorOf("logs/a2@03:00", 7)}, ended...), Limit{MaxAgeSecs: 1}, nil},
		{"damaged journals hold nothing", append([]string{".journal/a.damaged/"}, ended...), Limit{MaxAgeSecs: 1}, nil},
		{"held files count", append([]string{".journal/b.lock", "logs/b1@00:30"}, ended...), Limit{MaxBytes: 150}, []string{"b1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk := memfs.New()
			layout(t, disk, "/out", shorts(tt.have...)...)
			before := len(named(t, disk, "/out", otlp.Logs))
			removed, err := Retain(disk, "/out", otlp.Logs, tt.limit, noon, "f")
			left := named(t, disk, "/out", otlp.Logs)
			if err != nil || !slices.Equal(left, tt.left) {
				t.Errorf("left %q, want %q (%v)", left, tt.left, err)
			}
			if removed.Files != before-len(left) || removed.Bytes != int64(100*removed.Files) {
				t.Errorf("%+v were removed", removed)
			}
		})
	}
}

// TestRetainOnADisk: with times of change the end of the data is known better, and a link is
// not followed.
func TestRetainOnADisk(t *testing.T) {
	dir, disk := t.TempDir(), fsys.OS{}
	noon := time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)
	layout(t, disk, dir, shorts("logs/a1@01:00", "logs/a2@09:00", "logs/b1@01:00", "elsewhere/kept")...)
	at := func(name string) string { return filepath.Join(Root(dir), short(name)) }
	for name, hour := range map[string]int{"logs/a1@01:00": 2, "logs/a2@09:00": 11, "logs/b1@01:00": 23} {
		changed := time.Date(2025, 3, 4, hour, 0, 0, 0, time.UTC)
		if err := os.Chtimes(at(name), changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(at("elsewhere/kept"), at("logs/c1@01:00")); err != nil {
		t.Skip(err)
	}
	// a1 ended at 2 though a2 began at 9; b1 has changed after noon, which is no age.
	removed, err := Retain(disk, dir, otlp.Logs, Limit{MaxAgeSecs: 5 * 3600}, noon)
	if left := named(t, disk, dir, otlp.Logs); err != nil || removed.Files != 1 || !slices.Equal(left, []string{"a2", "b1", "c1"}) {
		t.Errorf("left %q, %+v, %v", left, removed, err)
	}
}

func TestRetainTriesAgain(t *testing.T) {
	disk := memfs.New()
	noon := time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)
	layout(t, disk, "/out", shorts("logs/a1@01:00", "logs/a2@02:00", "logs/a3@03:00")...)
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Remove && strings.Contains(op.Name, "000001") {
			return fs.ErrPermission // as on Windows, when it is mapped
		}
		return nil
	})
	_, err := Retain(disk, "/out", otlp.Logs, Limit{MaxBytes: 200}, noon)
	expectKind(t, err, fault.IO)
	if left := named(t, disk, "/out", otlp.Logs); !slices.Equal(left, []string{"a1", "a2", "a3"}) {
		t.Errorf("a newer one went in its place: %q", left)
	}
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.ReadDir && strings.HasSuffix(op.Name, ".journal") {
			return syscall.EIO
		}
		return nil
	})
	_, err = Retain(disk, "/out", otlp.Logs, Limit{MaxBytes: 1}, noon)
	expectKind(t, err, fault.IO) // unknown locks hold all
	disk.SetHook(nil)
	if removed, err := Retain(disk, "/out", otlp.Logs, Limit{MaxBytes: 200}, noon); err != nil || removed.Files != 1 {
		t.Errorf("%+v, %v", removed, err)
	}
}

// TestRetainTogether: processes that remove at the same time remove no more than one alone.
func TestRetainTogether(t *testing.T) {
	disk := memfs.New()
	for i := range 200 {
		layout(t, disk, "/out", fmt.Sprintf("logs/otlp_logs_20250304_00%02d%02d_a_%06d.arrows", i/60, i%60, i+1))
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 8 {
		all.Go(func() {
			removed, err := Retain(disk, "/out", otlp.Logs, Limit{MaxBytes: 5000}, time.Now())
			mu.Lock()
			defer mu.Unlock()
			total += removed.Files
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if left := named(t, disk, "/out", otlp.Logs); total != 150 || len(left) != 50 || left[0] != "a151" {
		t.Errorf("%d were removed, %d left from %s on", total, len(left), left[0])
	}
}

// TestRetainLetsRecover: whatever retention removes beside a dead writer's journal, recovery
// gives the same positions, and the files from the cursor's on are as they would be.
func TestRetainLetsRecover(t *testing.T) {
	disk, at := memfs.New(), newClock()
	config := Default()
	config.RotateBytes = 1
	if err := fsys.MkdirAll(disk, Journals("/out")+"/abc", 0o700); err != nil {
		t.Fatal(err)
	}
	options := Options{Writer: "abc", Cursors: Journals("/out")}
	w := newWriterOn(t, disk, config, options, at)
	for i := range 4 {
		if err := w.Write(otlp.Logs, uint64(i+2), lines(t, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	dead := disk.Clone(memfs.KillNine())
	if _, err := Retain(dead, "/out", otlp.Logs, Limit{MaxBytes: 1}, at.now()); err != nil {
		t.Fatal(err)
	}
	if left := named(t, dead, "/out", otlp.Logs); !slices.Equal(left, []string{"abc4"}) {
		t.Errorf("left %q", left)
	}
	from, err := newWriterOn(t, dead, config, options, at).Recover()
	if err != nil || from[otlp.Logs] != 5 {
		t.Errorf("from %v, %v", from, err)
	}
	if left := named(t, dead, "/out", otlp.Logs); !slices.Equal(left, []string{"abc4"}) {
		t.Errorf("after the recovery there is %q", left)
	}
}

func newWriterOn(t testing.TB, disk fsys.FS, config Config, o Options, at *clock) *Writer {
	t.Helper()
	w, err := New(config, disk, "/out", o, quiet, at.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func TestRetentionValidate(t *testing.T) {
	for _, tt := range []struct {
		change func(*Retention)
		want   string
	}{
		{func(*Retention) {}, ""},
		{func(r *Retention) { r.CheckIntervalSecs = 59 }, "r.check_interval_secs: 59 is not within 60 to 86400"},
		{func(r *Retention) { r.CheckIntervalSecs = 86401 }, "r.check_interval_secs: 86401 is not within 60 to 86400"},
		{func(r *Retention) { r.Traces.MaxAgeSecs = -1 }, "r.traces.max_age_secs: -1 is not within 0 to 6324480000"},
		{func(r *Retention) { r.Metrics.MaxAgeSecs = 1 << 40 }, "r.metrics.max_age_secs: 1099511627776 is not within 0 to 6324480000"},
		{func(r *Retention) { r.Logs.MaxBytes = -1 }, "r.logs.max_bytes: -1 is less than 0"},
	} {
		r := DefaultRetention()
		tt.change(&r)
		if err := errors.Join(r.Validate("r")...); (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}

var quiet = slog.New(slog.DiscardHandler)
