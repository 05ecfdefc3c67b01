package h2

import (
	"runtime"
	"sync/atomic"
)

// crew is goroutines that work on calls, one after another. A new one's stack is copied again and
// again until it is deep enough for what a call does, so some are kept for the next call.
type crew struct {
	next   chan *stream // nobody waits to send
	parked atomic.Int32
}

// mostParked are about as many as have a processor each. Those that wait longest are woken first:
// more would only have more stacks pass through its cache.
var mostParked = int32(runtime.GOMAXPROCS(0)) //nolint:gosec // processors

// run has a whole call worked on.
func (s *Server) run(call *stream) {
	select {
	case s.crew.next <- call:
	default:
		s.working.Go(func() { s.workOn(call) })
	}
}

// workOn works on a call, and on others until there are more who do than are worth keeping.
func (s *Server) workOn(call *stream) {
	for {
		call.conn.work(call)
		if s.crew.parked.Add(1) > mostParked {
			s.crew.parked.Add(-1)
			return
		}
		select {
		case call = <-s.crew.next:
			s.crew.parked.Add(-1)
		case <-s.ended:
			return
		}
	}
}
