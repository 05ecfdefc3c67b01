package blackbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // for the destinations of tests
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// moody is a destination that fails in every way after which a request is sent again.
type moody struct {
	mu     sync.Mutex // guards what follows
	counts map[string]int
	failed int
	calm   bool

	answer logspb.LogsData // on the wire; empty is success without a word
}

var retryable = []codes.Code{
	codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss,
}

// export fails before or after it took the request.
func (m *moody) export(_ any, stream grpc.ServerStream) error {
	r := &logspb.LogsData{} // the same on the wire as a request
	if err := stream.RecvMsg(r); err != nil {
		return err
	}
	m.mu.Lock()
	mood := rand.IntN(12) //nolint:gosec // a mood, not a secret
	if m.calm {
		mood = 11
	}
	if mood < 6 {
		m.failed++
	}
	m.mu.Unlock()
	switch {
	case mood < 4:
		return status.Error(retryable[rand.IntN(len(retryable))], "not now") //nolint:gosec // likewise
	case mood == 4:
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	m.take(r)
	if mood == 5 {
		return status.Error(codes.Unavailable, "taken, but the answer got lost")
	}
	return stream.SendMsg(&m.answer)
}

func (m *moody) take(r *logspb.LogsData) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, resource := range r.GetResourceLogs() {
		for _, scope := range resource.GetScopeLogs() {
			for _, record := range scope.GetLogRecords() {
				m.counts[record.GetBody().GetStringValue()]++
			}
		}
	}
}

func (m *moody) serve(t *testing.T, address string) (server *grpc.Server, at string) {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		server = grpc.NewServer(grpc.UnknownServiceHandler(m.export))
		go func() { _ = server.Serve(listener) }() // ends with Stop
		return server, listener.Addr().String()
	}
	t.Fatal("the address is taken")
	return nil, ""
}

// missing counts the acknowledged records that did not arrive.
func (m *moody) missing(l *ledger) (missing, acknowledged, twice int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, acked := range l.acked {
		for i := range recordsPerSend {
			n := m.counts[fmt.Sprintf("%s.%d", name, i)]
			if acked {
				acknowledged++
			}
			if acked && n == 0 {
				missing++
			}
			if n > 1 {
				twice++
			}
		}
	}
	return missing, acknowledged, twice
}

// TestForwardKill: the service is killed with SIGKILL at random moments, while a destination fails at random and
// restarts. Each acknowledged record arrives there at least once, and another that is dead all the time holds up
// neither: everything is in files once, no request is refused for it, and a stop leaves what it had not had.
func TestForwardKill(t *testing.T) {
	const rounds = 6
	binary, dir := service(t), t.TempDir()
	m := &moody{counts: map[string]int{}}
	server, address := m.serve(t, "127.0.0.1:0")
	defer func() { server.Stop() }()
	destinations := fmt.Sprintf(`forwarding=[{"name":"moody","endpoint":%q,"tls":{"insecure":true},"signals":["logs"],"timeout":"200ms",`+
		`"batch":{"flush_interval":"5ms","max_bytes":1048576},"retry_on_failure":{"initial_interval":"5ms","max_interval":"20ms"},`+
		`"circuit_breaker":{"open":"20ms"}},`+
		`{"name":"dead","endpoint":"127.0.0.1:9","tls":{"insecure":true}}]`, address)
	settings := []string{"write_interval_secs=1", "queue.max_bytes=2000000000", "log.level=warn", destinations}
	l := &ledger{acked: map[string]bool{}}
	for round := range rounds {
		p := launch(t, binary, dir, settings...)
		ctx, cancel := context.WithCancel(t.Context())
		senders := load(ctx, t, p, round, l)
		time.Sleep(time.Duration(100+rand.IntN(600)) * time.Millisecond) //nolint:gosec // a moment, not a secret
		if round%2 == 1 {
			server.Stop()
			server, _ = m.serve(t, address)
			time.Sleep(100 * time.Millisecond)
		}
		p.kill()
		cancel()
		senders.Wait()
	}
	m.mu.Lock()
	m.calm = true
	m.mu.Unlock()
	last := launch(t, binary, dir, settings...)
	for range 600 {
		if missing, _, _ := m.missing(l); missing == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	last.terminate(t)
	missing, acknowledged, twice := m.missing(l)
	t.Logf("%d records acknowledged, %d missing at the destination, %d came more than once; it failed %d times", acknowledged, missing, twice, m.failed)
	if missing != 0 || acknowledged == 0 || m.failed == 0 {
		t.Errorf("%d of %d records are missing\n%s", missing, acknowledged, last.output)
	}
	l.check(t, dir)
	journals := filepath.Join(dir, "otlp", ".journal")
	if kept, err := filepath.Glob(filepath.Join(journals, "*.forward-dead.cursor")); err != nil || len(kept) == 0 {
		t.Errorf("nothing is kept for the dead destination: %v", err)
	}
	// A start without destinations gives up what they had not had, and leaves nothing.
	launch(t, binary, dir, "log.level=error").terminate(t)
	if left, err := os.ReadDir(journals); err != nil || len(left) != 0 {
		t.Errorf("%v, %v is left in the journals' directory", left, err)
	}
}

// TestForwardCompressed: a destination answers in the coding of the request, and grpc-go knows none by itself.
func TestForwardCompressed(t *testing.T) {
	m := &moody{counts: map[string]int{}, calm: true}
	m.answer.ResourceLogs = []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{SchemaUrl: "a partial success without a rejected record"}}}}
	server, address := m.serve(t, "127.0.0.1:0")
	defer server.Stop()
	p := launch(t, service(t), t.TempDir(), fmt.Sprintf(
		`forwarding=[{"name":"compressed","endpoint":%q,"tls":{"insecure":true},"signals":["logs"],"compression":"gzip"}]`, address))
	send := dialGRPC(t, p.endpoints["otlp_grpc"])
	if err := send(t.Context(), otlparrow.Logs, namedRequest(t, "one")); err != nil {
		t.Fatal(err)
	}
	p.terminate(t)
	for i := range recordsPerSend {
		if name := fmt.Sprintf("one.%d", i); m.counts[name] != 1 {
			t.Errorf("%s arrived %d times\n%s", name, m.counts[name], p.output)
		}
	}
	if strings.Contains(p.output.String(), "given up") {
		t.Errorf("%s", p.output)
	}
}
