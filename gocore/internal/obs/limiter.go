package obs

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Limits say how much a Limiter lets through.
type Limits struct {
	Every time.Duration // the interval that the others are for
	Same  int           // records of one level and message
	All   int           // records; also how many kinds are told apart
}

// DefaultLimits are far above what a node says in good times, and bound a log to some MiB an
// hour when every request fails.
func DefaultLimits() Limits { return Limits{Every: 10 * time.Second, Same: 10, All: 200} }

// Limiter is a slog.Handler that lets only the first records of a kind through in each
// interval. What was dropped is told by one more record of that kind at the interval's end,
// with its count as attribute "suppressed" and those of the last one dropped.
//
//	t=0    "refused" "refused" ... the 10th | the 11th ... the 5,000th are dropped
//	t=10s  "refused" suppressed=4990
//
// Kinds are told apart by level and message, not by attributes: those differ from request to
// request.
type Limiter struct {
	slog.Handler
	shared *shared
}

// shared is what a handler and those made from it by WithAttrs and WithGroup have in common.
type shared struct {
	limits     Limits
	suppressed atomic.Uint64

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	end     time.Time // of the interval
	passed  int
	kinds   map[kind]*kindState
	others  uint64       // dropped that kinds has no room for
	otherTo slog.Handler // which had the last of those
}

type kind struct {
	level   slog.Level
	message string
}

type kindState struct {
	passed  int
	dropped uint64
	last    slog.Record
	to      slog.Handler // which had the last one dropped
}

// NewLimiter bounds what goes to a handler.
func NewLimiter(to slog.Handler, limits Limits) *Limiter {
	return &Limiter{to, &shared{limits: limits, kinds: map[kind]*kindState{}}}
}

// Suppressed counts the records that were dropped.
func (l *Limiter) Suppressed() uint64 { return l.shared.suppressed.Load() }

// WithAttrs is of slog.Handler.
func (l *Limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Limiter{l.Handler.WithAttrs(attrs), l.shared}
}

// WithGroup is of slog.Handler.
func (l *Limiter) WithGroup(name string) slog.Handler {
	return &Limiter{l.Handler.WithGroup(name), l.shared}
}

// Handle is of slog.Handler.
func (l *Limiter) Handle(ctx context.Context, r slog.Record) error {
	pass, due := l.shared.judge(l.Handler, r)
	tell(due)
	if !pass {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// Flush tells now what was dropped so far, as at the end of an interval.
func (l *Limiter) Flush() {
	s := l.shared
	s.mu.Lock()
	due := s.turnLocked(time.Now())
	s.mu.Unlock()
	tell(due)
}

// summary is a record about dropped ones, and where it goes.
type summary struct {
	record slog.Record
	to     slog.Handler
}

// tell hands summaries over, outside the lock: a handler may log itself.
func tell(due []summary) {
	for _, s := range due {
		_ = s.to.Handle(context.Background(), s.record) // nobody is there to be told
	}
}

func (s *shared) judge(to slog.Handler, r slog.Record) (pass bool, due []summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !now.Before(s.end) {
		due = s.turnLocked(now)
	}
	of := s.kinds[kind{r.Level, r.Message}]
	switch {
	case of == nil && len(s.kinds) >= s.limits.All:
		s.others++
		s.otherTo = to
	case of == nil:
		of = &kindState{}
		s.kinds[kind{r.Level, r.Message}] = of
		fallthrough
	default:
		if of.passed < s.limits.Same && s.passed < s.limits.All {
			of.passed++
			s.passed++
			return true, due
		}
		of.dropped++
		of.last, of.to = r.Clone(), to
	}
	s.suppressed.Add(1)
	if s.timer == nil { // so that a summary comes also when nothing else is logged
		s.timer = time.AfterFunc(s.end.Sub(now), func() { (&Limiter{to, s}).Flush() })
	}
	return false, due
}

// turnLocked begins an interval and gives the summaries of the one before.
func (s *shared) turnLocked(now time.Time) (due []summary) {
	for k, of := range s.kinds {
		if of.dropped == 0 {
			continue
		}
		r := slog.NewRecord(now, k.level, k.message, of.last.PC)
		of.last.Attrs(func(a slog.Attr) bool {
			r.AddAttrs(a)
			return true
		})
		r.AddAttrs(slog.Uint64("suppressed", of.dropped))
		due = append(due, summary{r, of.to})
	}
	if s.others > 0 {
		r := slog.NewRecord(now, slog.LevelWarn, "log records of many kinds were dropped", 0)
		r.AddAttrs(slog.Uint64("suppressed", s.others))
		due = append(due, summary{r, s.otherTo})
	}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	clear(s.kinds)
	s.passed, s.others, s.end = 0, 0, now.Add(s.limits.Every)
	return due
}
