package forward

import (
	"bytes"
	"context"
	"io"
	"sync"

	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// message is a request that is on its way. Transports may read its bytes after they gave an answer, so
// the memory is used again only when nobody holds it.
type message struct {
	ctx    context.Context
	signal otlp.Signal
	body   mem.Buffer
}

// buffers hands out memory for messages, and takes it back when its last reader is through.
type buffers struct {
	mu   sync.Mutex // guards free
	free [][]byte
	most int // what is larger is not kept
}

// keptBuffers are two for each signal: one that is filled, one that a transport still holds.
const keptBuffers = 2 * otlp.Count

// take is memory to append to.
func (b *buffers) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.free)
	if n == 0 {
		return nil
	}
	taken := b.free[n-1]
	b.free = b.free[:n-1]
	return taken[:0]
}

// Get is of mem.BufferPool, whose other half nobody asks for.
func (b *buffers) Get(int) *[]byte { return new([]byte) }

// Put is of mem.BufferPool.
func (b *buffers) Put(used *[]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.free) < keptBuffers && cap(*used) <= b.most {
		b.free = append(b.free, *used)
	}
}

// wrap counts who holds the memory; the caller does, until it calls Free.
func (b *buffers) wrap(body []byte) mem.Buffer { return mem.NewBuffer(&body, b) }

// held is a message's bytes for net/http, which may read them until it closes them.
type held struct {
	*bytes.Reader
	free func()
}

func newHeld(body mem.Buffer) io.ReadCloser {
	body.Ref()
	return &held{bytes.NewReader(body.ReadOnlyData()), sync.OnceFunc(body.Free)}
}

// Close is of io.Closer.
func (h *held) Close() error {
	h.free()
	return nil
}
