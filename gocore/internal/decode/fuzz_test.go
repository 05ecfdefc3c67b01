package decode_test

import (
	"regexp"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// same checks one body against google protobuf: what it refuses we refuse, and what we
// accept comes back equal, also out of a table that is used again and a body that is gone.
func same(t rapid.TB, table *decode.Table, signal otlp.Signal, body []byte) {
	defer table.Reset()
	gone := append([]byte(nil), body...)
	err := table.Decode(gone)
	for i := range gone {
		gone[i] = 0xff
	}
	want, broken := normal.Form(signal, body)
	if broken != nil && err == nil {
		t.Fatalf("accepted what protobuf refuses: %v\n%x", broken, body)
	}
	if err != nil {
		if table.Rows() != 0 {
			t.Fatalf("%d rows of a refused request stay", table.Rows())
		}
		if broken == nil && !stricter.MatchString(err.Error()) {
			t.Fatalf("refused what protobuf accepts: %v\n%x", err, body)
		}
		return
	}
	batch := table.Batch()
	defer batch.Release()
	back, err := encode.Batch(nil, signal, batch)
	if err != nil {
		t.Fatalf("encode: %v\n%x", err, body)
	}
	got, err := normal.Form(signal, back)
	if err != nil {
		t.Fatalf("what was encoded is broken: %v\n%x", err, back)
	}
	if !normal.Equal(want, got) {
		t.Fatalf("came back different\nbody %x\nwant %v\n got %v", body, want, got)
	}
}

// stricter are the reasons to refuse what protobuf takes.
var stricter = regexp.MustCompile("id has 0 or|inside one another|nested too deeply|MiB of columns")

func FuzzDecode(f *testing.F) {
	maker := sample.New(1, 1_700_000_000_000_000_000)
	for _, s := range otlp.Signals {
		f.Add(uint8(s), maker.Body(s.String(), 3))
	}
	tables := [otlp.Count]*decode.Table{}
	for _, s := range otlp.Signals {
		tables[s] = decode.New(s)
	}
	f.Fuzz(func(t *testing.T, signal uint8, body []byte) {
		s := otlp.Signal(signal % otlp.Count)
		same(t, tables[s], s, body)
	})
}

// TestMutatedRequests damages generated requests at random: bytes changed, cut out, put
// twice or cut off. It reaches what a generator of valid messages does not: odd orders,
// repeated singular messages, unpacked numbers, unknown fields.
func TestMutatedRequests(t *testing.T) {
	for _, s := range otlp.Signals {
		t.Run(s.String(), func(t *testing.T) {
			table := decode.New(s)
			rapid.Check(t, func(t *rapid.T) {
				body, err := proto.Marshal(otlpgen.Request(t, s))
				if err != nil {
					t.Fatal(err)
				}
				other, err := proto.Marshal(otlpgen.Request(t, s))
				if err != nil {
					t.Fatal(err)
				}
				for range rapid.IntRange(0, 3).Draw(t, "mutations") {
					body = mutate(t, body, other)
				}
				same(t, table, s, body)
			})
		})
	}
}

func mutate(t *rapid.T, body, other []byte) []byte {
	if len(body) == 0 {
		return other
	}
	at := rapid.IntRange(0, len(body)-1).Draw(t, "at")
	end := rapid.IntRange(at, len(body)).Draw(t, "end")
	b := append([]byte(nil), body...)
	switch rapid.IntRange(0, 4).Draw(t, "how") {
	case 0:
		b[at] = rapid.Byte().Draw(t, "byte")
	case 1:
		b = append(b[:at], b[end:]...)
	case 2:
		b = append(append(append([]byte(nil), b[:end]...), b[at:end]...), b[end:]...)
	case 3:
		b = append(b, other...)
	default:
		b = b[:at]
	}
	return b
}
