package h2

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestCrew has more calls worked on at once than goroutines are kept, and then calls that find one.
func TestCrew(t *testing.T) {
	block, release := blocking()
	var mu sync.Mutex
	workers := map[string]bool{}
	r := start(t, &service{end: func(ctx context.Context, body []byte) *Status {
		mu.Lock()
		workers[goroutine()] = true
		mu.Unlock()
		return block(ctx, body)
	}}, func(o *Options) { o.Apart = true })
	p := r.dial()
	most := uint32(mostParked) //nolint:gosec // processors
	for i := range 3 * most {
		p.export(2*i+1, "block")
	}
	eventually(t, "all at work", func() bool {
		_, _, ending := r.service.count()
		return ending == int(3*most)
	})
	release()
	for i := range 3 * most {
		p.status(2*i+1, "0")
	}
	all := func() bool { return r.server.crew.parked.Load() == mostParked }
	eventually(t, "as many as are kept wait", all)
	for i := 3 * most; i < 6*most; i++ {
		p.export(2*i+1, "x")
		p.status(2*i+1, "0")
		eventually(t, "nobody came or went", all)
	}
	if len(workers) != int(3*most) {
		t.Errorf("%d goroutines worked, want the first %d again", len(workers), 3*most)
	}
}

// goroutine is the present one's number.
func goroutine() string {
	var stack [64]byte
	return strings.Fields(string(stack[:runtime.Stack(stack[:], false)]))[1]
}
