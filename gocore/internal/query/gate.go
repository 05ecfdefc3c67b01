package query

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// gate lets one flush at a time through. Who waited for it and finds that one began and ended
// meanwhile needs none of its own: so many readers that ask at the same time make one small
// batch, and not one each.
//
//	reader 1   ── flush ──────┐
//	reader 2      └ waits     └─ flush ──────┐
//	reader 3         └ waits                 └ passes: the second flush began after it came
type gate struct {
	once  sync.Once
	place chan struct{}
	begun atomic.Uint64
	done  uint64 // the last flush that went well; guarded by place
}

func (g *gate) pass(ctx context.Context, flush func() error) error {
	g.once.Do(func() { g.place = make(chan struct{}, 1) })
	came := g.begun.Load()
	select {
	case g.place <- struct{}{}:
		defer func() { <-g.place }()
	case <-ctx.Done():
		return &fault.Error{Kind: fault.Timeout, Op: "flush", Err: ctx.Err()}
	}
	if g.done > came {
		return nil
	}
	n := g.begun.Add(1)
	if err := flush(); err != nil {
		return err
	}
	g.done = n
	return nil
}
