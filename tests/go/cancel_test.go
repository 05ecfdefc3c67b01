package blackbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// TestCancels: many calls at once on one connection, of which some are given up at random moments,
// with each kind of acknowledgement. Each acknowledged request is in the tables exactly once, each
// other one at most once; and the connection is as good as before.
func TestCancels(t *testing.T) {
	const senders, each = 64, 20
	binary := service(t)
	for _, durability := range []string{"memory", "write", "fsync"} {
		t.Run(durability, func(t *testing.T) {
			dir := t.TempDir()
			p := launch(t, binary, dir, "durability="+durability, "log.level=warn")
			send, l := dialGRPC(t, p.endpoints["otlp_grpc"]), &ledger{acked: map[string]bool{}}
			var all sync.WaitGroup
			for sender := range senders {
				all.Go(func() {
					for i := range each {
						name := fmt.Sprintf("s%d-%d", sender, i)
						l.note(name, sendOrGiveUp(t, send, namedRequest(t, name)) == nil)
					}
				})
			}
			all.Wait()
			if err := send(t.Context(), otlparrow.Logs, namedRequest(t, "last")); err != nil {
				t.Errorf("the call after all: %v", err)
			}
			p.terminate(t)
			l.check(t, dir)
		})
	}
}

// sendOrGiveUp loses patience with every third request.
func sendOrGiveUp(t *testing.T, send sender, body []byte) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if rand.IntN(3) == 0 { //nolint:gosec // a moment, not a secret
		defer time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel).Stop() //nolint:gosec // likewise
	}
	return send(ctx, otlparrow.Logs, body)
}
