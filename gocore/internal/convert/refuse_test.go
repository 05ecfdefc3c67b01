package convert

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
)

const twoSignals = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}]}]}
{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"b"}]}]}]}
`

func zstdOf(text string) []byte {
	encoder, _ := zstd.NewWriter(nil)
	defer encoder.Close()
	return encoder.EncodeAll([]byte(text), nil)
}

// TestRefusals: each error names the file and the place, and nothing is left behind.
func TestRefusals(t *testing.T) {
	body := sample.New(1, 1).Body("traces", 5)
	bad := bytes.Replace(body, []byte("service.name"), []byte("service.nam\xff"), 1)
	tests := []struct {
		name, src, dst string
		content        string
		o              Options
		kind           fault.Kind
		want           string
	}{
		{"missing", "", "a.json", "", Options{}, fault.IO, "convert: "},
		{"signal", "a.json", "b.pb", "", Options{Signal: "spans"}, fault.Config, `unknown signal "spans"`},
		{"format", "a.json", "b.pb", "", Options{To: "xml"}, fault.Config, `format "xml" is not one of arrow, otap, otlp_json`},
		{"compression", "a.json", "b.arrows", "{}", Options{Compression: "snappy"}, fault.Config, `compression: "snappy"`},
		{"compression of Parquet", "traces.pb", "b.parquet", string(framed(body)), Options{Compression: "lz4"}, fault.Config, "compression lz4 is not for parquet"},
		{"bound", "a.json", "b.pb", "{}", Options{MaxMessage: 1 << 40}, fault.Config, "max_message_bytes"},
		{"promote", "a.json", "b.pb", "{}", Options{Promote: []string{"a b"}}, fault.Config, `promote: "a b": want `},
		{"promotions", "a.json", "b.pb", "{}", Options{Promote: make([]string, 101)}, fault.Config, "promote: 101 entries, more than 100"},
		{"what to write", "a.json", "b", "{}", Options{}, fault.Config, "convert /b: the name does not tell the format to write"},
		{"what to read", "a", "b.pb", "hello", Options{}, fault.Config, "convert /a: neither name nor content"},
		{"compressed table", "a.json", "b.parquet.gz", "{}", Options{}, fault.Config, "compress their columns themselves"},
		{"itself", "a.json", "a.json", "{}", Options{}, fault.Config, "it is there already; force replaces it"},
		{"cut OTAP", "a.otap", "b.pb", "x", Options{}, fault.Invalid, "convert /a.otap: byte 0: the message is cut short"},
		{"no OTAP", "a.otap", "b.pb", "\x00\x00\x00\x02\x09\x09", Options{}, fault.Invalid, "convert /a.otap: byte 0: no BatchArrowRecords: "},
		{"OTAP without tables", "a.otap", "b.pb", "\x00\x00\x00\x08\x08\x01\x12\x04\x10\x01\x10\x02", Options{}, fault.Invalid, "no payload of spans, log records or metrics"},
		{"OTAP without Arrow", "a.otap", "b.pb", "\x00\x00\x00\x06\x12\x04\x10\x28\x1a\x00", Options{}, fault.Invalid, "convert /a.otap: byte 0: decode OTAP: SPANS"},
		{"long OTAP", "a.otap", "b.pb", "\x00\x00\x00\x7f\x12", Options{MaxMessage: 100}, fault.TooLarge, "a message of 127 bytes, more than 100"},
		{"bad message for OTAP", "traces.pb", "b.otap", string(framed(body, bad)), Options{}, fault.Invalid, ": encode traces as OTAP: resource_spans[0].scope_spans[0].spans[0].resource.attributes[0].key: not valid UTF-8"},
		{"no signal", "a.json", "b.arrows", " \n", Options{}, fault.Config, "choose one"},
		{"signal of protobuf", "a.pb", "b.json", string(framed(body)), Options{}, fault.Config, "convert /a.pb: byte 0: protobuf does not tell its signal"},
		{"two signals in a name", "logs_traces.pb", "b.json", string(framed(body)), Options{}, fault.Config, "choose one"},
		{"two signals", "a.json", "b.pb", twoSignals, Options{}, fault.Config, "convert /a.json: line 2: these are logs, and traces came before"},
		{"cut document", "a.json", "b.pb", twoSignals[:100], Options{Signal: "traces"}, fault.Invalid, "convert /a.json: line 2: the document is cut short"},
		{"no object", "a.json", "b.pb", "{}\n\n[]", Options{}, fault.Invalid, "line 3: want a JSON object, found '['"},
		{"other JSON", "a.json", "b.pb", `{"a":{"resourceSpans":[]}}`, Options{}, fault.Invalid, "line 1: none of resourceSpans"},
		{"field", "a.json", "b.pb", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"x"}]}]}]}`, Options{}, fault.Invalid,
			"line 1: decode JSON: resourceSpans[0].scopeSpans[0].spans[0].traceId: want 32"},
		{"long document", "a.json", "b.pb", twoSignals, Options{MaxMessage: 9}, fault.TooLarge, "line 1: a document of more than 9 bytes"},
		{"cut message", "traces.pb", "b.json", string(framed(body)[:50]), Options{}, fault.Invalid, "convert /traces.pb: byte 0: the message is cut short"},
		{"cut length", "traces.pb", "b.json", string(framed(body)) + "\x00\x00", Options{}, fault.Invalid, "the message is cut short"},
		{"long message", "traces.pb", "b.json", string(framed(body)), Options{MaxMessage: 100}, fault.TooLarge, "more than 100; or this is another format"},
		{"bad message", "traces.pb", "b.arrows", string(framed(body, bad)), Options{}, fault.Invalid, ": decode traces: resource_spans[0].resource.attributes[0]"},
		{"inflated message", "traces.pb", "b.pb", string(framed(zstdOf(strings.Repeat("\n\x00", 999)))), Options{MaxMessage: 500}, fault.TooLarge, "a message becomes more than 500 bytes"},
		{"cut varint", "traces.pb", "b.pb", "\x05\n\x03", Options{From: ProtoVarint}, fault.Invalid, "byte 0: the message is cut short"},
		{"endless varint", "traces.pb", "b.pb", strings.Repeat("\xff", 20), Options{From: ProtoVarint}, fault.Invalid, "more than 10 bytes"},
		{"cut field", "traces.pb", "b.pb", "\n\x09abc", Options{}, fault.Invalid, "byte 0: the message is cut short"},
		{"no message", "traces.pb", "b.pb", "\x08\x01", Options{From: ProtoMessage}, fault.Invalid, "field 1 of wire type 0"},
		{"long field", "traces.pb", "b.pb", "\n\xff\xff\xff\x0fabc", Options{}, fault.TooLarge, "a field of 33554431 bytes"},
		{"no length", "traces.pb", "b.pb", "\n", Options{From: ProtoMessage}, fault.Invalid, "cut short"},
		{"gzip", "a.json.gz", "b.pb", "\x1f\x8bxx", Options{}, fault.Invalid, "convert /a.json.gz: "},
		{"zstd", "a.json.zst", "b.pb", string(zstdMagic) + "garbage", Options{From: JSON}, fault.Invalid, "convert /a.json.zst: "},
		{"no stream", "a.arrows", "b.json", "\xff\xff\xff\xffgarbage", Options{}, fault.Invalid, "no Arrow IPC stream"},
		{"no Parquet", "a.parquet", "b.json", "PAR1garbagePAR1", Options{}, fault.Invalid, "convert /a.parquet: "},
	}
	for _, tt := range tests {
		disk := memfs.New()
		if tt.src != "" {
			write(t, disk, "/"+tt.src, []byte(tt.content))
		}
		if tt.o.MaxMessage == 0 {
			tt.o.MaxMessage = 16 << 20
		}
		_, err := File(context.Background(), disk, "/"+tt.src, "/"+tt.dst, tt.o)
		if err == nil || fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v (%v), want %v %q", tt.name, err, fault.KindOf(err), tt.kind, tt.want)
		}
		if left, err := disk.ReadDir("/"); err != nil || len(left) > 1 {
			t.Errorf("%s: %v are left, %v", tt.name, left, err)
		}
	}
}

