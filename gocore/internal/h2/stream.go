package h2

import (
	"context"
	"sync/atomic"
	"time"
)

// stream is one call on a connection.
type stream struct {
	id    uint32
	conn  *conn
	head  Head
	ctx   callContext
	start time.Time
	// opened is that somebody takes the call; for the goroutine that reads.
	opened bool
	// came is how many bytes the message has; for the goroutine that reads, and the tick.
	came atomic.Int64

	// The connection's lock guards the fields below. The goroutine that reads sets the first two.
	call     Call  // or
	body     *pipe // of a call that Other serves
	credit   int64 // what the peer may send
	owed     int64 // what it has sent, and was not given credit for again
	send     int64 // what we may send
	ended    bool  // the peer has sent everything
	over     bool  // we have, or the stream was reset
	filling  bool  // the reading goroutine is at work on the call
	running  bool  // somebody works on the call, and closes it
	late     bool  // it came too slowly, and is told so
	released bool  // it counts no more
}

// add takes a stream in.
func (c *conn) add(id uint32, head Head) *stream {
	s := &stream{id: id, conn: c, head: head, start: time.Now(), credit: int64(c.server.StreamWindow), send: c.firstSend}
	c.streams[id] = s
	c.active++
	return s
}

// releaseLocked forgets a stream once nobody is at work on it.
func (c *conn) releaseLocked(s *stream) {
	if s.released || s.filling || s.running {
		return
	}
	s.released = true
	c.active--
	s.closeLocked()
	c.partLocked()
}

// closeLocked lets go of a call's memory.
func (s *stream) closeLocked() {
	if s.call != nil {
		s.call.Close()
		s.call = nil
	}
}

// answer ends a call; nil is success. Whoever comes first counts.
func (c *conn) answer(s *stream, status *Status) {
	c.mu.Lock()
	if s.over {
		c.mu.Unlock()
		return
	}
	if message := status.message(); len(message) > 0 && !c.takeSendLocked(s, int64(len(message))) {
		c.mu.Unlock()
		c.server.working.Go(func() { c.answerLater(s, status, int64(len(message))) }) // the peer lets us send nothing at all: none that is known does
		return
	}
	c.sayLocked(s, status)
}

// answerLater waits for the window that an answer's message needs.
func (c *conn) answerLater(s *stream, status *Status, size int64) {
	c.mu.Lock()
	for !s.over && !c.closed && !c.takeSendLocked(s, size) {
		c.changed.Wait()
	}
	if s.over || c.closed {
		c.mu.Unlock()
		return
	}
	c.sayLocked(s, status)
}

// emptyMessage is a message of no bytes, with its prefix: nearly always all that there is to say of success.
var emptyMessage = make([]byte, prefixBytes)

const prefixBytes = 5

// sayLocked writes an answer, and unlocks the connection before. The stream does not count any
// more by then: its client may begin another as soon as it has read this.
func (c *conn) sayLocked(s *stream, status *Status) {
	early := !s.ended
	if early {
		c.early.add(s.id)
	}
	s.over = true
	delete(c.streams, s.id)
	c.forgiven = true
	c.writing++
	c.releaseLocked(s)
	c.mu.Unlock()
	s.ctx.end(context.Canceled)
	c.writer.answer(s.id, status, early)
	c.written()
}

// answer writes a whole answer. A client that has not sent everything is told not to, after it.
func (w *writer) answer(id uint32, status *Status, early bool) {
	w.mu.Lock()
	if message := status.message(); message != nil {
		w.headersLocked(id, false, answerFields[:]...)
		_ = w.frames.WriteData(id, false, message)
		w.headersLocked(id, true, successFields...)
	} else {
		w.headersLocked(id, true, append(answerFields[:len(answerFields):len(answerFields)], status.fields()...)...)
	}
	if early {
		_ = w.frames.WriteRSTStream(id, 0)
	}
	w.flush()
}

// drop ends a stream without an answer: the peer reset it, or is gone.
func (c *conn) drop(s *stream, why error) {
	c.mu.Lock()
	s.over = true
	delete(c.streams, s.id)
	body := s.body
	c.releaseLocked(s)
	c.changed.Broadcast()
	c.mu.Unlock()
	s.ctx.end(why)
	if body != nil {
		body.fail(why)
	}
}

// work has a whole call worked on.
func (c *conn) work(s *stream) {
	var status *Status
	if !s.ctx.deadline.IsZero() && !time.Now().Before(s.ctx.deadline) {
		status = &Status{Code: codeDeadline, Message: "the call came after its deadline"}
	} else {
		status = s.call.End(&s.ctx)
	}
	c.mu.Lock()
	s.running = false
	s.closeLocked() // the answer may have to wait
	if s.over {     // reset meanwhile
		c.releaseLocked(s)
	}
	c.mu.Unlock()
	c.answer(s, status)
}

const codeDeadline = 4

// ringSize is how many streams are remembered that were answered before the client had sent all.
const ringSize = 64

// ring is the ids of streams that may still bring frames which do not matter any more.
type ring struct {
	ids  [ringSize]uint32
	next int
}

func (r *ring) add(id uint32) {
	r.ids[r.next%ringSize] = id
	r.next++
}

func (r *ring) has(id uint32) bool {
	for _, one := range r.ids {
		if one == id {
			return true
		}
	}
	return false
}

func (r *ring) remove(id uint32) {
	for i, one := range r.ids {
		if one == id {
			r.ids[i] = 0
		}
	}
}
