package files

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// reread is what arrow-go's reader makes of batches that were encoded.
func reread(t testing.TB, e *encoder, batches ...arrow.RecordBatch) []arrow.RecordBatch {
	t.Helper()
	made, err := e.encode("a tag", batches)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(bytes.NewReader(append(bytes.Clone(e.schema), made...)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var all []arrow.RecordBatch
	for r.Next() {
		batch := r.RecordBatch()
		batch.Retain()
		t.Cleanup(batch.Release)
		all = append(all, batch)
	}
	if r.Err() != nil || len(all) != len(batches) {
		t.Fatalf("%d batches of %d, %v", len(all), len(batches), r.Err())
	}
	return all
}

// same compares values: dictionaries may have other buffers.
func same(t testing.TB, got, want arrow.RecordBatch) {
	t.Helper()
	if got.NumRows() != want.NumRows() {
		t.Fatalf("%d rows of %d", got.NumRows(), want.NumRows())
	}
	for i, column := range want.Columns() {
		if err := validate(got.Column(i)); err != nil {
			t.Fatalf("%s: %v", want.ColumnName(i), err)
		}
		if !array.ApproxEqual(got.Column(i), column, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
			t.Fatalf("%s: %v, want %v", want.ColumnName(i), got.Column(i), column)
		}
	}
}

func validate(a arrow.Array) error {
	if full, ok := a.(interface{ ValidateFull() error }); ok {
		return full.ValidateFull()
	}
	return nil
}

// TestBatchesAreReadAsTheyWere: whatever is in them, in every compression, whole and in parts.
func TestBatchesAreReadAsTheyWere(t *testing.T) {
	for _, signal := range otlp.Signals {
		for _, compression := range []string{"lz4", "zstd", "none"} {
			t.Run(fmt.Sprintf("%s/%s", signal, compression), func(t *testing.T) {
				table := decode.New(signal)
				batch := table.Batch()
				e, err := newEncoder(compression, batch.Schema())
				if err != nil {
					t.Fatal(err)
				}
				same(t, reread(t, e, batch)[0], batch) // without rows
				batch.Release()
				rapid.Check(t, func(r *rapid.T) {
					table.Reset()
					body, err := proto.Marshal(otlpgen.Request(r, signal))
					if err == nil {
						err = table.Decode(body)
					}
					if err != nil {
						r.Skip(err)
					}
					batch := table.Batch()
					defer batch.Release()
					from := rapid.Int64Range(0, batch.NumRows()).Draw(r, "from")
					part := batch.NewSlice(from, batch.NumRows())
					defer part.Release()
					got := reread(t, e, batch, part)
					same(t, got[0], batch)
					same(t, got[1], part)
				})
			})
		}
	}
}

// numbers is a batch of one column.
func numbers(t testing.TB, values []int64) arrow.RecordBatch {
	t.Helper()
	wanted := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, wanted)
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues(values, nil)
	batch := b.NewRecordBatch()
	t.Cleanup(batch.Release)
	return batch
}

// TestBuffersOfEveryKind: longer than a block, zeros, and what cannot be compressed; the size tells
// that each was treated as meant.
func TestBuffersOfEveryKind(t *testing.T) {
	const n = 1 << 20 // 8 MiB: two blocks
	random := rand.New(rand.NewPCG(1, 2))
	noise, mixed := make([]int64, n), make([]int64, n)
	for i := range n {
		noise[i] = int64(random.Uint64())
		if i < n/2 {
			mixed[i] = noise[i]
		}
	}
	for _, compression := range []string{"lz4", "zstd"} {
		for _, c := range []struct {
			name   string
			values []int64
			most   int
		}{
			{"zeros", make([]int64, n), 64 << 10},
			{"noise", noise, 8*n + 4096},
			{"half noise", mixed, 4*n + 64<<10}, // of the lz4 frame's blocks one is stored
			{"short", []int64{0}, 4096},
			{"blocks of 256 KiB", mixed[n/2-100 : n/2+20_000], 16 << 10},
			{"blocks of 1 MiB", mixed[n/2-100 : n/2+100_000], 16 << 10},
		} {
			batch := numbers(t, c.values)
			e, err := newEncoder(compression, batch.Schema())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from what was kept
				same(t, reread(t, e, batch)[0], batch)
			}
			if made, _ := e.encode("", []arrow.RecordBatch{batch}); len(made) > c.most {
				t.Errorf("%s, %s: %d bytes", compression, c.name, len(made))
			}
		}
	}
}

// TestColumnsThatAreNotWritten: types that no table of ours has, and buffers that are too short.
func TestColumnsThatAreNotWritten(t *testing.T) {
	short := func(t arrow.DataType, buffers ...*memory.Buffer) arrow.ArrayData {
		return array.NewData(t, 3, buffers, nil, 0, 0)
	}
	for _, data := range []arrow.ArrayData{
		short(arrow.BinaryTypes.StringView, nil, nil),
		short(arrow.PrimitiveTypes.Int64, nil, memory.NewBufferBytes(make([]byte, 23))),
		short(arrow.PrimitiveTypes.Int64, nil, nil),
	} {
		if err := new(body).add(data); err == nil {
			t.Errorf("%s: no error", data.DataType())
		}
	}
}
