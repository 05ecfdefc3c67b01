package receive

import "testing"

func TestBuffersHaveTheLengthAskedFor(t *testing.T) {
	var pool buffers
	for _, length := range []int{0, 1, 4095, 4096, 4097, 46_000, 1 << 20, 1<<20 + 1} {
		for range 3 { // fresh, then kept
			buffer := pool.Get(length)
			if len(*buffer) != length {
				t.Fatalf("%d bytes, want %d", len(*buffer), length)
			}
			if capacity := cap(*buffer); length > 4096 && capacity > 2*length {
				t.Errorf("%d bytes take %d", length, capacity)
			}
			*buffer = (*buffer)[:length/2] // a prefix is what may come back
			pool.Put(buffer)
		}
	}
}

func TestBuffersOfOthersAreNotKept(t *testing.T) {
	var pool buffers
	strange := make([]byte, 5000)
	pool.Put(&strange)
	if got := pool.Get(5000); cap(*got) != 8192 {
		t.Errorf("capacity %d, want 8192", cap(*got))
	}
}
