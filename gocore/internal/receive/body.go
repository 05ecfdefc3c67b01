package receive

import (
	"io"
	"sync"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

const (
	firstBytes = 32 << 10  // a new buffer; most requests fit
	keepBytes  = 256 << 10 // a larger buffer is not kept: one giant request would cost its memory forever
)

// bodies are the buffers that request bodies are read and inflated into.
type bodies struct {
	admission *Admission
	limit     int64 // bytes of one body
	pool      sync.Pool
}

// body is one buffer and what it holds of its request's account. A kept buffer is charged
// for its content, a larger one for its capacity, since that is allocated for this request.
type body struct {
	of      *bodies
	account *account
	data    []byte
	held    int64
}

// account is a new request's.
func (b *bodies) account() account { return account{of: b.admission} }

func (b *bodies) get(payer *account) *body {
	kept, ok := b.pool.Get().(*body)
	if !ok {
		kept = &body{of: b, data: make([]byte, 0, firstBytes)}
	}
	kept.account = payer
	return kept
}

// free gives back the bytes and the buffer.
func (b *body) free() {
	b.account.give(b.held)
	b.held, b.account = 0, nil
	if cap(b.data) <= keepBytes {
		b.data = b.data[:0]
		b.of.pool.Put(b)
	}
}

// room is memory for n bytes more, paid for; who fills it makes data as much longer.
func (b *body) room(n int) ([]byte, error) {
	want := int64(len(b.data) + n)
	if want > int64(cap(b.data)) {
		if err := b.grow(max(want, min(2*int64(cap(b.data)), b.of.limit+prefixBytes))); err != nil {
			return nil, err
		}
	}
	if err := b.charge(want); err != nil {
		return nil, err
	}
	return b.data[len(b.data):want], nil
}

// charge makes the body hold at least so many bytes of the budget.
func (b *body) charge(bytes int64) error {
	if bytes <= b.held {
		return nil
	}
	if err := b.account.take(bytes - b.held); err != nil {
		return err
	}
	b.held = bytes
	return nil
}

// fill reads to the end of r. What it returns of type *fault.Error is for the
// sender; any other error is r's.
func (b *body) fill(r io.Reader) error {
	for {
		if len(b.data) == cap(b.data) {
			if err := b.grow(max(min(2*int64(cap(b.data)), b.of.limit+1), int64(len(b.data))+1)); err != nil {
				return err
			}
		}
		n, err := r.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if int64(len(b.data)) > b.of.limit {
			return tooLarge(b.of.limit)
		}
		if err := b.charge(int64(len(b.data))); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// grow moves the content to a larger buffer; both are charged for while both exist.
func (b *body) grow(capacity int64) error {
	if err := b.account.take(capacity); err != nil {
		return err
	}
	b.data = append(make([]byte, 0, capacity), b.data...)
	b.account.give(b.held)
	b.held = capacity
	return nil
}

func tooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "receive", "the request is larger than max_request_bytes, %d, before or after inflating", limit)
}
