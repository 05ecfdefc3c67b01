package send

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/receive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sink is who is behind our receivers, and answers as a test wants it.
type sink struct {
	mu       sync.Mutex // guards what follows
	plain    bool       // OTAP is not served
	answer   func(ctx context.Context, s otlp.Signal, body []byte) error
	requests int
	items    map[otlp.Signal]int
	bodies   [][]byte
}

func (s *sink) Accept(ctx context.Context, signal otlp.Signal, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.answer != nil {
		if err := s.answer(ctx, signal, body); err != nil {
			return err
		}
	}
	s.items[signal] += forward.Items(signal, body)
	s.bodies = append(s.bodies, append([]byte{}, body...))
	return nil
}

func (*sink) Refused(otlp.Signal, fault.Kind) {}

// receivers listen for OTLP over gRPC and HTTP, and OTAP, and end with the test.
func (s *sink) receivers(t *testing.T, limit int64) (grpc, http string) {
	t.Helper()
	s.items = map[otlp.Signal]int{}
	log := slog.New(slog.DiscardHandler)
	limits := receive.DefaultLimits()
	limits.MaxRequestBytes = limit
	admission := receive.NewAdmission(limits.MaxInflightBytes)
	g, h := receive.DefaultGRPC(), receive.DefaultHTTP()
	g.Endpoint.Endpoint, h.Endpoint.Endpoint = "127.0.0.1:0", "127.0.0.1:0"
	overGRPC := receive.NewGRPC(g, limits, admission, s, log)
	if !s.plain {
		overGRPC.AddOTAP(s)
	}
	overHTTP := receive.NewHTTP(h, limits, admission, s, log)
	for _, one := range []interface {
		Listen() error
		Serve()
		Shutdown(ctx context.Context) error
	}{overGRPC, overHTTP} {
		noError(t, one.Listen())
		one.Serve()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = one.Shutdown(ctx) // it may cut off what a test left hanging
		})
	}
	return "http://" + overGRPC.Addr(), "http://" + overHTTP.Addr()
}

func (s *sink) received(signal otlp.Signal) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[signal]
}

// to is a destination that is tried again at once.
func to(protocol, endpoint string) forward.Config {
	c := forward.Default()
	c.Protocol, c.Endpoint = protocol, endpoint
	c.RetryOnFailure.InitialInterval, c.RetryOnFailure.MaxInterval = forward.Duration(5*time.Millisecond), forward.Duration(20*time.Millisecond)
	return c
}

func run1(t *testing.T, o Options) Result {
	t.Helper()
	result, err := Run(t.Context(), fsys.OS{}, o)
	noError(t, err)
	return result
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	noError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// vanishing is a disk from which a file goes between listing and opening.
type vanishing struct {
	fsys.OS
	gone string
}

func (v *vanishing) OpenFile(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if name == v.gone {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return v.OS.OpenFile(name, flag, perm)
}

// breaking is load that panics after so many requests.
type breaking struct {
	*load
	after int
}

func (b *breaking) next() (parcel, error) {
	if b.after--; b.after < 0 {
		panic("ours")
	}
	return b.load.next()
}
