package forward

import (
	"bytes"
	"strings"
	"testing"
)

// TestDecompressor: answers come back whole, up to a byte too many; damage is an error.
func TestDecompressor(t *testing.T) {
	for _, coding := range []string{gzip, zstd} {
		for size, want := range map[int]int{0: 0, 3: 3, 70_000: 70_000, maxAnswer: maxAnswer, 2 * maxAnswer: maxAnswer + 1} {
			packed, err := newCompressor(coding).compress(bytes.Repeat([]byte("a"), size))
			noError(t, err)
			got, err := decompressor{coding}.Do(bytes.NewReader(packed))
			if err != nil || len(got) != want {
				t.Errorf("%s: %d of %d bytes, want %d: %v", coding, len(got), size, want, err)
			}
		}
		if _, err := (decompressor{coding}).Do(strings.NewReader("damaged, and long enough")); err == nil {
			t.Errorf("%s: damage was inflated", coding)
		}
	}
}
