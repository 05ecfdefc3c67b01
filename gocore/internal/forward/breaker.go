package forward

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breaker leaves a destination alone for a while after failures in a row; then one request is a trial.
//
//	closed ── Failures in a row ──> open ── Open passed ──> half-open ── delivered or refused ──> closed
//	                                  ^                         └── failed ──> open
//
// A refusal for good is no failure: who refuses lives.
type breaker struct {
	cb    *gobreaker.TwoStepCircuitBreaker[struct{}] // nil without
	now   func() time.Time
	until atomic.Pointer[time.Time] // when open: the end
}

var (
	errFailed = errors.New("failed")
	errEnded  = errors.New("ended by us")
)

// trialPoll is how often those wait that are not the trial.
const trialPoll = 50 * time.Millisecond

func newBreaker(c Breaker, now func() time.Time, log *slog.Logger) *breaker {
	b := &breaker{now: now}
	if !c.Enabled {
		return b
	}
	b.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     time.Duration(c.Open),
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= c.Failures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errEnded) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			end := now().Add(time.Duration(c.Open))
			b.until.Store(&end)
			log.Debug("the circuit breaker changes", "state", to.String())
		},
	})
	return b
}

// allow gives what takes a request's end, or how long to wait before asking again.
func (b *breaker) allow() (done func(error), wait time.Duration) {
	if b.cb == nil {
		return func(error) {}, 0
	}
	done, err := b.cb.Allow()
	switch {
	case err == nil:
		return done, 0
	case errors.Is(err, gobreaker.ErrOpenState):
		return nil, max(b.until.Load().Sub(b.now()), trialPoll)
	}
	return nil, trialPoll
}

// open tells whether nothing is sent at present.
func (b *breaker) open() bool { return b.cb != nil && b.cb.State() == gobreaker.StateOpen }
