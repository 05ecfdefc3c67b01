package h2

import "time"

// ticks looks after all connections at once: a timer for each would cost more than most calls.
func (s *Server) ticks() {
	ticker := time.NewTicker(s.Tick)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			for _, c := range s.all() {
				c.tick(now)
			}
		case <-s.ended:
			return
		}
	}
}

func (c *conn) tick(now time.Time) {
	c.relieve()
	c.hurry(now)
	if c.writer.stuck(now, c.server.PingTimeout) {
		c.cut() // it does not read
		return
	}
	c.probe()
	c.insist()
}

// insist leaves peers that do not answer a farewell.
func (c *conn) insist() {
	c.mu.Lock()
	quiet := c.leaving == warned
	c.mu.Unlock()
	if !quiet {
		return
	}
	if c.waited += c.server.Tick; c.waited > farewellTime {
		c.server.working.Go(c.leave) // the tick does not wait for a peer
	}
}

const farewellTime = time.Second

// longTicks are so many that a call may hold the reading up.
const longTicks = 2

// relieve has another goroutine read where the reading one works on a call for long.
func (c *conn) relieve() {
	turn := c.turn.Load()
	if turn&working == 0 || turn != c.watched {
		c.watched, c.stalled = turn, 0
		return
	}
	if c.stalled++; c.stalled >= longTicks && c.turn.CompareAndSwap(turn, turn+1) {
		c.server.working.Go(c.serve)
	}
}

// hurry ends calls that come too slowly.
func (c *conn) hurry(now time.Time) {
	if c.server.Slow == nil {
		return
	}
	type late struct {
		stream *stream
		status *Status
	}
	var all []late
	c.mu.Lock()
	for _, s := range c.streams {
		if s.call == nil || s.ended || s.late {
			continue
		}
		if status := c.server.Slow(s.came.Load(), now.Sub(s.start)); status != nil {
			s.late = true
			all = append(all, late{s, status})
		}
	}
	c.mu.Unlock()
	if len(all) == 0 {
		return
	}
	c.server.working.Go(func() { // the tick does not wait for a peer
		for _, l := range all {
			c.answer(l.stream, l.status)
		}
	})
}

// probe asks a silent peer whether it is there, and then gives it up.
func (c *conn) probe() {
	if c.heard.Swap(false) {
		c.silent = 0
		return
	}
	before := c.silent
	c.silent += c.server.Tick
	after, limit := c.server.PingAfter, c.server.PingTimeout
	switch {
	case c.silent > after+limit:
		c.cut()
	case before <= after && c.silent > after:
		c.server.working.Go(func() { c.writer.ping(false, [8]byte{}) }) // the tick does not wait for a peer
	}
}
