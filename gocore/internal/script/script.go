// Package script has a node answer as a test of a sender wants it: fail the next requests, ask for a
// retry, keep them waiting, or take them in part. It stands between receivers and the stage that takes
// requests, and counts what was answered, so that a test can wait for a request.
//
//	gRPC, HTTP, OTAP ─> Gate ─> rules in their order ─> the acceptor behind
//	                     │       └ fail, refuse: it is not asked
//	                     └ counts ─> Await
//
// Each request takes from the first rule that fits it and is not used up. So rules follow one another:
// after the requests of one come those of the next.
//
// A Script may be used by several goroutines.
package script

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Acceptor is what a gate stands before, see receive.Acceptor.
type Acceptor interface {
	Accept(ctx context.Context, signal otlp.Signal, body []byte) error
	Refused(signal otlp.Signal, kind fault.Kind)
}

// Count is how many requests were answered, and how.
type Count struct {
	Accepted uint64 `json:"accepted"`
	Partial  uint64 `json:"partial"` // accepted but for some items
	Refused  uint64 `json:"refused"`
}

// Answers are counts by signal and transport.
type Answers map[string]map[string]Count

// Script is the rules that wait, and the counts.
type Script struct {
	mu       sync.Mutex // guards what follows
	rules    []Rule
	counts   Answers
	answered uint64
	advance  chan struct{} // closed and replaced when answered grows, and by the end
	patience chan struct{} // closed when delays end, and replaced unless it is for good
	ended    bool
}

// New makes one without rules.
func New() *Script {
	return &Script{counts: Answers{}, advance: make(chan struct{}), patience: make(chan struct{})}
}

// Apply reads a script: {"clear": BOOL, "rules": [Rule, ...]}. All of it is taken, or nothing.
func (s *Script) Apply(text []byte) error {
	d, err := parse(text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.rules
	if d.Clear {
		waiting = nil
	}
	if len(waiting)+len(d.Rules) > maxRules {
		return fault.New(fault.Config, "script", "more than %d rules wait", maxRules)
	}
	if d.Clear {
		s.hurryLocked()
	}
	s.rules = append(waiting, d.Rules...)
	return nil
}

// hurryLocked refuses the requests that wait.
func (s *Script) hurryLocked() {
	if !s.ended {
		close(s.patience)
		s.patience = make(chan struct{})
	}
}

// End refuses the requests that wait, takes away the rules, and wakes who waits for requests.
func (s *Script) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
	if !s.ended {
		s.ended = true
		close(s.patience)
		s.wakeLocked()
	}
}

// next is the rule for a request, and what ends its delay early.
func (s *Script) next(signal otlp.Signal, transport string) (Rule, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rules {
		if r := &s.rules[i]; r.fits(signal, transport) {
			found := *r
			if r.Count--; r.Count == 0 {
				s.rules = append(s.rules[:i], s.rules[i+1:]...)
			}
			return found, s.patience
		}
	}
	return Rule{Do: "accept"}, s.patience
}

// count adds an answer to the counts and wakes who waits.
func (s *Script) count(signal otlp.Signal, transport string, add func(*Count)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.counts[signal.String()]
	if of == nil {
		of = map[string]Count{}
		s.counts[signal.String()] = of
	}
	c := of[transport]
	add(&c)
	of[transport] = c
	s.answered++
	s.wakeLocked()
}

// wakeLocked has everybody in Await look again.
func (s *Script) wakeLocked() {
	close(s.advance)
	s.advance = make(chan struct{})
}

// Seen is what Await tells.
type Seen struct {
	Answered uint64  `json:"answered"` // requests in all
	Requests Answers `json:"requests"`
}

var errEnded = errors.New("the mock ended before so many requests were answered")

// Await returns when at least so many requests were answered, or with a fault of kind Timeout, or Closed
// after the end.
func (s *Script) Await(ctx context.Context, wanted uint64) (Seen, error) {
	for {
		seen, advance, ended := s.now()
		if seen.Answered >= wanted {
			return seen, nil
		}
		if ended {
			return Seen{}, &fault.Error{Kind: fault.Closed, Op: "wait for requests", Err: errEnded}
		}
		select {
		case <-advance:
		case <-ctx.Done():
			return Seen{}, &fault.Error{Kind: fault.Timeout, Op: "wait for requests", Err: ctx.Err()}
		}
	}
}

// now is the counts, what is closed when they grow or end, and whether they ended.
func (s *Script) now() (seen Seen, advance <-chan struct{}, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen = Seen{Answered: s.answered, Requests: Answers{}}
	for signal, of := range s.counts {
		seen.Requests[signal] = maps.Clone(of)
	}
	return seen, s.advance, s.ended
}

// Gate is an acceptor of a transport that follows the script.
func (s *Script) Gate(transport string, behind Acceptor) Acceptor {
	return &gate{script: s, transport: transport, behind: behind}
}

type gate struct {
	script    *Script
	transport string
	behind    Acceptor
}

// Accept is of receive.Acceptor.
func (g *gate) Accept(ctx context.Context, signal otlp.Signal, body []byte) error {
	rule, hurry := g.script.next(signal, g.transport)
	if err := wait(ctx, time.Duration(rule.DelayMS)*time.Millisecond, hurry); err != nil {
		return err
	}
	if err := rule.refusal(); err != nil {
		return err
	}
	body, partial := rule.part(signal, body)
	if err := g.behind.Accept(ctx, signal, body); err != nil {
		return err
	}
	if partial != nil {
		g.script.count(signal, g.transport, func(c *Count) { c.Partial++ })
		return partial
	}
	g.script.count(signal, g.transport, func(c *Count) { c.Accepted++ })
	return nil
}

// Refused is of receive.Acceptor.
func (g *gate) Refused(signal otlp.Signal, kind fault.Kind) {
	g.behind.Refused(signal, kind)
	if signal < otlp.Count {
		g.script.count(signal, g.transport, func(c *Count) { c.Refused++ })
	}
}

var errHurry = errors.New("the script was cleared while the request waited")

// wait keeps a request waiting. What its sender gave up meanwhile is not taken.
func wait(ctx context.Context, delay time.Duration, hurry <-chan struct{}) error {
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &fault.Error{Kind: fault.Timeout, Op: "delay", Err: ctx.Err()}
	case <-hurry:
		return &fault.Error{Kind: fault.Closed, Op: "delay", Err: errHurry}
	}
}
