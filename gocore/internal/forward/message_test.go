package forward

import (
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestShared: bodies that are sent out of the journal's memory arrive whole and in order, beside those that
// are copied and those that are read from files, however often they are sent.
func TestShared(t *testing.T) {
	for _, protocol := range []string{OTLPGRPC, OTLPHTTP} {
		p := newPeer(t)
		random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // a test
		var mu sync.Mutex
		p.respond(func(otlp.Signal, []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if random.IntN(3) == 0 {
				return status.Error(codes.Unavailable, "at random")
			}
			return nil
		})
		c := quick("a", p)
		if protocol == OTLPHTTP {
			c = overHTTP(t, p)
		}
		c.Batch.MaxBytes, c.CircuitBreaker.Enabled = 60_000, false
		r := newRig(t, t.TempDir(), "w1", c).start()
		sizes := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // a test
		id := uint64(0)
		for range 300 {
			n := uint64(1 + sizes.IntN(50))
			if sizes.IntN(3) == 0 {
				n *= 100 // of 11 bytes each
			}
			r.put(otlp.Logs, sequence(id, id+n-1)...)
			id += n
			time.Sleep(time.Millisecond) // so that it keeps up, now and then
		}
		eventually(t, "all is sent", func() bool { return r.stats("a", otlp.Logs).Sent.Requests == 300 })
		if got := p.ids(otlp.Logs); !slices.Equal(got, sequence(0, id-1)) {
			t.Errorf("%s: %d items of %d came", protocol, len(got), id)
		}
	}
}

// TestJoined: what is large and in memory is not copied, and memory goes back when the last reader is through.
func TestJoined(t *testing.T) {
	r := newRig(t, t.TempDir(), "w1")
	tail := r.journal.Tail(otlp.Logs, func([]byte) int { return 0 })
	defer tail.Close()
	var all buffers
	all.most = 1 << 20
	var want []byte
	var bodies [][]byte
	b := joined{memory: &all}
	for _, size := range []int{0, 100, 200, copyBytes, copyBytes + 1, 30_000, 50, 20_000} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(size + i)
		}
		r.putBody(otlp.Logs, 0, body)
		record, err := tail.Next()
		noError(t, err)
		b.add(&record)
		want, bodies = append(want, body...), append(bodies, record.Body)
	}
	b.end()
	var sizes []int
	for _, piece := range b.pieces {
		sizes = append(sizes, piece.Len())
	}
	if !slices.Equal(sizes, []int{300 + copyBytes, copyBytes + 1, 30_000, 50, 20_000}) {
		t.Fatalf("pieces of %v", sizes)
	}
	if &b.pieces[2].ReadOnlyData()[0] != &bodies[5][0] {
		t.Error("a large body was copied")
	}
	m := message{body: b.pieces}
	reader, sent := newHeld(b.pieces), m.lend()
	b.pieces.Free()
	got, err := io.ReadAll(reader)
	noError(t, err)
	if !slices.Equal(got, want) || !slices.Equal(sent.Materialize(), want) {
		t.Error("the bytes differ")
	}
	noError(t, reader.Close())
	if len(all.free) != 0 {
		t.Error("memory came back while it was read")
	}
	sent.Free()
	if len(all.free) != 1 { // the other one is tiny
		t.Errorf("%d buffers came back", len(all.free))
	}
	none := joined{memory: &all}
	none.add(&journal.Record{})
	none.end()
	if len(none.pieces) != 0 || len(all.free) != 1 {
		t.Errorf("%d pieces of nothing", len(none.pieces))
	}
}
