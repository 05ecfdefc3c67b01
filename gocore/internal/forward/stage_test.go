package forward

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestForwards: each signal comes in order, and at the end nothing is left.
func TestForwards(t *testing.T) {
	p := newPeer(t)
	r := newRig(t, t.TempDir(), "w1", quick("a", p)).start()
	want := sequence(1, 300)
	for _, id := range want {
		for _, s := range otlp.Signals {
			r.put(s, id)
		}
	}
	r.stage.Shutdown(context.Background())
	for _, s := range otlp.Signals {
		if got := p.ids(s); !slices.Equal(got, want) {
			t.Errorf("%v: %d ids came", s, len(got))
		}
		if stats := r.stats("a", s); stats.Sent.Items != 300 || stats.Sent.Requests != 300 || stats.Queued.Requests != 0 {
			t.Errorf("%+v", stats)
		}
	}
	noError(t, r.journal.Discard())
	noError(t, RemoveCursors(r.stage.Disk, r.root, "w1"))
	if left, err := os.ReadDir(r.root); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestLingers: little is not sent before flush_interval is over, also while requests come and go, but at once
// when much waits, and at the end.
func TestLingers(t *testing.T) {
	p := newPeer(t)
	c := quick("a", p)
	c.Batch.MaxBytes, c.Batch.FlushInterval = 64<<10, Duration(time.Hour)
	r := newRig(t, t.TempDir(), "w1", c).start()
	id := uint64(0)
	put := func(n uint64) {
		r.put(otlp.Logs, sequence(id, id+n-1)...)
		id += n
	}
	for round := range 2 {
		for range 5 {
			put(1)
		}
		put(2000)
		if round == 0 && len(p.ids(otlp.Logs)) > 0 {
			t.Fatal("little was sent")
		}
		put(2000) // together with the one before they do not fit, so that some stays
		put(2000)
		eventually(t, "much is sent", func() bool { return len(p.ids(otlp.Logs)) > 2000*(2*round+1) })
	}
	before := len(p.ids(otlp.Logs))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.stage.Shutdown(ctx)
	if got := p.ids(otlp.Logs); !slices.Equal(got, sequence(0, id-1)) || before == len(got) {
		t.Errorf("%d of %d came, %d before the end", len(got), id, before)
	}
	if slices.Min(p.sizes) < 2000*11 {
		t.Errorf("a request has %d bytes", slices.Min(p.sizes))
	}
}

// TestDownThenUp: a destination that was away gets everything, in order, and another is not held up.
func TestDownThenUp(t *testing.T) {
	down, up := newPeer(t), newPeer(t)
	down.stop()
	r := newRig(t, t.TempDir(), "w1", quick("down", down), quick("up", up)).start()
	want := sequence(1, 200)
	for _, id := range want {
		r.put(otlp.Logs, id)
	}
	eventually(t, "the other has all", func() bool { return len(up.ids(otlp.Logs)) == 200 })
	eventually(t, "a trouble", func() bool { return len(r.stage.Troubles()) == 1 })
	if !strings.Contains(r.log.String(), "takes nothing at present") {
		t.Errorf("the log says %s", r.log)
	}
	down.again(t, func(l net.Listener) net.Listener { return l })
	eventually(t, "all come", func() bool { return len(down.ids(otlp.Logs)) == 200 })
	if !slices.Equal(down.ids(otlp.Logs), want) || !slices.Equal(up.ids(otlp.Logs), want) {
		t.Error("not in order")
	}
	eventually(t, "no trouble", func() bool { return len(r.stage.Troubles()) == 0 })
}

// TestRoom: a dead destination never makes an append fail, and all that it does not get is counted.
func TestRoom(t *testing.T) {
	p := newPeer(t)
	p.stop()
	c := quick("dead", p)
	c.Signals = []string{"traces"}
	r := newRig(t, t.TempDir(), "w1", c).start()
	const requests, per = 2000, 100
	for id := range uint64(requests) {
		r.put(otlp.Traces, slices.Repeat([]uint64{id}, per*5)...)
	}
	p.again(t, func(l net.Listener) net.Listener { return l })
	eventually(t, "all is settled", func() bool {
		s := r.stats("dead", otlp.Traces)
		return s.Queued.Requests == 0
	})
	s := r.stats("dead", otlp.Traces)
	given := s.GivenUp[Room].Plus(s.GivenUp[MaxBytes])
	if given.Items == 0 || given.Items%(per*5) != 0 || s.Sent.Items+given.Items != requests*per*5 || s.Sent.Requests+given.Requests != requests {
		t.Errorf("%+v", s)
	}
	ids := slices.Compact(p.ids(otlp.Traces))
	if uint64(len(ids)) != s.Sent.Requests || !slices.IsSorted(ids) || ids[len(ids)-1] != requests-1 {
		t.Errorf("%d came, %d sent", len(ids), s.Sent.Requests)
	}
	if !strings.Contains(r.log.String(), "data is given up") {
		t.Error("nobody was told")
	}
}

// TestBounds: what is too old or too much is given up while the destination is away.
func TestBounds(t *testing.T) {
	for _, why := range []Reason{MaxAge, MaxBytes} {
		t.Run(why.String(), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			p.stop()
			c := quick("dead", p)
			if why == MaxAge {
				c.SendingQueue.MaxAge = Duration(time.Second)
			} else {
				c.SendingQueue.MaxBytes = 1 << 20
			}
			r := newRig(t, t.TempDir(), "w1", c).start()
			for id := range uint64(200) {
				r.put(otlp.Logs, slices.Repeat([]uint64{id}, 500)...)
			}
			low, high := uint64(0), uint64(0)
			if why == MaxBytes {
				low, high = 1<<19, 1<<20
			}
			eventually(t, "given up", func() bool {
				s := r.stats("dead", otlp.Logs)
				return s.GivenUp[why].Requests > 0 && s.GivenUp[why].Requests+s.Queued.Requests == 200 &&
					low <= s.Queued.Bytes && s.Queued.Bytes <= high && s.Sent.Requests == 0
			})
		})
	}
}

