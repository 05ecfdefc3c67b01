package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// framed is messages as the Collector's file exporter writes them.
func framed(bodies ...[]byte) (all []byte) {
	for _, body := range bodies {
		all = append(binary.BigEndian.AppendUint32(all, uint32(len(body))), body...)
	}
	return all
}

func write(t fataler, disk fsys.FS, path string, data []byte) string {
	t.Helper()
	if err := fsys.Replace(disk, path, data, 0o600, false); err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

func convert(t fataler, disk fsys.FS, src, dst string, o Options) Result {
	t.Helper()
	o.Force = true
	result, err := File(context.Background(), disk, src, dst, o)
	if err != nil {
		t.Fatalf("%s -> %s: %v", src, dst, err)
	}
	return result
}

// messageIn reads back what was converted, as one message.
func messageIn(t fataler, disk fsys.FS, path string, o Options) []byte {
	t.Helper()
	o.To = ProtoMessage
	back := path + ".message"
	convert(t, disk, path, back, o)
	body, err := fsys.ReadFile(disk, back)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return body
}

func wantSame(t fataler, s otlp.Signal, want, got []byte) {
	t.Helper()
	w, err := normal.Form(s, want)
	if err != nil {
		t.Fatalf("%v", err)
	}
	g, err := normal.Form(s, got)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !normal.Equal(w, g) {
		t.Fatalf("want\n%s\ngot\n%s", prototext.Format(w), prototext.Format(g))
	}
}

// written are the formats that can be written, by a name that tells them where one does.
var written = []struct {
	name string
	to   Format
}{
	{"a.json", ""}, {"a.jsonl.gz", ""}, {"a.json.zst", ""}, {"a.pb", ""}, {"a.pb.gz", ""}, {"a.pb.zst", ""}, {"varint.pb", ProtoVarint},
	{"message.pb", ProtoMessage}, {"a.arrows", ""}, {"a.parquet", ""}, {"a.otap", ""}, {"a.otap.zst", ""}, {"b.bin", OTAP},
}

// TestRoundTrips: whatever is written reads back as what it was made of, without being told
// its format where the name tells it; a first message of ten bytes makes the others look alike.
// Tables do also by way of another table.
func TestRoundTrips(t *testing.T) {
	for _, s := range otlp.Signals {
		t.Run(s.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				dir, disk := "/", memfs.New()
				var bodies [][]byte
				for range rapid.IntRange(1, 3).Draw(t, "requests") {
					body, err := proto.Marshal(otlpgen.Request(t, s))
					if err != nil {
						t.Fatal(err)
					}
					bodies = append(bodies, body)
				}
				o := Options{Signal: s.String()}
				src := write(t, disk, filepath.Join(dir, "src.pb"), framed(bodies...))
				to := rapid.SampledFrom(written).Draw(t, "format")
				dst := filepath.Join(dir, to.name)
				o.To = to.to
				o.From = Proto
				convert(t, disk, src, dst, o)
				o.From, o.To = to.to, ""
				want := bytes.Join(bodies, nil)
				same := wantSame
				if formatOf(dst, to.to) == OTAP {
					want, same = asOTAP(t, s, bodies...), wantSameSorted
				}
				same(t, s, want, messageIn(t, disk, dst, o))
				next := filepath.Join(dir, rapid.SampledFrom([]string{"b.arrows", "b.parquet", "b.json", "c.otap"}).Draw(t, "next"))
				convert(t, disk, dst, next, o)
				if o.From = ""; formatOf(next, "") == OTAP {
					want, same = asOTAP(t, s, want), wantSameSorted
				}
				same(t, s, want, messageIn(t, disk, next, o))
			})
		})
	}
}

// TestManyRows: several messages of a table's rows, with promoted columns.
func TestManyRows(t *testing.T) {
	for _, s := range otlp.Signals {
		dir, disk := t.TempDir(), fsys.OS{}
		maker := sample.New(3, 1_700_000_000_000_000_000)
		var bodies [][]byte
		for range 6 {
			bodies = append(bodies, maker.Body(s.String(), 120))
		}
		src := write(t, disk, filepath.Join(dir, s.String()+".pb"), framed(bodies...))
		for _, to := range written {
			dst := filepath.Join(dir, to.name)
			r := convert(t, disk, src, dst, Options{To: to.to, Promote: []string{"http"}})
			if r.Messages != 6 || r.Signal != s.String() || r.From != Proto || r.Read != int64(len(framed(bodies...))) {
				t.Errorf("%s: %+v", to.name, r)
			}
			if info, err := os.Stat(dst); err != nil || info.Size() != r.Written || info.Mode() != 0o600 {
				t.Errorf("%s: %v %v, written %d", to.name, info, err, r.Written)
			}
			same := wantSame
			if r.To == OTAP {
				same = wantSameSorted
			}
			same(t, s, bytes.Join(bodies, nil), messageIn(t, disk, dst, Options{Signal: s.String()}))
		}
	}
}

// TestSeveralBatches: an output of more rows than a batch or row group has.
func TestSeveralBatches(t *testing.T) {
	dir, disk := "/", memfs.New()
	maker := sample.New(3, 1_700_000_000_000_000_000)
	var bodies [][]byte
	for range sealRows/1000 + 5 {
		bodies = append(bodies, maker.Body("logs", 1000))
	}
	src := write(t, disk, filepath.Join(dir, "logs.pb"), framed(bodies...))
	convert(t, disk, src, filepath.Join(dir, "a.arrows"), Options{Compression: "none"})
	convert(t, disk, filepath.Join(dir, "a.arrows"), filepath.Join(dir, "a.parquet"), Options{Compression: "none"})
	wantSame(t, otlp.Logs, bytes.Join(bodies, nil), messageIn(t, disk, filepath.Join(dir, "a.parquet"), Options{}))
}
