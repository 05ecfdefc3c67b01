package flatbuf

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	flatbuffers "github.com/google/flatbuffers/go"
)

// sample is a table {byte, word, text, [{key, value}], [struct], absent} and its parts.
func sample() []byte {
	b := flatbuffers.NewBuilder(0)
	text, key, value := b.CreateString("text"), b.CreateString("key"), b.CreateString("value")
	b.StartObject(2)
	b.PrependUOffsetTSlot(0, key, 0)
	b.PrependUOffsetTSlot(1, value, 0)
	pair := b.EndObject()
	b.StartVector(4, 1, 4)
	b.PrependUOffsetT(pair)
	pairs := b.EndVector(1)
	b.StartVector(16, 2, 8)
	for _, n := range []int64{4, 3, 2, 1} {
		b.PrependInt64(n)
	}
	structs := b.EndVector(2)
	b.StartObject(6)
	b.PrependByteSlot(0, 7, 0)
	b.PrependInt64Slot(1, -8, 0)
	b.PrependUOffsetTSlot(2, text, 0)
	b.PrependUOffsetTSlot(3, pairs, 0)
	b.PrependUOffsetTSlot(4, structs, 0)
	b.Finish(b.EndObject())
	return bytes.Clone(b.FinishedBytes())
}

// all is what a reader finds of a sample.
type all struct {
	byte    byte
	word    uint64
	text    string
	value   string
	other   string
	structs []uint64
	absent  uint64
}

func readAll(b []byte) (a all, bad bool) {
	r := New(b)
	root := r.Root()
	a = all{
		byte: r.Byte(r.Field(root, 0)), word: r.Word(r.Field(root, 1)), text: r.Text(r.Field(root, 2)),
		value: r.LookUp(r.Field(root, 3), "key"), other: r.LookUp(r.Field(root, 3), "other"),
		absent: r.Word(r.Field(root, 5)) + uint64(r.Byte(r.Field(root, 9))) + uint64(len(r.Tables(0))+len(r.Text(0))),
	}
	for _, at := range r.Structs(r.Field(root, 4)) {
		a.structs = append(a.structs, r.Word(at), r.Word(at+8))
	}
	return a, r.Bad() || r.VTable(root) < 0
}

func TestRead(t *testing.T) {
	got, bad := readAll(sample())
	if bad || got.byte != 7 || int64(got.word) != -8 || got.text != "text" || got.value != "value" || got.other != "" ||
		!slices.Equal(got.structs, []uint64{1, 2, 3, 4}) || got.absent != 0 {
		t.Errorf("%+v, bad %v", got, bad)
	}
}

// TestDamaged: whatever is cut off or made up, nothing is read beyond the end, and what is cut is told.
func TestDamaged(t *testing.T) {
	whole := sample()
	for n := range len(whole) - 4 { // what follows is the end of the first text, and zeros
		if _, bad := readAll(whole[:n:n]); !bad {
			t.Errorf("%d of %d bytes are not found bad", n, len(whole))
		}
	}
	for at := range len(whole) - 3 {
		for _, v := range []uint32{0xffffffff, 0x7fffffff, 0x80000000, uint32(len(whole)), uint32(len(whole) - at)} {
			made := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(made[at:], v)
			readAll(slices.Clip(made))
		}
	}
}

// TestLongText: a length that leads up to four bytes beyond the end.
func TestLongText(t *testing.T) {
	for n, bad := range map[byte]bool{4: false, 5: true, 8: true, 9: true} {
		r := New([]byte{0, 0, 0, 0, 4, 0, 0, 0, n, 0, 0, 0, 'a', 'b', 'c', 'd'})
		if text := r.Text(4); r.Bad() != bad || !bad && text != "abcd" {
			t.Errorf("length %d: %q, bad %v", n, text, r.Bad())
		}
	}
}

func head(t *testing.T, fields ...arrow.Field) []byte {
	t.Helper()
	var out bytes.Buffer
	meta := arrow.NewMetadata([]string{"a"}, []string{"b"})
	if err := ipc.NewWriter(&out, ipc.WithSchema(arrow.NewSchema(fields, &meta))).Close(); err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint32(out.Bytes()[4:])
	return bytes.Clone(out.Bytes()[8 : 8+size])
}

func TestSoundSchema(t *testing.T) {
	deep := arrow.Field{Name: "x", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))}
	good := head(t, deep, arrow.Field{Name: "y", Type: arrow.BinaryTypes.String})
	for _, c := range []struct {
		fields, depth int
		sound         bool
	}{{4, 3, true}, {3, 3, false}, {4, 2, false}, {100, 100, true}} {
		if got := SoundSchema(good, c.fields, c.depth); got != c.sound {
			t.Errorf("at most %d fields, %d deep: %v", c.fields, c.depth, got)
		}
	}
	r := New(good)
	fields := r.Table(r.Field(r.Table(r.Field(r.Root(), 2)), 1))
	binary.LittleEndian.PutUint32(good[fields:], 1<<28)
	if SoundSchema(good, 1<<30, 100) {
		t.Error("a vector longer than the buffer is found sound")
	}
}
