package forward

import (
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

func TestCursors(t *testing.T) {
	disk := memfs.New()
	if all, err := loadCursors(disk, "/none", "w1"); err != nil || all != nil {
		t.Errorf("%v, %v", all, err)
	}
	noError(t, RemoveCursors(disk, "/none", "w1"))
	noError(t, fsys.MkdirAll(disk, "/root", 0o700))
	for _, name := range []string{"a", "b"} {
		noError(t, saveCursor(disk, cursorPath("/root", "w1", name), cursor{"logs": 7}, 0o600, true))
	}
	noError(t, saveCursor(disk, cursorPath("/root", "w2", "a"), cursor{"logs": 9}, 0o600, false))
	noError(t, fsys.Replace(disk, cursorPath("/root", "w1", "b"), []byte("{"), 0o600, false))
	noError(t, fsys.Replace(disk, "/root/w1.logs.cursor", []byte("{}"), 0o600, false))
	all, err := loadCursors(disk, "/root", "w1")
	if err == nil || !strings.Contains(err.Error(), "forward-b.cursor is damaged") {
		t.Errorf("%v", err)
	}
	if len(all) != 2 || all["a"]["logs"] != 7 || len(all["a"]) != 1 || len(all["b"]) != otlp.Count || all["b"]["logs"] != 0 {
		t.Errorf("%v", all)
	}
	fail := func(kind memfs.Kind) {
		disk.SetHook(func(op memfs.Op) error {
			if op.Kind == kind {
				return syscall.EIO
			}
			return nil
		})
	}
	for _, kind := range []memfs.Kind{memfs.ReadDir, memfs.Open} {
		fail(kind)
		if all, err := loadCursors(disk, "/root", "w1"); err == nil || all != nil {
			t.Errorf("%v, %v", all, err)
		}
	}
	fail(memfs.Remove)
	if RemoveCursors(disk, "/root", "w1") == nil {
		t.Error("removing goes well")
	}
	disk.SetHook(nil)
	noError(t, RemoveCursors(disk, "/root", "w1"))
	left, err := disk.ReadDir("/root")
	noError(t, err)
	if len(left) != 2 || left[0].Name() != "w1.logs.cursor" || left[1].Name() != "w2.forward-a.cursor" {
		t.Errorf("%v", left)
	}
}

// TestSavingFails: it is told once, and its end once.
func TestSavingFails(t *testing.T) {
	p := newPeer(t)
	disk := memfs.New()
	noError(t, fsys.MkdirAll(disk, "/root", 0o700))
	log := &logText{}
	o := Options{Disk: disk, Root: "/root", Writer: "w1", Mode: 0o600, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now}
	s, err := New(o, "forwarding", []Config{quick("a", p)}, rigQueue)
	noError(t, err)
	j, err := journal.Create(disk, filepath.Join("/root", "w1"), journal.Config{MaxBytes: rigQueue}, o.Log)
	noError(t, err)
	defer j.Close()
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Create {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := s.Start(FromJournal(j)); err == nil {
		t.Fatal("it starts without a cursor")
	}
	disk.SetHook(nil)
	noError(t, s.Start(FromJournal(j)))
	_, err = j.Append(otlp.Logs, 1, request(otlp.Logs, 1))
	noError(t, err)
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind == memfs.Create && strings.Contains(op.Name, "forward") {
			return syscall.ENOSPC
		}
		return nil
	})
	eventually(t, "a failure", func() bool { return strings.Contains(log.String(), "cannot be saved") })
	disk.SetHook(nil)
	eventually(t, "its end", func() bool { return strings.Contains(log.String(), "goes on") })
	s.Shutdown(expired())
	if strings.Count(log.String(), "cannot be saved") != 1 {
		t.Errorf("%s", log)
	}
}

func TestMarks(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second) }
	m := marks{gap: tick / 2}
	for i := range 3 * maxMarks {
		m.note(mark{at(i), uint64(i) + 1})
		m.note(mark{at(i), uint64(i) + 1})
	}
	if len(m.all) > maxMarks || m.gap <= tick {
		t.Errorf("%d marks, gap %v", len(m.all), m.gap)
	}
	for _, i := range []int{0, 100, 5000, 3*maxMarks - 1} {
		if got := m.olderThan(at(i)); got > uint64(i)+1 || got+8 < uint64(i)+1 {
			t.Errorf("below %d all is older than %d s", got, i)
		}
	}
	if got := m.olderThan(begin.Add(-time.Hour)); got != 0 {
		t.Errorf("below %d something is older than all", got)
	}
	m.forget(5000)
	if m.all[0].position > 5000 || m.all[1].position <= 5000 {
		t.Errorf("%+v is first", m.all[:2])
	}
}

// TestHeaderFaults: a value that is gone when the node starts is a fault, and an API key has its header.
func TestHeaderFaults(t *testing.T) {
	var gone secure.Value
	noError(t, gone.UnmarshalJSON([]byte(`{"env":"NOT_SET_AT_ALL"}`)))
	env := secure.Env{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for key, c := range map[string]Config{
		"d.headers.x.env":           {Headers: map[string]secure.Value{"x": gone}},
		"d.auth.api_key.env":        {Auth: Auth{APIKey: gone}},
		"d.auth.bearer_token.env":   {Auth: Auth{BearerToken: gone}},
		"d.auth.basic.password.env": {Auth: Auth{Basic: &Basic{"u", gone}}},
	} {
		if _, err := c.open("d", env); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	c := Config{Auth: Auth{APIKey: secure.NewValue("SECRET")}}
	all, err := c.open("d", env)
	if err != nil || len(all) != 1 || all[0].lower != "x-api-key" || all[0].value() != "SECRET" {
		t.Errorf("%v, %v", all, err)
	}
}
