package forward

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
)

// batch is what is sent at a time.
//
//	joined ├── request ──┼── request ──┼ ...      the parts, or
//	split  [...] [...] [...]                      of one request that is too large
type batch struct {
	joined
	parts []part
	split [][]byte
	sum   journal.Tally
	last  uint64 // position of the last record
	below uint64 // when it is delivered, nothing below is wanted
}

// part is a request of a client in a batch.
type part struct {
	end      int
	items    int
	position uint64
}

func (b *batch) empty() bool { return b.sum.Requests == 0 }
func (b *batch) items() int  { return int(b.sum.Items) }

func (b *batch) add(record *journal.Record) {
	b.joined.add(record)
	b.parts = append(b.parts, part{b.size, record.Items, record.Position})
	b.sum = b.sum.Plus(record.Tally())
	b.last = record.Position
}

// fate is what became of a request.
type fate uint8

const (
	settled fate = iota // delivered, or given up
	denied              // refused for good; not counted yet
	large               // likewise, for its size
	stopped             // it may be sent by the next process
)

// deliver sends a batch; false when the pipe has to end.
func (p *pipe) deliver(ctx context.Context, f feed, b *batch) bool {
	if b.split != nil {
		return p.sendPieces(ctx, f, b)
	}
	b.end()
	defer b.pieces.Free()
	end, cause := p.persist(ctx, f, b.pieces, b.sum, b.last)
	if end == stopped || end != settled && !p.again(ctx, f, b, end, cause) {
		return false
	}
	p.advance(f, b.below)
	p.progress(b.size)
	return true
}

// again sends by less at a time what was refused for good, if that may help.
func (p *pipe) again(ctx context.Context, f feed, b *batch, end fate, cause error) bool {
	switch {
	case len(b.parts) > 1:
		if end == large {
			p.lessAtATime(b.size)
		}
		return p.sendSingly(ctx, f, b)
	case end == large:
		return p.sendHalves(ctx, f, b.pieces.Materialize(), b.sum, b.last, cause)
	}
	p.giveUp(Refused, b.sum, cause)
	return true
}

// sendSingly sends a refused batch's parts: one that the destination cannot take must not take the others
// with it.
func (p *pipe) sendSingly(ctx context.Context, f feed, b *batch) bool {
	all, begin := b.pieces.Materialize(), 0
	for _, one := range b.parts {
		body := all[begin:one.end]
		begin = one.end
		if !p.sendAlone(ctx, f, body, journal.Record{Items: one.items, Body: body}.Tally(), one.position) {
			return false
		}
		p.advance(f, one.position+1)
	}
	return true
}

// sendPieces sends what one request was split into. Only all of it counts as that request.
func (p *pipe) sendPieces(ctx context.Context, f feed, b *batch) bool {
	if !p.sendEach(ctx, f, b.split, b.sum, b.last) {
		return false
	}
	p.advance(f, b.below)
	p.progress(int(b.sum.Bytes))
	return true
}

// sendEach sends the pieces that so much was split into.
func (p *pipe) sendEach(ctx context.Context, f feed, pieces [][]byte, sum journal.Tally, position uint64) bool {
	left := sum
	for i, piece := range pieces {
		n := journal.Tally{Items: uint64(Items(p.signal, piece)), Bytes: min(uint64(len(piece)), left.Bytes)}
		if i == len(pieces)-1 {
			n = left // with the request, and what splitting saved of bytes
		}
		left = left.Minus(n)
		if !p.sendAlone(ctx, f, piece, n, position) {
			return false
		}
	}
	return true
}

func (p *pipe) sendAlone(ctx context.Context, f feed, body []byte, n journal.Tally, position uint64) bool {
	end, cause := p.persist(ctx, f, mem.BufferSlice{mem.SliceBuffer(slices.Clone(body))}, n, position)
	switch end {
	case denied:
		p.giveUp(Refused, n, cause)
	case large:
		return p.sendHalves(ctx, f, body, n, position, cause)
	}
	return end != stopped
}

// sendHalves sends what is too large for the destination in smaller pieces, down to single items.
func (p *pipe) sendHalves(ctx context.Context, f feed, body []byte, n journal.Tally, position uint64, cause error) bool {
	halves := split(p.signal, body, limits{bytes: len(body) / 2})
	if len(halves) == 1 {
		p.giveUp(Refused, n, cause)
		return true
	}
	p.lessAtATime(len(body))
	return p.sendEach(ctx, f, halves, n, position)
}

// lessAtATime makes batches smaller from now on, since one of so many bytes was too large.
func (p *pipe) lessAtATime(bytes int) {
	if half := max(bytes/2, minBatchBytes); half < p.limits.bytes {
		p.log.Warn("a destination takes less at a time than batch.max_bytes", "refused_bytes", bytes, "max_bytes", half)
		p.limits.bytes = half
	}
}

// persist sends a request until it is settled. The position is that of the newest data in it.
func (p *pipe) persist(ctx context.Context, f feed, body mem.BufferSlice, n journal.Tally, position uint64) (fate, error) {
	next, began := p.of.RetryOnFailure.backoff(), p.of.now()
	for {
		if why, given := p.exceeds(f, position, p.counts.held()); given {
			p.giveUp(why, n, p.of.trouble())
			return settled, nil
		}
		v, sent := p.try(ctx, f, body, position)
		switch {
		case !sent && ctx.Err() == nil && !p.stopping():
			continue // a bound was exceeded while it waited
		case !sent:
			return stopped, nil
		case v.outcome == delivered:
			p.counts.delivered(n)
			return settled, nil
		case v.outcome == refused && v.large:
			return large, v.err
		case v.outcome == refused:
			return denied, v.err
		}
		wait := v.after
		if wait == 0 {
			wait = next.NextBackOff()
		}
		if r := p.of.RetryOnFailure; !r.Enabled || r.MaxElapsedTime > 0 && p.of.now().Sub(began)+wait > time.Duration(r.MaxElapsedTime) {
			p.giveUp(Retries, n, v.err)
			return settled, nil
		}
		if !p.wait(ctx, f, wait, position) {
			return stopped, nil
		}
	}
}

// try sends once, as soon as the breaker lets it; sent is false when it did not come to that.
func (p *pipe) try(ctx context.Context, f feed, body mem.BufferSlice, position uint64) (v verdict, sent bool) {
	done, pause := p.of.breaker.allow()
	for done == nil {
		if !p.wait(ctx, f, pause, position) {
			return v, false
		}
		if _, given := p.exceeds(f, position, p.counts.held()); given {
			return v, false
		}
		done, pause = p.of.breaker.allow()
	}
	v = p.of.sender.send(&message{ctx, p.signal, body})
	switch {
	case ctx.Err() != nil && v.outcome != delivered:
		done(errEnded)
		return v, false
	case v.outcome == later:
		done(errFailed)
	default:
		done(nil)
	}
	p.counts.call(v)
	p.of.heard(v, p.signal)
	if v.rejected > 0 || v.message != "" {
		p.log.Warn("a destination took a request but for some items", "rejected", v.rejected, "message", v.message)
	}
	return v, true
}

// wait is over after a time, or when what waits is beyond the bounds; false when the pipe has to end.
func (p *pipe) wait(ctx context.Context, f feed, d time.Duration, position uint64) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-p.kick:
			if _, given := p.exceeds(f, position, p.counts.held()); given {
				return true
			}
		case <-p.stop:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