// TestNextProcess: what a process left, by kill or by stop, the next one sends, first and once.
func TestNextProcess(t *testing.T) {
	p := newPeer(t)
	p.stop()
	root := t.TempDir()
	r := newRig(t, root, "w1", quick("a", p), quick("gone", p)).start()
	for id := uint64(1); id <= 50; id++ {
		r.put(otlp.Logs, id)
		r.put(otlp.Traces, id)
	}
	r.stage.Shutdown(context.Background())
	noError(t, r.journal.Close())
	if !strings.Contains(r.log.String(), "kept for the next start") {
		t.Errorf("the log says %s", r.log)
	}

	next := newRig(t, root, "w2", quick("a", p), quick("new", p))
	if !next.adopt("w1") {
		t.Fatal("nobody wants it")
	}
	next.start()
	for id := uint64(51); id <= 60; id++ {
		next.put(otlp.Logs, id)
	}
	p.again(t, func(l net.Listener) net.Listener { return l })
	eventually(t, "the journal of the dead goes", func() bool {
		_, err := os.Stat(filepath.Join(root, "w1"))
		return os.IsNotExist(err)
	})
	next.stage.Shutdown(context.Background())
	// The new destination has what came since it is there.
	got := map[uint64]int{}
	for _, id := range p.ids(otlp.Logs) {
		got[id]++
	}
	for id := uint64(1); id <= 60; id++ {
		if want := 1 + int((id-1)/50); got[id] != want {
			t.Errorf("%d came %d times, want %d", id, got[id], want)
		}
	}
	if !slices.Equal(p.ids(otlp.Traces), sequence(1, 50)) {
		t.Error("the traces did not come")
	}
	if !strings.Contains(next.log.String(), "not in the settings any more") {
		t.Error("nobody was told of the other destination")
	}
	left, err := filepath.Glob(filepath.Join(root, "w1*"))
	if err != nil || len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

// TestDeadBounds: journals of the dead are bounded too.
func TestDeadBounds(t *testing.T) {
	p := newPeer(t)
	p.stop()
	root := t.TempDir()
	c := quick("a", p)
	c.Signals = []string{"logs"}
	r := newRig(t, root, "w1", c).start()
	for id := uint64(1); id <= 300; id++ {
		r.put(otlp.Logs, slices.Repeat([]uint64{id}, 500)...)
	}
	r.stage.Shutdown(expired())
	noError(t, r.journal.Close())
	c.SendingQueue.MaxBytes = 1 << 20
	next := newRig(t, root, "w2", c)
	next.adopt("w1")
	next.start()
	eventually(t, "given up", func() bool { return next.stats("a", otlp.Logs).GivenUp[MaxBytes].Requests > 0 })
	s := next.stats("a", otlp.Logs)
	if s.Queued.Bytes < 1<<19 {
		t.Errorf("%+v", s)
	}
	next.stage.Shutdown(expired())
	noError(t, next.journal.Close())

	c.SendingQueue.MaxAge = Duration(time.Millisecond)
	last := newRig(t, root, "w3", c)
	if !last.adopt("w1") {
		t.Fatal("nobody wants it")
	}
	last.start()
	eventually(t, "all is too old", func() bool { return last.stats("a", otlp.Logs).Queued.Requests == 0 })
	if s := last.stats("a", otlp.Logs); s.GivenUp[MaxAge].Requests == 0 {
		t.Errorf("%+v", s)
	}
}

// TestRing: without a journal it is forwarded from memory; what is left at the end is counted.
func TestRing(t *testing.T) {
	p := newPeer(t)
	c := quick("a", p)
	c.Signals = []string{"logs"}
	r := newRig(t, t.TempDir(), "w1", c)
	r.stage.Writer = ""
	ring := NewRing(1 << 20)
	noError(t, r.stage.Start(ring))
	put := func(id uint64) {
		for _, s := range []otlp.Signal{otlp.Traces, otlp.Logs} {
			_, err := ring.Append(s, 500, request(s, slices.Repeat([]uint64{id}, 500)...))
			noError(t, err)
		}
	}
	for id := range uint64(20) {
		put(id)
	}
	eventually(t, "all come", func() bool { return len(p.ids(otlp.Logs)) == 20*500 })
	p.stop()
	for id := range uint64(300) {
		put(id)
	}
	r.stage.Shutdown(context.Background())
	s := r.stats("a", otlp.Logs)
	if s.GivenUp[Room].Requests == 0 || s.GivenUp[Shutdown].Requests == 0 {
		t.Errorf("%+v", s)
	}
	if sum := s.Sent.Plus(s.GivenUp[Room]).Plus(s.GivenUp[Shutdown]); sum.Requests != 320 || sum.Items != 320*500 {
		t.Errorf("%+v of 320", sum)
	}
	if ring.Size() != 0 || ring.Capacity() != 1<<20 || ring.Next() != 641 || ring.Wait(t.Context(), 1) != nil {
		t.Error("the ring is no journal")
	}
	if files, _ := filepath.Glob(filepath.Join(r.root, "*.cursor")); len(files) != 0 {
		t.Errorf("%v", files)
	}
}

// faulty gives connections that end in every way.
type faulty struct {
	net.Listener
	mu     sync.Mutex // guards random
	random *rand.Rand
}

func (f *faulty) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	left := 1 << 30
	if f.random.IntN(2) == 0 {
		left = f.random.IntN(100_000)
	}
	return &dying{Conn: conn, left: left, half: f.random.IntN(2) == 0}, nil
}

