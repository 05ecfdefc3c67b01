package send

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
)

// fill gives parcels to the lanes at the rate that is asked for.
func (r *run) fill(ctx context.Context) {
	defer close(r.parcels)
	handed := 0.0
	for {
		p, err := r.feed.next()
		r.note(err)
		if err != nil || !r.due(ctx, handed) {
			return
		}
		handed += float64(p.items)
		select {
		case r.parcels <- p:
		case <-ctx.Done():
			return
		}
	}
}

// note keeps how far the feed is, and why it ended.
func (r *run) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done, r.all = r.feed.progress()
	if err != nil && !errors.Is(err, io.EOF) {
		r.end = err
	}
}

// due waits until so many items may have been handed out; false when it came to its end before.
func (r *run) due(ctx context.Context, items float64) bool {
	if r.Rate == 0 {
		return ctx.Err() == nil
	}
	at := time.Duration(items / r.Rate * float64(time.Second))
	if r.Duration > 0 && at >= time.Duration(r.Duration) {
		return false
	}
	timer := time.NewTimer(at - r.now().Sub(r.began))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// lane sends on one connection.
type lane struct {
	*run
	client *forward.Client
}

func (l *lane) drain(ctx context.Context) {
	for p := range l.parcels {
		l.deliver(ctx, p)
	}
}

// deliver sends a parcel, in halves where it is too large, down to single items.
func (l *lane) deliver(ctx context.Context, p parcel) {
	a := l.client.Send(ctx, p.signal, p.body)
	if a.Large {
		if halves := forward.Split(p.signal, p.body, len(p.body)/2); len(halves) > 1 {
			for _, half := range halves {
				l.deliver(ctx, parcel{p.signal, half, forward.Items(p.signal, half)})
			}
			return
		}
	}
	if a.Err != nil && !a.Final && ctx.Err() != nil {
		l.totals.unanswered(p)
		return
	}
	l.totals.add(p, a)
	if a.Message != "" {
		l.notes.add(a.Message)
	}
}
