// Package send replays files to an OTLP or OTAP receiver, or puts load on one, and tells what became of it.
//
//	files ─┐                      ┌─> lane: request, answer, request ... ─┐
//	       ├─> feed ─> pace ─> ── ┼─> lane                                ├─> totals ─> Result
//	shop ──┘   bodies, split to   └─> lane  one connection each           ┘
//	           what fits a request
//
// A request is a message of a file, or as many generated items as are asked for. Each is sent until it is
// acknowledged, refused for good, or its time is over; what is refused for its size goes in halves. With one
// connection requests arrive in order.
//
// # Goroutines
//
// The feed is one and each lane is one; all have ended when Run returns. Progress is called by the caller's. A
// panic of one is a fault of ours: it ends the others, and not the process.
package send

import (
	"cmp"
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// parcel is a request that is to be sent.
type parcel struct {
	signal otlp.Signal
	body   []byte
	items  int
}

// A feed gives parcels; io.EOF at the end.
type feed interface {
	next() (parcel, error)
	// progress is how far it is, in units of its own; total is 0 where it has no end.
	progress() (done, total int64)
	close()
}

// run is a call of Run.
type run struct {
	*settings
	feed    feed
	notes   notes
	parcels chan parcel
	totals  totals
	began   time.Time

	mu     sync.Mutex // guards what follows
	done   int64      // the feed's progress
	all    int64
	end    error // of the feed, io.EOF aside
	broken error // by the first panic
}

// Run sends what the options tell, until that is done or ctx ends. What went wrong on the way is in the result;
// an error is one of the options, and then nothing was sent, or Internal, with what was acknowledged until then.
func Run(ctx context.Context, disk fsys.FS, o Options) (Result, error) {
	s, err := o.check()
	if err != nil {
		return Result{}, err
	}
	r := &run{settings: s, parcels: make(chan parcel), began: s.now()}
	if r.feed, err = s.feed(disk, &r.notes); err != nil {
		return Result{}, err
	}
	defer r.feed.close()
	clients, err := r.clients()
	for _, client := range clients {
		defer client.Close()
	}
	if err != nil {
		return Result{}, err
	}
	return r.finish(ctx, clients)
}

// finish sends on the clients until all is done.
func (r *run) finish(ctx context.Context, clients []*forward.Client) (Result, error) {
	r.work(ctx, clients)
	return r.result(ctx), r.broken
}

func (r *run) clients() (all []*forward.Client, err error) {
	log := slog.New(slog.NewTextHandler(&r.notes, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: plain}))
	for range r.Connections {
		client, err := forward.NewClient(r.Destination, key, log, r.now)
		if err != nil {
			return all, err
		}
		all = append(all, client)
	}
	return all, nil
}

// interval is how often progress is told, and how late an interruption by it may come.
const interval = 100 * time.Millisecond

// work feeds the lanes until all is done, and tells how far it is meanwhile.
func (r *run) work(ctx context.Context, clients []*forward.Client) {
	ctx, stop := context.WithCancel(ctx)
	var lanes sync.WaitGroup
	defer lanes.Wait() // also where Progress panics
	defer stop()
	lanes.Go(func() { r.guarded(stop, func() { r.fill(ctx) }) })
	for _, client := range clients {
		lanes.Go(func() { r.guarded(stop, func() { (&lane{r, client}).drain(ctx) }) })
	}
	finished := make(chan struct{})
	go func() { lanes.Wait(); close(finished) }()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-finished:
			r.tell()
			return
		case <-ticker.C:
			r.tell()
		}
	}
}

// guarded runs what a goroutine does; a panic stops all of them.
func (r *run) guarded(stop func(), do func()) {
	defer func() {
		if cause := recover(); cause != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.broken == nil {
				r.broken = fault.New(fault.Internal, "send", "panic: %v\n%s", cause, debug.Stack())
			}
			stop()
		}
	}()
	do()
}

func (r *run) tell() {
	if r.Progress == nil {
		return
	}
	p := r.totals.progress()
	p.Elapsed = r.now().Sub(r.began).Seconds()
	r.mu.Lock()
	p.Done, p.Total = r.done, r.all
	r.mu.Unlock()
	r.Progress(p)
}

// result is what became of it.
func (r *run) result(ctx context.Context) Result {
	result := r.totals.result()
	result.Elapsed = r.now().Sub(r.began).Seconds()
	if result.Elapsed > 0 {
		result.Rate = float64(result.Items) / result.Elapsed
	}
	result.Notes, result.Interrupted = r.notes.lines(), ctx.Err() != nil
	if err := cmp.Or(r.broken, r.end); err != nil {
		result.Fault = err.Error()
	}
	return result
}
