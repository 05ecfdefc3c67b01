package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// unpacked reads a block with the decoder of another implementation.
func unpacked(t testing.TB, packed []byte, size int) []byte {
	t.Helper()
	out := make([]byte, size)
	n, err := lz4.UncompressBlock(packed, out)
	if err != nil {
		t.Fatal(err)
	}
	return out[:n]
}

func checkBlock(t testing.TB, z *lz4Blocks, data []byte) {
	t.Helper()
	for width := range lz4Looks {
		to := make([]byte, lz4Bound(len(data)))
		n := z.compress(to, data, width)
		if got := unpacked(t, to[:n], len(data)); !bytes.Equal(got, data) {
			t.Fatalf("%d bytes of width %d became %d, and then %d others", len(data), width, n, len(got))
		}
	}
}

// TestBlocks: what is compressed is read back by another implementation, whatever the length.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string]func(i int) uint64{
		"the same":  func(int) uint64 { return 7 },
		"counted":   func(i int) uint64 { return uint64(i) },
		"random":    func(int) uint64 { return r.Uint64() },
		"indices":   func(int) uint64 { return r.Uint64N(1000) | r.Uint64N(50)<<32 },
		"times":     func(int) uint64 { return 1_700_000_000_000_000_000 + r.Uint64N(50e6) },
		"far apart": func(i int) uint64 { return uint64(i) % 9000 * 0x9e3779b97f4a7c15 },
		"in runs":   func(i int) uint64 { return uint64(i) >> 9 * 0x9e3779b97f4a7c15 },
	}
	var z lz4Blocks
	for name, at := range kinds {
		t.Run(name, func(t *testing.T) {
			var data []byte
			for i := range 20_000 {
				data = binary.LittleEndian.AppendUint64(data, at(i))
			}
			for n := range 300 {
				checkBlock(t, &z, data[:n])
			}
			for range 50 {
				from := r.IntN(len(data))
				checkBlock(t, &z, data[from:from+r.IntN(len(data)-from)])
			}
			checkBlock(t, &z, data)
		})
	}
}

// TestBlocksAreSmall: what repeats is found, at elements of each width.
func TestBlocksAreSmall(t *testing.T) {
	for width := range lz4Looks {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			data := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuv"), 1000)
			var z lz4Blocks
			if n := z.compress(make([]byte, lz4Bound(len(data))), data, width); n > len(data)/150 {
				t.Errorf("%d bytes became %d", len(data), n)
			}
		})
	}
}

// TestBlocksForget: an entry of an earlier block is never taken for one of a later one, also where
// the count of bytes begins anew.
func TestBlocksForget(t *testing.T) {
	z := lz4Blocks{base: 1<<31 - 1000}
	data := bytes.Repeat([]byte("abcdefghijklmnop"), 20)
	for range 20 {
		checkBlock(t, &z, data)
		checkBlock(t, &z, data[160:])
	}
	if z.base > 1<<30 {
		t.Errorf("the base is %d", z.base)
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef0123456789abcdef"))
	f.Add(make([]byte, 70_000))
	var z lz4Blocks
	f.Fuzz(func(t *testing.T, data []byte) { checkBlock(t, &z, data) })
}
