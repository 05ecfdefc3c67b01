package files

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"testing"
)

// TestWindow: it gives what the file gives, wherever and however much is asked for.
func TestWindow(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	content := make([]byte, 3*windowBytes+17)
	r.Read(content)
	w := &window{file: bytes.NewReader(content)}
	for range 5000 {
		at := r.Int63n(int64(len(content)) + 100)
		p, want := make([]byte, r.Intn(1+r.Intn(windowBytes))), make([]byte, windowBytes)
		n, err := w.ReadAt(p, at)
		wanted, wantErr := bytes.NewReader(content).ReadAt(want[:len(p)], at)
		if len(p) == 0 {
			continue // at the end a reader may call that the end, or not
		}
		if n != wanted || !bytes.Equal(p[:n], want[:n]) || errors.Is(err, io.EOF) != errors.Is(wantErr, io.EOF) {
			t.Fatalf("%d bytes at %d: %d, %v, want %d, %v", len(p), at, n, err, wanted, wantErr)
		}
	}
}
