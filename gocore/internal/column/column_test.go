package column

import (
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"pgregory.net/rapid"
)

// model is a column beside the plain Go values that it should hold.
type model struct {
	column Column
	typ    arrow.DataType
	append func(v int) string
	want   []string
}

var text = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}

func models() []*model {
	numbers, flags, ids := &Fixed[int64]{}, &Bool{}, &Binary{Width: 8}
	words, plain := &Text{}, &Plain{}
	inner := &Fixed[int64]{}
	list := &List{Children: []Column{inner}}
	rare, rarer := &Fixed[int64]{}, &Fixed[int64]{}
	lists := &List{Children: []Column{rarer}}
	late, lateLists := &Late{Column: rare}, &Late{Column: lists}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	return []*model{
		{column: numbers, typ: arrow.PrimitiveTypes.Int64, append: func(v int) string {
			numbers.AppendIf(int64(v), v%3 != 0)
			if v%3 == 0 {
				return "(null)"
			}
			return fmt.Sprint(v)
		}},
		{column: flags, typ: arrow.FixedWidthTypes.Boolean, append: func(v int) string {
			if v%3 == 0 {
				flags.AppendNulls(1)
				return "(null)"
			}
			flags.AppendN(v%2 == 0, 1)
			return fmt.Sprint(v%2 == 0)
		}},
		{column: ids, typ: &arrow.FixedSizeBinaryType{ByteWidth: 8}, append: func(v int) string {
			if v%3 == 0 {
				ids.AppendOrNull(nil)
				return "(null)"
			}
			ids.AppendOrNull([]byte{1, 2, 3, 4, 5, 6, 7, byte(v)})
			return "id"
		}},
		{column: words, typ: text, append: func(v int) string {
			if v%7 == 0 {
				words.AppendNull()
				return "(null)"
			}
			must(words.Append([]byte(fmt.Sprintf("w%d\x00", v%500))))
			return fmt.Sprintf("w%d\x00", v%500)
		}},
		{column: plain, typ: arrow.BinaryTypes.String, append: func(v int) string {
			must(plain.Append([]byte(fmt.Sprint(v))))
			return fmt.Sprint(v)
		}},
		{column: list, typ: arrow.ListOf(arrow.PrimitiveTypes.Int64), append: func(v int) string {
			if v%5 == 0 {
				list.CloseNull()
				return "(null)"
			}
			for i := range v % 4 {
				inner.Append(int64(i))
			}
			list.Close()
			return []string{"[]", "[0]", "[0,1]", "[0,1,2]"}[v%4]
		}},
		{column: late, typ: arrow.PrimitiveTypes.Int64, append: func(v int) string {
			if v%4 != 0 {
				late.AppendNulls(1)
				return "(null)"
			}
			late.Settle()
			rare.Append(int64(v))
			return fmt.Sprint(v)
		}},
		{column: lateLists, typ: arrow.ListOf(arrow.PrimitiveTypes.Int64), append: func(v int) string {
			if v%4 != 0 {
				lateLists.AppendNulls(1)
				return "(null)"
			}
			lateLists.Settle()
			rarer.Append(int64(v))
			lists.Close()
			return fmt.Sprintf("[%d]", v)
		}},
	}
}

func (m *model) check(t *rapid.T) {
	data := m.column.Data(m.typ)
	arr := array.MakeFromData(data)
	defer arr.Release()
	if arr.Len() != len(m.want) || m.column.Len() != len(m.want) {
		t.Fatalf("%T: %d values, want %d", m.column, arr.Len(), len(m.want))
	}
	if full, ok := arr.(interface{ ValidateFull() error }); ok {
		if err := full.ValidateFull(); err != nil {
			t.Fatalf("%T: %v", m.column, err)
		}
	}
	nulls := 0
	for i, want := range m.want {
		if want == "(null)" {
			nulls++
		}
		if _, isID := m.column.(*Binary); isID && want != "(null)" {
			want = arr.ValueStr(i) // compared by length and nulls only: base64 of eight bytes
		}
		if got := arr.ValueStr(i); got != want {
			t.Fatalf("%T[%d]: %q, want %q", m.column, i, got, want)
		}
	}
	if arr.NullN() != nulls {
		t.Fatalf("%T: %d nulls, want %d", m.column, arr.NullN(), nulls)
	}
}

// TestColumnsFollowTheirModel appends, cuts back and resets at random.
func TestColumnsFollowTheirModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, m := range models() {
			for range rapid.IntRange(1, 6).Draw(t, "steps") {
				for range rapid.IntRange(0, 300).Draw(t, "appends") {
					m.want = append(m.want, m.append(rapid.IntRange(0, 2000).Draw(t, "v")))
				}
				m.check(t)
				keep := rapid.IntRange(0, len(m.want)).Draw(t, "keep")
				if keep == 0 {
					m.column.Reset()
				} else {
					m.column.Truncate(keep)
				}
				m.want = m.want[:keep]
				m.check(t)
			}
		}
	})
}

