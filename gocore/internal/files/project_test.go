package files

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// storedLogs makes the bytes of a file of two batches.
func storedLogs(t *testing.T) []byte {
	t.Helper()
	stream, err := NewStream("lz4", schema.Of(otlp.Logs))
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(stream.Head())
	for range 2 {
		table := decode.New(otlp.Logs)
		if err := table.Decode(sample.New(1, 1).Body("logs", 20)); err != nil {
			t.Fatal(err)
		}
		made, err := stream.Batch(table.Batch())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, made...)
	}
	return out
}

// walk reads all of a file as it is, and some columns of it, and tells how many batches it had.
func walk(path string) (batches, projected int, err error) {
	r, err := Open(fsys.OS{}, File{Path: path})
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	for err == nil {
		var m Message
		if m, err = r.Next(); err == nil {
			err = r.Copy(m, make([]byte, m.Body))
		}
		if m.Batch && err == nil {
			batches++
			if batch, bad := r.Decode(); bad == nil {
				batch.Release()
			}
		}
	}
	again, bad := Open(fsys.OS{}, File{Path: path})
	if bad != nil {
		return batches, 0, bad
	}
	defer again.Close()
	p := again.Project([]int{again.Schema().NumFields() - 1, 0}, []int64{7, 8, 9})
	if p == nil {
		return batches, 0, errType
	}
	for bad == nil {
		var body int
		if _, body, bad = p.Next(); bad == nil {
			bad = p.Copy(make([]byte, body))
			projected++
		}
	}
	if errors.Is(err, io.EOF) && errors.Is(bad, io.EOF) {
		return batches, projected, nil
	}
	return batches, projected, errors.Join(err, bad)
}

// TestDamagedHeads: whatever stands in a file, reading it ends with an error or with its end.
func TestDamagedHeads(t *testing.T) {
	whole, path := storedLogs(t), filepath.Join(t.TempDir(), "x.arrows")
	write := func(content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(whole)
	if batches, projected, err := walk(path); err != nil || batches != 2 || projected < 2 {
		t.Fatalf("%d batches, %d of columns: %v", batches, projected, err)
	}
	var heads []int // where they are
	for at := range len(whole) - 8 {
		if bytes.Equal(whole[at:at+4], []byte{0xff, 0xff, 0xff, 0xff}) {
			heads = append(heads, at)
		}
	}
	r := rand.New(rand.NewSource(1))
	failed := 0
	for range 3000 {
		made := slices.Clone(whole)
		at := heads[r.Intn(len(heads))] + r.Intn(600)
		for i := range 1 + r.Intn(4) {
			if at+i < len(made) {
				made[at+i] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(r.Intn(256))}[r.Intn(6)]
			}
		}
		write(made)
		if _, _, err := walk(path); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no damage was found")
	}
}

// TestProjectUnknown: columns that are not understood are not cut out.
func TestProjectUnknown(t *testing.T) {
	for _, odd := range []arrow.DataType{arrow.PrimitiveTypes.Float32, arrow.ListOf(arrow.Null), arrow.StructOf(arrow.Field{Name: "x", Type: arrow.Null})} {
		r := &Reader{schema: arrow.NewSchema([]arrow.Field{{Name: "x", Type: odd}}, nil)}
		if r.Project([]int{0}, nil) != nil {
			t.Errorf("%s is cut out", odd)
		}
	}
	text := arrow.NewSchema([]arrow.Field{{Name: "x", Type: schema.Text}}, nil)
	for _, r := range []*Reader{{schema: text}, {schema: text, ids: []int64{1}}} {
		if r.Project([]int{0}, nil) != nil {
			t.Errorf("a dictionary without an id is cut out, of %d", len(r.ids))
		}
	}
}