// dying is a connection that ends after some bytes: for both sides, or without a word.
type dying struct {
	net.Conn
	left int
	half bool
}

func (d *dying) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if d.left -= n; d.left > 0 || err != nil {
		return n, err
	}
	if tcp, ok := d.Conn.(*net.TCPConn); ok && d.half {
		_ = tcp.CloseWrite()
		time.Sleep(100 * time.Millisecond)
	}
	_ = d.Close()
	return n, err
}

// TestFailsAtRandom: every code, hangs, connections that end, restarts. What was appended arrives, or is counted.
func TestFailsAtRandom(t *testing.T) {
	p := newPeer(t)
	random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano()))) //nolint:gosec // a test
	var mu sync.Mutex
	refusals := 0
	p.respond(func(otlp.Signal, []byte) error {
		mu.Lock()
		n := random.IntN(40)
		mu.Unlock()
		switch {
		case n == 0:
			time.Sleep(300 * time.Millisecond) // beyond the timeout
		case n <= 16:
			if code := codes.Code(n); code != codes.OK {
				mu.Lock()
				refusals++
				mu.Unlock()
				return status.Error(code, "at random")
			}
		}
		return nil
	})
	c := quick("a", p)
	c.Timeout = Duration(150 * time.Millisecond)
	c.Batch.MaxBytes = 2000
	r := newRig(t, t.TempDir(), "w1", c).start()
	var end sync.WaitGroup
	quit := make(chan struct{})
	end.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-time.After(200 * time.Millisecond):
			}
			p.stop()
			p.again(t, func(l net.Listener) net.Listener {
				return &faulty{Listener: l, random: rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))}
			})
		}
	})
	const requests, per = 1500, 4
	id := uint64(0)
	for range requests {
		r.put(otlp.Signals[id%3], id, id+1, id+2, id+3)
		id += per
		if id%100 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	eventually(t, "all is settled", func() bool {
		sum := uint64(0)
		for _, s := range otlp.Signals {
			sum += r.stats("a", s).Queued.Requests
		}
		return sum == 0
	})
	close(quit)
	end.Wait()
	arrived := map[uint64]bool{}
	given, sent := uint64(0), uint64(0)
	for _, s := range otlp.Signals {
		for _, id := range p.ids(s) {
			arrived[id] = true
		}
		stats := r.stats("a", s)
		given += stats.GivenUp[Refused].Items
		sent += stats.Sent.Items
	}
	t.Logf("%d items: %d arrived, %d sent, %d refused for good; %d refusals", requests*per, len(arrived), sent, given, refusals)
	if missing := requests*per - uint64(len(arrived)); missing > given || sent+given != requests*per || given == 0 || refusals < 50 {
		t.Errorf("%d are missing, %d were given up", missing, given)
	}
}

