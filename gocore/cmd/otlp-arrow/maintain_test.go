package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

func TestMaintainCommands(t *testing.T) {
	dir := t.TempDir()
	library, err := otlparrow.Open(t.Context(), otlparrow.Config{Embedded: true, Values: map[string]any{"output_dir": dir}})
	if err != nil {
		t.Fatal(err)
	}
	maker := sample.New(1, 1_700_000_000_000_000_000)
	for range 3 {
		if err := errors.Join(library.Export(t.Context(), otlparrow.Traces, maker.Body("traces", 9)), library.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	files, err := library.Files(t.Context(), otlparrow.Traces)
	if err != nil || library.Close(t.Context()) != nil {
		t.Fatal(err)
	}
	command := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(args, &out, io.Discard)
		return out.String(), err
	}
	if out, err := command("doctor", dir); err != nil || !strings.HasSuffix(out, "healthy\n") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := command("compact", "--signal", "traces", dir, "--min-batches=2"); err != nil || !strings.Contains(out, "27 rows, 3 batches -> 1") {
		t.Errorf("%q, %v", out, err)
	}
	if err := os.WriteFile(files[0].Path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command("doctor", dir, "--json")
	if !errors.Is(err, errRemain) || !json.Valid([]byte(out)) || !strings.Contains(out, `"healthy": false`) {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := command("doctor", "--repair", dir); err != nil || !strings.Contains(out, "  repaired\n") {
		t.Errorf("%q, %v", out, err)
	}
	for _, args := range [][]string{{"doctor"}, {"doctor", dir, dir}, {"compact"}, {"compact", filepath.Join(dir, "none")}} {
		if _, err := command(args...); otlparrow.Code(err) != configCode {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, args := range [][]string{{"doctor", dir, "--signal=logs"}, {"compact", dir, "--repair"}} {
		if _, err := command(args...); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
