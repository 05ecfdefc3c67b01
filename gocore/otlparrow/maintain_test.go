package otlparrow

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
)

// directory is an output directory with one finished file of 10 batches.
func directory(t *testing.T) (dir, file string) {
	t.Helper()
	c := embedded(t)
	library, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	maker := sample.New(1, 1_700_000_000_000_000_000)
	for range 10 {
		if err := library.Export(t.Context(), Logs, maker.Body("logs", 20)); err != nil {
			t.Fatal(err)
		}
		if err := library.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := library.Files(t.Context(), Logs)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c.Values["output_dir"].(string), all[0].Path
}

func TestMaintain(t *testing.T) {
	dir, file := directory(t)
	for _, tt := range []struct {
		name    string
		request Maintenance
		ok      bool
		text    string
	}{
		{"doctor", Maintenance{Command: "doctor", Paths: []string{dir}}, true, "logs:    200 rows in 10 batches in 1 files"},
		{"few", Maintenance{Command: "compact", Paths: []string{dir}, MinBatches: 11}, true, "left alone: 1, it has fewer than 11 batches\n"},
		{"another signal", Maintenance{Command: "compact", Paths: []string{dir}, Signal: "traces"}, true, "no files\n"},
		{"compact", Maintenance{Command: "compact", Paths: []string{file, file}}, true, "200 rows, 10 batches -> 1"},
		{"again", Maintenance{Command: "compact", Paths: []string{dir, file}}, true, "left alone: 2, it is compacted\n"},
		{"doctor after it", Maintenance{Command: "doctor", Paths: []string{dir}}, true, "logs:    200 rows in 1 batches in 1 files"},
	} {
		outcome, err := Maintain(t.Context(), tt.request)
		if err != nil || outcome.OK != tt.ok || !strings.Contains(outcome.Text, tt.text) {
			t.Errorf("%s: %v, %+v; want %q", tt.name, err, outcome, tt.text)
		}
		if _, err := json.Marshal(outcome); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	damaged, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := damaged.WriteString("garbage!!"); err != nil {
		t.Fatal(err)
	}
	if err := damaged.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ repair, ok bool }{{false, false}, {true, true}, {false, true}} {
		outcome, err := Maintain(t.Context(), Maintenance{Command: "doctor", Paths: []string{dir}, Repair: tt.repair})
		if err != nil || outcome.OK != tt.ok {
			t.Errorf("repair %v: %v, %s", tt.repair, err, outcome.Text)
		}
	}
}

func TestWrongMaintenance(t *testing.T) {
	dir, file := directory(t)
	stray := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range []Maintenance{
		{}, {Command: "heal", Paths: []string{dir}},
		{Command: "doctor"}, {Command: "doctor", Paths: []string{dir, dir}}, {Command: "doctor", Paths: []string{t.TempDir()}},
		{Command: "doctor", Paths: []string{dir}, Config: Config{File: filepath.Join(dir, "none.yaml")}},
		{Command: "compact"}, {Command: "compact", Paths: []string{dir}, Signal: "smells"},
		{Command: "compact", Paths: []string{dir}, MinBatches: -1}, {Command: "compact", Paths: []string{stray}},
		{Command: "compact", Paths: []string{filepath.Join(dir, "none")}}, {Command: "compact", Paths: []string{t.TempDir()}},
	} {
		if _, err := Maintain(t.Context(), m); Code(err) != codeConfig {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if _, err := ParseMaintenance([]byte(`{"comand": "doctor"}`)); Code(err) != codeConfig {
		t.Errorf("an unknown key: %v", err)
	}
	if m, err := ParseMaintenance([]byte(`{"command": "doctor", "paths": ["/x"], "config": {"file": "c.yaml"}}`)); err != nil ||
		m.Paths[0] != "/x" || m.Config.File != "c.yaml" {
		t.Errorf("%+v, %v", m, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Maintain(ended, Maintenance{Command: "compact", Paths: []string{dir}}); Code(err) != codeTimeout {
		t.Errorf("stopped: %v", err)
	}
}
