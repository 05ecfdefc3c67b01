package receive

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is an Acceptor that keeps what it was given.
type fake struct {
	mu     sync.Mutex // guards the fields below
	taken  []request
	answer func(ctx context.Context) error
	kinds  []refusal
}

// refusal is what Refused was told.
type refusal struct {
	signal otlp.Signal
	kind   fault.Kind
}

type request struct {
	signal otlp.Signal
	body   string
}

func (f *fake) Accept(ctx context.Context, signal otlp.Signal, body []byte) error {
	f.mu.Lock()
	f.taken = append(f.taken, request{signal, string(body)})
	answer := f.answer
	f.mu.Unlock()
	if answer != nil {
		return answer(ctx)
	}
	return nil
}

func (f *fake) Refused(signal otlp.Signal, kind fault.Kind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kinds = append(f.kinds, refusal{signal, kind})
}

// refused gives what was refused since the last time.
func (f *fake) refused() []refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.kinds
	f.kinds = nil
	return all
}

func (f *fake) answerWith(answer func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// take gives the one request since the last time.
func (f *fake) take(t *testing.T) request {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.taken) != 1 {
		t.Fatalf("%d requests were accepted, want 1", len(f.taken))
	}
	only := f.taken[0]
	f.taken = nil
	return only
}

func (f *fake) expectNone(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.taken) != 0 {
		t.Fatalf("%d requests were accepted, want none", len(f.taken))
	}
}

// failing gives the same answer always.
func failing(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// testLimits are small, so that bombs are too.
func testLimits() Limits { return Limits{MaxRequestBytes: 1 << 20, MaxInflightBytes: 4 << 20} }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// shutDown ends a server within the test, and says that it went well.
func shutDown(t *testing.T, server interface{ Shutdown(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func expectFree(t *testing.T, admission *Admission) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); admission.Held() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%d bytes of the budget are held with no request in flight", admission.Held())
			return
		}
	}
}

func packed(t testing.TB, coding string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case codingGzip, "x-gzip", "GZIP":
		w = gzip.NewWriter(&out)
	case codingDeflate:
		w = zlib.NewWriter(&out)
	case codingZstd:
		encoder, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = encoder
	default:
		return data
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