func TestDictForgetsWhatIsCutOff(t *testing.T) {
	var d Dict
	for i := range 1000 {
		if got, err := d.Index([]byte(fmt.Sprint(i))); err != nil || int(got) != i {
			t.Fatalf("%d: index %d, %v", i, got, err)
		}
	}
	d.Truncate(10)
	if got, _ := d.Index([]byte("500")); got != 10 {
		t.Errorf("a forgotten text has index %d, want 10", got)
	}
	for i := range 10 {
		if got, _ := d.Index([]byte(fmt.Sprint(i))); int(got) != i {
			t.Errorf("text %d moved to %d", i, got)
		}
	}
	if _, err := d.Index([]byte{0xff}); err == nil {
		t.Error("invalid UTF-8 was taken")
	}
}

// TestRepeat compares with appending the same rows one by one.
func TestRepeat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		made, want := &List{Children: []Column{&Text{}, &Plain{}}}, &List{Children: []Column{&Text{}, &Plain{}}}
		row := func(list *List, texts []string) {
			for _, text := range texts {
				for _, child := range list.Children {
					if err := child.(interface{ Append(text []byte) error }).Append([]byte(text)); err != nil {
						t.Fatal(err)
					}
				}
			}
			list.Close()
		}
		var rows [][]string
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			rows = append(rows, rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "bc"}), 0, 4).Draw(t, "row"))
			row(made, rows[len(rows)-1])
			row(want, rows[len(rows)-1])
		}
		from := rapid.IntRange(0, len(rows)).Draw(t, "from")
		to := rapid.IntRange(from, len(rows)).Draw(t, "to")
		n := rapid.IntRange(0, 200).Draw(t, "n")
		made.Repeat(from, to, n)
		for range n {
			for _, texts := range rows[from:to] {
				row(want, texts)
			}
		}
		typ := arrow.ListOf(arrow.StructOf(arrow.Field{Name: "a", Type: text}, arrow.Field{Name: "b", Type: arrow.BinaryTypes.String}))
		a, b := array.MakeFromData(made.Data(typ)), array.MakeFromData(want.Data(typ))
		if !array.Equal(a, b) {
			t.Fatalf("%v, want %v", a, b)
		}
	})
}

// TestRoomForABatch has a column not twice as large for the few rows that a batch has beyond a power of two.
func TestRoomForABatch(t *testing.T) {
	const rows = 1<<15 + 99
	var c Fixed[int64]
	for i := range rows {
		c.Append(int64(i))
	}
	if got := cap(c.vals); got > rows*5/4 {
		t.Errorf("room for %d values, of which there are %d", got, rows)
	}
	for i, got := range c.vals {
		if got != int64(i) {
			t.Fatalf("value %d is %d", i, got)
		}
	}
}

// TestReserve has columns take what others hold without growing.
func TestReserve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(0, 2000), 0, 400).Draw(t, "values")
		for i, m := range models() {
			for _, v := range values {
				m.want = append(m.want, m.append(v))
			}
			m.check(t) // which settles what is owed
			held := m.column.Held(nil)
			again := models()[i]
			if rest := again.column.Reserve(held); len(rest) > 0 {
				t.Fatalf("%T: %d numbers are left", m.column, len(rest))
			}
			if again.column.Len() != 0 {
				t.Fatalf("%T holds something", m.column)
			}
			again.check(t)
			for _, v := range values {
				again.want = append(again.want, again.append(v))
			}
			again.check(t)
			if got := again.column.Held(nil); !slices.Equal(got, held) {
				t.Fatalf("%T: %v, want %v", m.column, got, held)
			}
		}
	})
}

// TestReserveIsEnough has a column of the size of another that does not grow.
func TestReserveIsEnough(t *testing.T) {
	var first, second Text
	fill := func(c *Text) {
		for i := range 5000 {
			if err := c.Append(fmt.Append(nil, i%3000)); err != nil {
				t.Fatal(err)
			}
			c.AppendNull()
		}
	}
	fill(&first)
	second.Reserve(first.Held(nil))
	room := func() []int {
		d := &second.Dict
		return []int{cap(second.indices), cap(second.valid.bits), len(d.slots), cap(d.hashes), cap(d.offsets), cap(d.data)}
	}
	before := room()
	fill(&second)
	for range 1000 { // the next batch is a little larger
		second.AppendNull()
	}
	if after := room(); !slices.Equal(after, before) {
		t.Errorf("room grew from %v to %v", before, after)
	}
}

// TestReserveForgetsPeaks has no column made as large as another was once: a refused request is not to
// cost every table that follows.
func TestReserveForgetsPeaks(t *testing.T) {
	var first, second Text
	for i := range 100_000 {
		if _, err := first.Index(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	first.Dict.Truncate(0)
	if err := first.Append([]byte("x")); err != nil {
		t.Fatal(err)
	}
	second.Reserve(first.Held(nil))
	if got := len(second.Dict.slots); got != leastSlots {
		t.Errorf("%d slots for one text", got)
	}
}
