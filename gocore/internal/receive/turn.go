package receive

import (
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// A stream of messages, of OTAP or of Flight's DoPut, has turns: it waits for a message, or works
// on one. Shutdown ends it while it waits, or after what it works on.

// turn is whose turn it is.
type turn struct {
	op     string
	stream transportStream

	mu   sync.Mutex // guards the fields below
	busy bool       // a message is in work: its answer is still to come
	over bool       // Shutdown began
}

// finish ends a stream that waits, and has one that is at work end after it. gRPC lets any
// goroutine write a status, and the first one counts.
func (t *turn) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if !t.busy {
		_ = t.stream.WriteStatus(statusOf(closing(t.op))) // fails when the client is gone
	}
}

// begin says that a message is in work, and is false when it is too late for that.
func (t *turn) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = !t.over
	return t.busy
}

func (t *turn) end() (over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = false
	return t.over
}

// nextPrefix waits for a stream's next message; io.EOF when the client has ended it.
func nextPrefix(stream transportStream, op string) (prefix [prefixBytes]byte, err error) {
	if err = stream.ReadMessageHeader(prefix[:]); err != nil && err != io.EOF { //nolint:errorlint // gRPC gives it bare, and an unexpected one is another
		err = &fault.Error{Kind: fault.Timeout, Op: op, Err: err} // the client gave up, or is gone
	}
	return prefix, err
}

// held is a message of a stream and what it takes of the budget, both until free.
type held struct {
	data    []byte
	account *account
	in      *incoming
	body    *body
	whole   mem.Buffer
}

func (m *held) free() {
	if m.whole != nil {
		m.whole.Free()
	}
	if m.body != nil {
		m.body.free()
	}
	if m.in != nil {
		m.in.free()
		m.account.close()
	}
	*m = held{}
}

// message reads the message that a prefix announces, and inflates it within the limit of bodies.
// What it returns is to be freed, also with an error.
func (g *GRPC) message(stream transportStream, prefix [prefixBytes]byte, bodies *bodies) (m held, err error) {
	account := bodies.account()
	m.account = &account
	m.in = &incoming{stream: stream, account: m.account, buffers: g.buffers, limit: bodies.limit, watch: watch(stream, g.grace)}
	defer m.in.watch.stop()
	if err := m.in.message(prefix); err != nil {
		return m, err
	}
	if !m.in.watch.stop() {
		return m, tooSlow()
	}
	if m.in.packed {
		m.body = bodies.get(m.account)
		err := g.inflate(m.body, m.in)
		m.data = m.body.data
		return m, err
	}
	if m.whole, err = m.in.join(); err != nil {
		m.whole = nil
		return m, err
	}
	m.data = m.whole.ReadOnlyData()
	return m, nil
}

// ask reads the one message of a call that asks for something, and copies it. Some need no key
// for that, so it is short and does not wait for long.
func (g *GRPC) ask(stream transportStream, op string) ([]byte, error) {
	waiting := watch(stream, g.grace)
	prefix, err := nextPrefix(stream, op)
	if !waiting.stop() {
		return nil, tooSlow()
	}
	if errors.Is(err, io.EOF) {
		err = fault.New(fault.Invalid, op, "the call ended before its message did")
	}
	if err != nil {
		return nil, err
	}
	m, err := g.message(stream, prefix, &bodies{admission: g.bodies.admission, limit: askBytes})
	defer m.free()
	if fault.KindOf(err) == fault.TooLarge {
		err = fault.New(fault.TooLarge, op, "the message has more than %d bytes", askBytes)
	}
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), m.data...), nil
}

// askBytes is how long a ticket or descriptor may be: room for a thousand columns and services.
const askBytes = 64 << 10
