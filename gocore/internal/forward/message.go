package forward

import (
	"context"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// message is a request that is on its way. Transports may read its bytes after they gave an answer, so
// the memory is used again only when nobody holds it.
type message struct {
	ctx    context.Context
	signal otlp.Signal
	body   mem.BufferSlice
}

// flat is the body in one piece. Who asks frees it.
func (m *message) flat() mem.Buffer { return m.body.MaterializeToBuffer(mem.DefaultBufferPool()) }

// lend gives the body to a transport, which may change its slice, and frees it.
func (m *message) lend() mem.BufferSlice {
	m.body.Ref()
	return slices.Clone(m.body)
}

// joined are bodies one after the other. Those that the journal has in memory stay there, but for small ones:
// these are copied, with those that it has not.
//
//	body, body, body   body          body, body, body ...
//	└───── copied ───┴ the journal's ┴──── copied ...
type joined struct {
	memory *buffers
	pieces mem.BufferSlice
	copied []byte // the last piece, while it is added to
	size   int
}

// copyBytes is up to where a copy costs less than a piece.
const copyBytes = 4 << 10

func (j *joined) add(record *journal.Record) {
	body := record.Body
	j.size += len(body)
	if record.Memory == nil || len(body) <= copyBytes {
		if j.copied == nil {
			j.copied = j.memory.take()
		}
		j.copied = append(j.copied, body...)
		return
	}
	j.end()
	record.Memory.Hold()
	j.pieces = append(j.pieces, mem.NewBuffer(&body, lent{record.Memory}))
}

// end ends the piece that is added to.
func (j *joined) end() {
	switch {
	case len(j.copied) > 0:
		j.pieces = append(j.pieces, j.memory.wrap(j.copied))
	case j.copied != nil:
		j.memory.Put(&j.copied)
	}
	j.copied = nil
}

// lent is the journal's memory. It is of mem.BufferPool, whose other half nobody asks for.
type lent struct{ *journal.Memory }

func (lent) Get(int) *[]byte { return new([]byte) }
func (l lent) Put(*[]byte)   { l.Release() }

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
		return []byte{}
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

// held is a message's bytes for net/http, which may read them until it closes them, and may close them while
// it reads.
type held struct {
	mu     sync.Mutex // guards what follows
	reader *mem.Reader
}

func newHeld(body mem.BufferSlice) io.ReadCloser { return &held{reader: slices.Clone(body).Reader()} }

// Read is of io.Reader.
func (h *held) Read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reader.Read(b)
}

// Close is of io.Closer.
func (h *held) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reader.Close()
}
