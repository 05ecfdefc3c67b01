package receive

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/mem"
)

// The sizes of joined messages that are kept, as powers of two. Above, a message is a rarity
// whose memory is better given back.
const (
	smallestBuffer = 12 // 4 KiB
	largestBuffer  = 20 // 1 MiB
)

// buffers is a mem.BufferPool for messages that gRPC joins from several HTTP/2 frames. gRPC's
// own hands out zeroed buffers of up to twenty times what is needed, and zeroing them was 6 %
// of all that a receiver did; here all of a buffer is written before any of it is read.
type buffers struct {
	pools [largestBuffer - smallestBuffer + 1]sync.Pool // of *[]byte
}

var _ mem.BufferPool = (*buffers)(nil)

// Get gives a buffer of a length, with anything in it.
func (b *buffers) Get(length int) *[]byte {
	exponent := max(bits.Len(uint(max(length, 1)-1)), smallestBuffer)
	if exponent > largestBuffer {
		fresh := make([]byte, length)
		return &fresh
	}
	if kept, ok := b.pools[exponent-smallestBuffer].Get().(*[]byte); ok {
		*kept = (*kept)[:length]
		return kept
	}
	fresh := make([]byte, length, 1<<exponent)
	return &fresh
}

// Put takes a buffer that Get gave.
func (b *buffers) Put(buffer *[]byte) {
	exponent := bits.Len(uint(cap(*buffer))) - 1
	if exponent >= smallestBuffer && exponent <= largestBuffer && cap(*buffer) == 1<<exponent {
		b.pools[exponent-smallestBuffer].Put(buffer)
	}
}
