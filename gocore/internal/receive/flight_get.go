package receive

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
)

// readBudget is the memory of all messages that are being sent. Who reads can wait for room, and
// never takes it from those who send to us.
type readBudget struct {
	limit int64
	room  *semaphore.Weighted
}

func newReadBudget(limit int64) *readBudget {
	return &readBudget{limit, semaphore.NewWeighted(limit)}
}

// sending sends what is read to one client. A message is paid for until gRPC has written it:
//
//	Room ─> Send ─> queue of gRPC ─> Put
//	           └ waits while earlier messages are not written; not for ever
type sending struct {
	of      *flightService
	answers grpc.ServerStream
	stream  transportStream
	sent    int64
	idle    chan struct{} // gets one when nothing is held any more

	mu    sync.Mutex // guards the fields below
	costs map[*[]byte]int64
	held  int64 // the sum of costs
	over  bool  // nothing is held whatever comes back
}

var (
	_ flight.Sink    = (*sending)(nil)
	_ mem.BufferPool = (*sending)(nil)
)

// Schema is of flight.Sink.
func (s *sending) Schema(message []byte) error {
	return s.send(encoded(flight.AppendHeader(nil, message[framing:])), int64(len(message)))
}

// framing stands before an Arrow message where Flight has none: a mark and the head's length.
const framing = 8

// Room is of flight.Sink. Messages that are together larger than all there is take all.
func (s *sending) Room(ctx context.Context, sizes ...flight.Size) ([]*flight.Frame, error) {
	budget, total := s.of.reading, int64(0)
	for _, size := range sizes {
		total += int64(size.Frame())
	}
	total = min(total, budget.limit)
	if err := budget.room.Acquire(ctx, total); err != nil {
		return nil, &fault.Error{Kind: fault.Timeout, Op: "DoGet", Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += total
	frames := make([]*flight.Frame, len(sizes))
	for i, size := range sizes {
		frames[i] = flight.NewFrame(s.of.of.buffers.Get(size.Frame()), size)
		s.costs[frames[i].Memory] = min(int64(size.Frame()), total)
		total -= s.costs[frames[i].Memory]
	}
	return frames, nil
}

// Drop is of flight.Sink.
func (s *sending) Drop(frame *flight.Frame) { s.Put(frame.Memory) }

// Send is of flight.Sink.
func (s *sending) Send(frame *flight.Frame) error {
	return s.send(mem.BufferSlice{mem.NewBuffer(frame.Memory, s)}, int64(len(*frame.Memory)))
}

func (s *sending) send(message any, bytes int64) error {
	defer s.watch().stop()
	if err := s.answers.SendMsg(message); err != nil {
		return &fault.Error{Kind: fault.Timeout, Op: "DoGet", Err: err}
	}
	s.sent += bytes
	return nil
}

func (s *sending) watch() *watchdog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return watchFor(fault.New(fault.Timeout, "DoGet", "the client reads too slowly"), s.stream, s.of.of.grace, s.held)
}

// Get is of mem.BufferPool, and is not asked for anything.
func (s *sending) Get(length int) *[]byte { return s.of.of.buffers.Get(length) }

// Put takes a message back that was written.
func (s *sending) Put(memory *[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cost := s.costs[memory]
	delete(s.costs, memory)
	s.of.of.buffers.Put(memory)
	if s.over {
		return
	}
	s.of.reading.room.Release(cost)
	if s.held -= cost; s.held == 0 {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// drain waits until all is written.
func (s *sending) drain(ctx context.Context) error {
	defer s.watch().stop()
	for {
		s.mu.Lock()
		held := s.held
		s.mu.Unlock()
		if held == 0 {
			return nil
		}
		select {
		case <-s.idle:
		case <-ctx.Done():
			return &fault.Error{Kind: fault.Timeout, Op: "DoGet", Err: ctx.Err()}
		}
	}
}

// close gives back what a client that is gone has left: gRPC does not always.
func (s *sending) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.of.reading.room.Release(s.held)
	s.held = 0
}