// TestStopsInTime: a destination that hangs is not waited for beyond ctx, and twice is fine.
func TestStopsInTime(t *testing.T) {
	p := newPeer(t)
	hang := make(chan struct{})
	defer close(hang)
	p.respond(func(otlp.Signal, []byte) error { <-hang; return nil })
	c := quick("a", p)
	r := newRig(t, t.TempDir(), "w1", c).start()
	r.put(otlp.Logs, 1)
	eventually(t, "it hangs", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.calls > 0 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	r.stage.Shutdown(ctx)
	r.stage.Shutdown(ctx)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := r.stats("a", otlp.Logs); got.Queued.Requests != 1 {
		t.Errorf("%+v", got)
	}
}

// TestUnstarted: a stage that never started ends.
func TestUnstarted(t *testing.T) {
	p := newPeer(t)
	bad := quick("b", p)
	bad.TLS.Insecure, bad.TLS.CAFile = false, "/nowhere"
	if _, err := New(Options{Log: newRig(t, t.TempDir(), "w1", quick("a", p)).stage.Log, Now: time.Now}, "forwarding", []Config{quick("a", p), bad}, rigQueue); err == nil || !strings.Contains(err.Error(), "forwarding[1].tls.ca_file") {
		t.Errorf("%v", err)
	}
}
