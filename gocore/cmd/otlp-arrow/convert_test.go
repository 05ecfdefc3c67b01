package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

func TestConvertCommand(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "a.json"), filepath.Join(dir, "b.arrows")
	if err := os.WriteFile(src, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	if err := run([]string{"convert", src, "--signal", "logs", dst, "--promote=http,a.b:int", "--compression=none"}, &out, &log); err != nil {
		t.Fatal(err)
	}
	if want := "otlp_json -> arrow: 1 messages of logs, 0 of other signals skipped, "; !strings.HasPrefix(out.String(), want) || log.Len() > 0 {
		t.Errorf("%q, %q", out.String(), log.String())
	}
	if err := run([]string{"convert", dst, src}, &out, &log); otlparrow.Code(err) != configCode || !strings.Contains(err.Error(), "force") {
		t.Errorf("onto a file: %v", err)
	}
	if err := run([]string{"convert", dst, src, "--force", "--to", "otlp_proto", "--from", "arrow"}, &out, &log); err != nil {
		t.Error(err)
	}
	twice := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"a"},{"key":"a"}]}]}]}]}`
	if err := os.WriteFile(src, []byte(twice), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"convert", src, filepath.Join(dir, "c.otap")}, &out, &log); err != nil || log.String() != "otap cannot carry all of it; left out: duplicate_keys 1\n" {
		t.Errorf("%v, %q", err, log.String())
	}
	for _, args := range [][]string{{"convert"}, {"convert", src}, {"convert", src, dst, src}, {"convert", src, dst, "--loud"}} {
		if err := run(args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestBar(t *testing.T) {
	var out bytes.Buffer
	at := time.Unix(0, 0)
	b := newBar(&out, func() time.Time { return at })
	if b.out != nil {
		t.Error("a pipe gets a bar")
	}
	b.out = &out
	b.show(1, 2)
	b.clear()
	if out.Len() > 0 {
		t.Errorf("too early: %q", out.String())
	}
	at = at.Add(patience)
	b.show(1e6, 4e6)
	b.clear()
	if want := "\r[" + strings.Repeat("#", 7) + strings.Repeat(".", 23) + "]  25 % of 4 MB\r\x1b[K"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
