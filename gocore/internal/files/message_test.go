package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestMessagesAreArrows: they are as arrow-go's reader has them.
func TestMessagesAreArrows(t *testing.T) {
	for _, s := range otlp.Signals {
		disk := memfs.New()
		data := contentOf(t, disk, finished(t, disk, "/out", s, Default(), sampleRequests(t, s, 4)...))
		reader := ipc.NewMessageReader(bytes.NewReader(data))
		ours := &messages{file: bytes.NewReader(data), size: int64(len(data))}
		batches := 0
		for {
			want, wanted := reader.Message()
			got, err := ours.next()
			if (wanted != nil) != (err != nil) {
				t.Fatalf("%v, want %v", err, wanted)
			}
			if err != nil {
				break
			}
			if int(got.kind) != int(want.Type()) {
				t.Errorf("kind %d, want %s", got.kind, want.Type())
			}
			if got.kind == kindBatch {
				batches++
				if got.rows != 50 || got.tag != fmt.Sprintf("abc %d-%d", max(batches, 1)*boolInt(batches > 1), batches+1) {
					t.Errorf("%s: batch %d: %+v", s, batches, got)
				}
			}
		}
		reader.Release()
		if batches != 4 {
			t.Errorf("%d batches", batches)
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestParseSpan(t *testing.T) {
	for _, tt := range []struct {
		tag  string
		want Span
		ok   bool
	}{
		{"abc 0-5", Span{"abc", 0, 5}, true},
		{"abc 7-18446744073709551615", Span{"abc", 7, 1<<64 - 1}, true},
		{"", Span{}, false}, {"abc", Span{}, false}, {"abc 5-5", Span{}, false}, {"abc 6-5", Span{}, false}, {"abc x-5", Span{}, false},
	} {
		got, ok := ParseSpan(tt.tag)
		if ok != tt.ok || ok && (got != tt.want || got.String() != tt.tag) {
			t.Errorf("%q: %v, %v", tt.tag, got, ok)
		}
	}
}

// TestOutlineOfAnyPart: a file that ends or is spoiled anywhere gives the batches before that.
func TestOutlineOfAnyPart(t *testing.T) {
	disk := memfs.New()
	data := contentOf(t, disk, finished(t, disk, "/out", otlp.Logs, Default(), sampleRequests(t, otlp.Logs, 3)...))
	whole, err := outline(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(whole.Batches) != 3 || whole.Bad != nil {
		t.Fatalf("%+v, %v", whole, err)
	}
	for cut := 0; cut < len(data); cut += 23 {
		zeroed := append(bytes.Clone(data[:cut]), make([]byte, len(data)-cut)...)
		for _, part := range [][]byte{data[:cut], zeroed} {
			got, err := outline(bytes.NewReader(part), int64(len(part)))
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, b := range whole.Batches {
				if b.End <= int64(cut) {
					want++
				}
			}
			if len(got.Batches) < want || len(got.Batches) > want && len(part) == cut {
				t.Fatalf("cut at %d: %d batches, want %d", cut, len(got.Batches), want)
			}
			if clean := cut == int(got.End()) && got.Schema != nil; len(part) == cut && clean != (got.Bad == nil) {
				t.Fatalf("cut at %d of which %d are good: %v", cut, got.End(), got.Bad)
			}
		}
	}
}

type failing struct{}

func (f failing) ReadAt(p []byte, at int64) (int, error) { return 0, io.ErrClosedPipe }

func TestOutlineTellsReadErrors(t *testing.T) {
	if _, err := outline(failing{}, 100); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// FuzzOutline: nothing makes it panic, hang, or find batches beyond the end, and what it takes
// for a batch can be asked for.
func FuzzOutline(f *testing.F) {
	disk := memfs.New()
	config := Default()
	config.Compression = "none" // so that what is changed matters
	maker := sample.New(1, 1_700_000_000_000_000_000)
	data := contentOf(f, disk, finished(f, disk, "/out", otlp.Logs, config, maker.Body("logs", 1), maker.Body("logs", 2)))
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := outline(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		at := c.Begin
		for _, b := range c.Batches {
			if b.Offset != at || b.End <= b.Offset || b.End > int64(len(data)) || b.Rows < 0 {
				t.Fatalf("%+v", c.Batches)
			}
			at = b.End
		}
		if len(data) < 1<<16 {
			c.decodeAll(bytes.NewReader(data), otlp.Logs)
		}
	})
}
