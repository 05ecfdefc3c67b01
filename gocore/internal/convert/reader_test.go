package convert

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

const mixed = `{"resourceLogs":[{"schemaUrl":"a"}]}
{"resourceSpans":[{"schemaUrl":"b"}]}
{"resourceLogs":[{"schemaUrl":"c"}]}
`

// TestReader: all signals of a file, or the one that is asked for.
func TestReader(t *testing.T) {
	for signal, want := range map[string]string{"": "logs a, traces b, logs c", "logs": "logs a, logs c", "metrics": ""} {
		disk := memfs.New()
		r, err := Open(disk, write(t, disk, "/a.json", []byte(mixed)), Options{Signal: signal})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			s, body, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.String()+" "+string(body[len(body)-1:]))
		}
		if text := strings.Join(got, ", "); text != want || r.Format() != JSON {
			t.Errorf("%q: %q of %s", signal, text, r.Format())
		}
		if done, total := r.Progress(); done != int64(len(mixed)) || total != done {
			t.Errorf("%d of %d bytes", done, total)
		}
		r.Close()
	}
}

func TestReaderFaults(t *testing.T) {
	disk := memfs.New()
	tests := []struct {
		content string
		o       Options
		kind    fault.Kind
		want    string
	}{
		{mixed + "{", Options{}, fault.Invalid, "read /a: line 4: the document is cut short"},
		{mixed, Options{Signal: "spans"}, fault.Config, "spans"},
		{mixed, Options{From: "xml"}, fault.Config, `format "xml"`},
		{"odd", Options{}, fault.Config, "read /a: neither name nor content"},
		{"\n\x02\x08\x01", Options{From: ProtoMessage}, fault.Config, "does not tell its signal"},
	}
	for _, tt := range tests {
		r, err := Open(disk, write(t, disk, "/a", []byte(tt.content)), tt.o)
		for err == nil {
			_, _, err = r.Next()
		}
		if r != nil {
			r.Close()
		}
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v; want %q", err, tt.want)
		}
	}
	if _, err := Open(disk, "/none", Options{}); fault.KindOf(err) != fault.IO {
		t.Errorf("a missing file: %v", err)
	}
}
