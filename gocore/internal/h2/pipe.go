package h2

import (
	"bufio"
	"io"
	"sync"
)

// pipe is the body of a call that Other serves: the goroutine that reads the connection fills it,
// no further than the stream's window, and the handler reads it.
type pipe struct {
	stream *stream

	mu    sync.Mutex // guards the fields below
	some  sync.Cond
	held  []byte
	from  int // what of held was read
	fault error
	shut  bool // nobody will read
}

func newPipe(s *stream) *pipe {
	p := &pipe{stream: s}
	p.some.L = &p.mu
	return p
}

// fill takes n bytes in, and keeps them if somebody may read them.
func (p *pipe) fill(r *bufio.Reader, n int) (kept uint32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		_, err = r.Discard(n)
		return 0, err
	}
	if p.from > 0 {
		p.held = p.held[:copy(p.held, p.held[p.from:])]
		p.from = 0
	}
	had := len(p.held)
	for len(p.held) < had+n {
		p.held = append(p.held, 0)
		p.held = p.held[:min(cap(p.held), had+n)]
	}
	_, err = io.ReadFull(r, p.held[had:])
	p.some.Signal()
	return uint32(n), err // of a frame
}

// Read waits for data.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.read(b)
	if n > 0 {
		p.stream.conn.repay(p.stream, int64(n))
	}
	return n, err
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.from == len(p.held) && p.fault == nil {
		p.some.Wait()
	}
	n := copy(b, p.held[p.from:])
	p.from += n
	if n == 0 && len(b) > 0 {
		return 0, p.fault
	}
	if p.from == len(p.held) && cap(p.held) > keepBytes {
		p.held, p.from = nil, 0
	}
	return n, nil
}

// keepBytes is the largest memory that a stream keeps while it waits.
const keepBytes = 64 << 10

func (p *pipe) end() { p.fail(io.EOF) }

// fail is what Read gives at the end; the first one counts.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == nil {
		p.fault = err
	}
	p.some.Broadcast()
}

// Close gives credit for what nobody will read.
func (p *pipe) Close() error {
	p.mu.Lock()
	left := len(p.held) - p.from
	p.held, p.from, p.shut = nil, 0, true
	p.mu.Unlock()
	p.fail(io.ErrClosedPipe)
	if left > 0 {
		p.stream.conn.repay(p.stream, int64(left))
	}
	return nil
}
