package receive

import (
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// retryAfter is when a refused sender is asked to come again: bodies are held for
// milliseconds, and a sender's first back-off is a second or more anyway.
const retryAfter = time.Second

// Admission is the budget of body bytes in flight, one for all receivers of a node.
// It is safe for concurrent use.
type Admission struct {
	limit   int64
	held    atomic.Int64
	refused atomic.Int64
}

// NewAdmission makes a budget of so many bytes.
func NewAdmission(limit int64) *Admission { return &Admission{limit: limit} }

// Acquire takes bytes from the budget. It never waits: the sender can, memory cannot.
func (a *Admission) Acquire(bytes int64) error {
	if a.held.Add(bytes) <= a.limit {
		return nil
	}
	a.held.Add(-bytes)
	a.refused.Add(1)
	refusal := fault.New(fault.Overloaded, "receive", "%d bytes of requests are in flight already, the most allowed", a.limit)
	refusal.RetryAfter = retryAfter
	return refusal
}

// Release gives back what Acquire took.
func (a *Admission) Release(bytes int64) { a.held.Add(-bytes) }

// Held is how many bytes are in flight.
func (a *Admission) Held() int64 { return a.held.Load() }

// Refused counts the requests that found the budget used up.
func (a *Admission) Refused() int64 { return a.refused.Load() }

// account is what one request holds of the budget, in all its buffers. It is for one
// goroutine.
type account struct {
	of   *Admission
	held int64
}

// take holds so many bytes more. A request that needs more than there ever is, is too large:
// to come again would not help it.
func (a *account) take(bytes int64) error {
	if a.held+bytes > a.of.limit {
		return fault.New(fault.TooLarge, "receive", "the request alone needs more than max_inflight_bytes, %d", a.of.limit)
	}
	if err := a.of.Acquire(bytes); err != nil {
		return err
	}
	a.held += bytes
	return nil
}

// give lets go of bytes before the request's end.
func (a *account) give(bytes int64) {
	a.held -= bytes
	a.of.Release(bytes)
}

// close lets go of everything.
func (a *account) close() { a.give(a.held) }
