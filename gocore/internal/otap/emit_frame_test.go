package otap

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestRepeated: a buffer that repeats itself comes back from its frame, and others have none.
func TestRepeated(t *testing.T) {
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	value := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for width := 1; width <= 8; width *= 2 {
		for _, first := range []int{0, width} {
			for _, n := range []int{first + width + leastMatch, 80, 100, 120, 150, 200, 255, 256, 257, 258, 259, 1000, 65791, 65792, 70000, zstdMaxBlock} {
				b := append(bytes.Clone(value[:first]), bytes.Repeat(value[first:first+width], n/width+1)...)[:n]
				frame := repeated(nil, b)
				got, err := decoder.DecodeAll(frame, nil)
				if err != nil || !bytes.Equal(got, b) || len(frame) == 0 || len(frame) > 40 {
					t.Errorf("%d bytes of %d behind %d: a frame of %d bytes, %v", n, width, first, len(frame), err)
				}
			}
		}
	}
	for n := leastMatch + 2; n < 400; n++ { // every code
		b := append([]byte{1}, make([]byte, n-1)...)
		if got, err := decoder.DecodeAll(repeated(nil, b), nil); err != nil || !bytes.Equal(got, b) {
			t.Errorf("a match of %d: %v", n-2, err)
		}
	}
	almost := make([]byte, 1000)
	almost[999] = 1
	for _, b := range [][]byte{nil, almost, append([]byte{1}, make([]byte, leastMatch)...), make([]byte, zstdMaxBlock+1)} {
		if frame := repeated(nil, b); len(frame) > 0 {
			t.Errorf("%d bytes have a frame", len(b))
		}
	}
}

// TestRuns: a buffer of a few runs comes back from its frame, and others have none.
func TestRuns(t *testing.T) {
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	run := func(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }
	for name, parts := range map[string][][]byte{
		"one": {run(100, 1)}, "two": {run(100, 1), run(200, 2)}, "a raw end": {run(100, 1), {1, 2, 3}}, "a raw begin": {{1, 2, 3}, run(100, 1)},
		"one between": {run(100, 1), {2}, run(100, 1)}, "short ones": {run(leastRun-1, 1), run(leastRun, 2), run(300, 3)}, "huge": {run(3*zstdMaxBlock+1, 7)},
		"six": {run(40, 1), run(40, 2), run(40, 3), run(40, 4), run(40, 5), run(40, 6)},
	} {
		b := bytes.Join(parts, nil)
		frame := runs([]byte("before"), b)
		got, err := decoder.DecodeAll(frame[len("before"):], nil)
		if err != nil || !bytes.Equal(got, b) || len(frame) == 6 || len(frame) > 6+mostRuns {
			t.Errorf("%s: a frame of %d bytes, %v", name, len(frame), err)
		}
	}
	for name, b := range map[string][]byte{
		"no runs":  bytes.Repeat([]byte{1, 2}, 50),
		"too many": bytes.Join([][]byte{run(9, 1), run(9, 2), run(9, 3), run(9, 4), run(9, 5), run(9, 6), run(9, 7), run(9, 8)}, nil),
		"long raw": append(run(100, 1), bytes.Repeat([]byte{1, 2, 3}, 10)...),
	} {
		if frame := runs(nil, b); len(frame) > 0 {
			t.Errorf("%s: a frame of %d bytes", name, len(frame))
		}
	}
}
