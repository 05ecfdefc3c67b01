package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

func TestFieldsComeBackAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := uint32(rapid.IntRange(1, 1<<29-1).Draw(t, "field"))
		u, s := rapid.Uint64().Draw(t, "uint"), rapid.Int32().Draw(t, "sint")
		raw := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		b := AppendUint(nil, field, u)
		b = AppendSint32(b, field, s)
		b = AppendBytes(b, field, raw)
		b = AppendFixed32(b, field, uint32(u))
		b = AppendDouble(b, field, 1.5)
		c := NewCursor(b)
		next := func() *Cursor {
			if !c.Next() || c.Tag()>>3 != field {
				t.Fatalf("no field %d: %v", field, c.Err())
			}
			return &c
		}
		if got := next().Varint(); got != u {
			t.Fatalf("varint %d, want %d", got, u)
		}
		if got := next().Sint32(); got != s {
			t.Fatalf("sint32 %d, want %d", got, s)
		}
		if got := next().Bytes(); !bytes.Equal(got, raw) {
			t.Fatalf("bytes %x, want %x", got, raw)
		}
		if got := next().Fixed32(); got != uint32(u) {
			t.Fatalf("fixed32 %d", got)
		}
		if got := next().Fixed64(); got != 0x3ff8000000000000 {
			t.Fatalf("fixed64 %x", got)
		}
		if c.Next() || c.Err() != nil {
			t.Fatalf("something after the end: %v", c.Err())
		}
	})
}

func TestEndMovesALongBody(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 16383, 16384, 70000} {
		body := strings.Repeat("x", size)
		b, place := Begin([]byte("before"), 3)
		b = End(append(b, body...), place)
		want := protowire.AppendString(protowire.AppendTag([]byte("before"), 3, protowire.BytesType), body)
		if !bytes.Equal(b, want) {
			t.Errorf("size %d: %d bytes, want %d", size, len(b), len(want))
		}
	}
}

// TestWidths: a guess that is wrong moves the body, and the message is the same.
func TestWidths(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 16383, 16384, 1 << 21} {
		body := bytes.Repeat([]byte("b"), size)
		want, place := Begin([]byte("before"), 3)
		want = End(append(want, body...), place)
		for width := range 6 {
			got, place := BeginWide([]byte("before"), 3, width)
			got, needed := EndWide(append(got, body...), place, width)
			if !bytes.Equal(got, want) || needed != SizeVarint(uint64(size)) {
				t.Errorf("%d bytes, width %d: %d bytes instead of %d, needed %d", size, width, len(got), len(want), needed)
			}
		}
	}
}

func TestBadInputIsAnError(t *testing.T) {
	for name, b := range map[string][]byte{
		"truncated varint":   {0x08, 0x80},
		"long varint":        {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"field 0":            {0x00, 0x01},
		"length past end":    {0x0a, 0x05, 'a'},
		"huge length":        {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"truncated fixed64":  {0x09, 1, 2, 3},
		"truncated fixed32":  {0x0d, 1, 2, 3},
		"unclosed group":     {0x0b, 0x10, 0x01},
		"end without start":  {0x0c},
		"wrong end of group": {0x0b, 0x14},
		"wire type 6":        {0x0e},
		"deep groups":        bytes.Repeat([]byte{0x0b}, 1000),
	} {
		c := NewCursor(b)
		for c.Next() {
		}
		if c.Err() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestGroupsAreSkipped(t *testing.T) {
	b := []byte{0x0b, 0x13, 0x18, 0x05, 0x14, 0x0c, 0x28, 0x07}
	c := NewCursor(b)
	if !c.Next() {
		t.Fatal(c.Err())
	}
	if !c.Next() || c.Tag() != Tag(5, Varint) || c.Varint() != 7 {
		t.Fatalf("after the group: tag %d, %v", c.Tag(), c.Err())
	}
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte{0x0b, 0x13, 0x18, 0x05, 0x14, 0x0c, 0x28, 0x07})
	f.Add([]byte{0x0a, 0x05, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewCursor(b)
		for c.Next() {
		}
		rest, bad := b, false
		for len(rest) > 0 && !bad {
			num, _, n := protowire.ConsumeField(rest)
			if n < 0 || num > protowire.MaxValidNumber {
				bad = true
				break
			}
			rest = rest[n:]
		}
		// Two refusals are ours: deep groups, and field numbers inside groups, which protowire does not check.
		if !bad && c.Err() != nil && !strings.Contains(c.Err().Error(), "nested") && !errors.Is(c.Err(), errField) {
			t.Fatalf("protowire accepts %x, we say %v", b, c.Err())
		}
		if bad && c.Err() == nil {
			t.Fatalf("protowire refuses %x, we do not", b)
		}
	})
}
