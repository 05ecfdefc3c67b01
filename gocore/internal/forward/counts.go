package forward

import (
	"sync"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Reason is why something was given up.
type Reason uint8

// The reasons.
const (
	Refused  Reason = iota // by the destination, for good
	Retries                // retry_on_failure is off, or max_elapsed_time has passed
	MaxAge                 // of sending_queue
	MaxBytes               // likewise
	Room                   // the journal, or the ring in memory, needed it; or it could not be read
	Shutdown               // with durability memory
	Reasons
)

var reasonNames = [Reasons]string{"refused", "retries", "max_age", "max_bytes", "room", "shutdown"}

// String is the reason's name in logs and metrics.
func (r Reason) String() string { return reasonNames[r] }

// Stats are how a destination stands with a signal.
type Stats struct {
	Destination string
	Signal      otlp.Signal

	Calls    uint64        // requests that were sent, tries included
	Failed   uint64        // of these: those that may be sent again
	Sent     journal.Tally // what was delivered, in requests of clients
	Rejected uint64        // items of these that the destination did not take
	GivenUp  [Reasons]journal.Tally
	Queued   journal.Tally // what waits, in bytes; with what is in flight
	Capacity int64         // sending_queue.max_bytes
	Open     bool          // the circuit breaker lets nothing pass
}

// counts are a pipe's.
type counts struct {
	mu       sync.Mutex // guards what follows
	calls    uint64
	failed   uint64
	rejected uint64
	sent     journal.Tally
	given    [Reasons]journal.Tally
	inflight journal.Tally // read, and nothing of the above yet
}

func (c *counts) call(v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if v.outcome == later {
		c.failed++
	}
	c.rejected += v.rejected
}

func (c *counts) took(n journal.Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inflight = c.inflight.Plus(n)
}

func (c *counts) delivered(n journal.Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = c.sent.Plus(n)
	c.inflight = c.inflight.Minus(n)
}

func (c *counts) gaveUp(why Reason, n journal.Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given[why] = c.given[why].Plus(n)
	if why != Room {
		c.inflight = c.inflight.Minus(n)
	}
}

func (c *counts) held() journal.Tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inflight
}

func (c *counts) fill(s *Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Calls, s.Failed, s.Rejected, s.Sent, s.GivenUp, s.Queued = c.calls, c.failed, c.rejected, c.sent, c.given, c.inflight
}