// TestChosenSignal: of a file with several signals, as the Collector writes, one is taken.
func TestChosenSignal(t *testing.T) {
	disk := memfs.New()
	src := write(t, disk, "/a.json", []byte(twoSignals))
	r := convert(t, disk, src, "/b.json", Options{Signal: "logs"})
	if r.Messages != 1 || r.Skipped != 1 || r.Signal != "logs" {
		t.Errorf("%+v", r)
	}
	got, err := fsys.ReadFile(disk, "/b.json")
	if err != nil || string(got) != strings.SplitAfter(twoSignals, "\n")[1] {
		t.Errorf("%s, %v", got, err)
	}
	src = write(t, disk, "/logs.pb", framed(zstdOf(strings.Split(twoSignals, "\n")[0]), zstdOf(strings.Split(twoSignals, "\n")[1])))
	if r := convert(t, disk, src, "/c.arrows", Options{Signal: "traces"}); r.Messages != 1 || r.Skipped != 1 || r.From != Proto {
		t.Errorf("compressed by the Collector: %+v", r)
	}
}

// TestDamagedTables: whatever is cut off or changed in a table, there is an error and no panic,
// or what is written has gone unharmed.
func TestDamagedTables(t *testing.T) {
	disk := memfs.New()
	src := write(t, disk, "/traces.pb", framed(sample.New(1, 1).Body("traces", 50)))
	for _, name := range []string{"/a.arrows", "/a.parquet"} {
		convert(t, disk, src, name, Options{})
		whole, err := fsys.ReadFile(disk, name)
		if err != nil {
			t.Fatal(err)
		}
		for cut := 0; cut < len(whole); cut += len(whole)/50 + 1 {
			write(t, disk, "/cut"+filepath.Ext(name), whole[:cut])
			_, err := File(t.Context(), disk, "/cut"+filepath.Ext(name), "/b.json", Options{Force: true, Signal: "traces"})
			if cut > 0 && err == nil {
				t.Errorf("%s: %d of %d bytes were taken", name, cut, len(whole))
			}
		}
		for at := 0; at < len(whole); at += len(whole)/200 + 1 {
			changed := bytes.Clone(whole)
			changed[at] ^= 0xff
			write(t, disk, "/changed"+filepath.Ext(name), changed)
			_, _ = File(t.Context(), disk, "/changed"+filepath.Ext(name), "/b.json", Options{Force: true, Signal: "traces"})
		}
	}
}

