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
