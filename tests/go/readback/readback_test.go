package readback

import (
	"bytes"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// streamOf is a stream of texts, a batch each.
func streamOf(t *testing.T, batches ...[]string) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "body", Type: arrow.BinaryTypes.String}}, nil)
	var out bytes.Buffer
	writer := ipc.NewWriter(&out, ipc.WithSchema(schema))
	for _, rows := range batches {
		builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		builder.Field(0).(*array.StringBuilder).AppendValues(rows, nil)
		batch := builder.NewRecordBatch()
		if err := writer.Write(batch); err != nil {
			t.Fatal(err)
		}
		batch.Release()
		builder.Release()
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestStream(t *testing.T) {
	stream := streamOf(t, []string{"a", "b"}, nil, []string{"c"})
	if got, err := Texts(stream, "body"); err != nil || !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%q, %v", got, err)
	}
	if n, err := Rows(stream); err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
	if got, err := Texts(stream, "head"); err == nil {
		t.Errorf("a column that is not there has %q", got)
	}
	for batch, err := range Batches(bytes.NewReader(stream)) {
		if err != nil || batch.NumRows() != 2 {
			t.Errorf("%v, %v", batch, err)
		}
		break
	}
}

// TestDamage: no stream that cannot be read is taken for a short one.
func TestDamage(t *testing.T) {
	stream := streamOf(t, []string{"a", "b"}, []string{"c"})
	for name, bad := range map[string][]byte{"empty": nil, "cut": stream[:len(stream)-40]} {
		if n, err := Rows(bad); err == nil {
			t.Errorf("%s: %d rows", name, n)
		}
		if got, err := Texts(bad, "body"); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