// TestFailingDisk: at whatever call the disk fails, nothing is left behind and the error says so.
func TestFailingDisk(t *testing.T) {
	for _, src := range []string{"/traces.pb", "/a.json", "/a.parquet", "/a.arrows", "/a.otap"} {
		t.Run(src, func(t *testing.T) { failAtEachCall(t, src) })
	}
}

func failAtEachCall(t *testing.T, src string) {
	failure := errors.New("disk failure")
	for n := 0; ; n++ {
		disk := memfs.New()
		write(t, disk, "/traces.pb", framed(sample.New(1, 1).Body("traces", 5)))
		if src != "/traces.pb" {
			convert(t, disk, "/traces.pb", src, Options{})
		}
		calls := 0
		disk.SetHook(func(op memfs.Op) error {
			calls++
			if calls-1 == n && op.Kind != memfs.Close {
				return failure
			}
			return nil
		})
		_, err := File(t.Context(), disk, src, "/b.arrows", Options{})
		disk.SetHook(nil)
		if calls <= n {
			if err != nil || n < 10 {
				t.Fatalf("%v after %d calls", err, n)
			}
			return
		}
		if err != nil && fault.KindOf(err) != fault.IO {
			t.Errorf("call %d: %v is %v", n, err, fault.KindOf(err))
		}
	}
}

func TestProgressAndCancellation(t *testing.T) {
	disk := memfs.New()
	src := write(t, disk, "/traces.pb", framed(sample.New(1, 1).Body("traces", 5)))
	var done, total int64
	convert(t, disk, src, "/a.json", Options{Progress: func(d, all int64) { done, total = d, all }})
	if total == 0 || done != total {
		t.Errorf("%d of %d at the end", done, total)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := File(ctx, disk, src, "/b.json", Options{}); fault.KindOf(err) != fault.Timeout || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := disk.Stat("/b.json"); err == nil {
		t.Error("a cancelled conversion left its output")
	}
}
