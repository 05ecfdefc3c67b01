package forward

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Client sends single requests when it is asked to, without a journal behind it. It has connections of its
// own, and is used by one goroutine at a time.
type Client struct {
	sender sender
	retry  Retry
	now    func() time.Time
}

// NewClient checks the settings, which stand under key, and does not connect yet. Of RetryOnFailure all
// counts; batches, queue and circuit breaker are for a Stage.
func NewClient(c Config, key string, log *slog.Logger, now func() time.Time) (*Client, error) {
	faults := c.Validate(key, 2*minQueueBytes)
	if len(faults) > 0 {
		return nil, &fault.Error{Kind: fault.Config, Err: errors.Join(faults...)}
	}
	sender, err := c.sender(key, log, now)
	if err != nil {
		return nil, err
	}
	return &Client{sender, c.RetryOnFailure, now}, nil
}

// Close ends the connections.
func (c *Client) Close() { c.sender.close() }

// Answer is what became of a request.
type Answer struct {
	Code     string        // the last answer's, for people: "UNAVAILABLE", "503"
	Err      error         // why it is not acknowledged; nil when it is
	Final    bool          // it is refused for good
	Large    bool          // likewise, for its size
	Took     time.Duration // the last try
	Tries    int
	Rejected uint64 // items of an acknowledged request that the destination did not take
	Message  string // its word on them, or its advice
}

// Send sends a body until it is acknowledged, refused for good, or RetryOnFailure gives it up. It waits as long
// as the destination asks for, and ends with ctx. The body must not change afterwards: transports may still
// read it.
func (c *Client) Send(ctx context.Context, signal otlp.Signal, body []byte) Answer {
	next, began := c.retry.backoff(), c.now()
	for tries := 1; ; tries++ {
		sent := c.now()
		v := c.sender.send(&message{ctx, signal, mem.BufferSlice{mem.SliceBuffer(body)}})
		a := Answer{v.code, v.err, v.outcome == refused, v.outcome == refused && v.large, c.now().Sub(sent), tries, v.rejected, v.message}
		if v.outcome != later || !c.retry.Enabled {
			return a
		}
		wait := v.after
		if wait == 0 {
			wait = next.NextBackOff()
		}
		if most := time.Duration(c.retry.MaxElapsedTime); most > 0 && c.now().Sub(began)+wait > most {
			return a
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return a
		}
	}
}

// Split makes of a request those that have at most so many bytes, in order. An item that is larger alone has
// a request of its own.
func Split(signal otlp.Signal, body []byte, bytes int) [][]byte {
	return split(signal, body, limits{bytes: bytes})
}
