package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// wireCodec lets a client send any bytes as a message.
type wireCodec struct{}

func (wireCodec) Name() string { return "proto" }
func (wireCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (wireCodec) Unmarshal(d mem.BufferSlice, v any) error {
	*v.(*[]byte) = d.Materialize()
	return nil
}

// wireCompressor "compresses" to given bytes under any name, so that tests send damage.
type wireCompressor struct{ name string }

func (w wireCompressor) Type() string                        { return w.name }
func (w wireCompressor) Do(out io.Writer, data []byte) error { _, err := out.Write(data); return err }

type grpcRig struct {
	*GRPC
	fake      *fake
	admission *Admission
	conn      *grpc.ClientConn
}

func startGRPC(t *testing.T, options ...grpc.DialOption) *grpcRig {
	t.Helper()
	return startGRPCWithin(t, testLimits(), options...)
}

func startGRPCWithin(t *testing.T, limits Limits, options ...grpc.DialOption) *grpcRig {
	t.Helper()
	config := DefaultGRPC()
	config.Endpoint.Endpoint = "127.0.0.1:0"
	rig := &grpcRig{fake: &fake{}, admission: NewAdmission(limits.MaxInflightBytes)}
	rig.GRPC = NewGRPC(config, limits, rig.admission, rig.fake, quiet())
	if err := rig.Listen(); err != nil {
		t.Fatal(err)
	}
	rig.Serve()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	conn, err := grpc.NewClient(rig.Addr(), options...)
	if err != nil {
		t.Fatal(err)
	}
	rig.conn = conn
	t.Cleanup(func() {
		expectFree(t, rig.admission)
		shutDown(t, rig)
		_ = conn.Close()
	})
	return rig
}

func (r *grpcRig) export(signal otlp.Signal, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var reply []byte
	err := r.conn.Invoke(ctx, "/"+signal.GRPCService()+"/Export", &body, &reply, grpc.ForceCodecV2(wireCodec{}))
	if err == nil && len(reply) != 0 {
		return errors.New("partial_success is set")
	}
	return err
}

func expectCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("code %v, want %v: %v", got, want, err)
	}
}

func TestGRPCTakesEverySignal(t *testing.T) {
	rig := startGRPC(t)
	large := strings.Repeat("x", 700<<10) // many HTTP/2 frames
	for _, signal := range otlp.Signals {
		for _, body := range []string{"", "abc", large} {
			if err := rig.export(signal, []byte(body)); err != nil {
				t.Fatal(err)
			}
			if got := rig.fake.take(t); got != (request{signal, body}) {
				t.Fatalf("accepted %v of %d bytes, want %v of %d", got.signal, len(got.body), signal, len(body))
			}
		}
	}
}

// packer is a client's compressor for tests, without the process's registry.
type packer struct {
	wireCompressor
	t *testing.T
}

func (p packer) Do(out io.Writer, data []byte) error {
	_, err := out.Write(packed(p.t, p.name, data))
	return err
}

func TestGRPCCompression(t *testing.T) {
	for _, coding := range []string{codingGzip, codingZstd} {
		t.Run(coding, func(t *testing.T) {
			rig := startGRPC(t, grpc.WithCompressor(packer{wireCompressor{coding}, t})) //nolint:staticcheck // see acceptGzip
			for _, body := range []string{"", "abc", strings.Repeat("abcdefg", 100<<10)} {
				if err := rig.export(otlp.Logs, []byte(body)); err != nil {
					t.Fatal(err)
				}
				if got := rig.fake.take(t); got.body != body {
					t.Fatalf("accepted %d bytes, want %d", len(got.body), len(body))
				}
			}
		})
	}
}

func TestGRPCRefusesDamagedCompression(t *testing.T) {
	for _, coding := range []string{codingGzip, codingZstd} {
		whole := packed(t, coding, bytes.Repeat([]byte("abc"), 1000))
		damage := map[string][]byte{
			"not compressed":   []byte("plain bytes"),
			"truncated":        whole[:len(whole)-5],
			"trailing garbage": append(bytes.Clone(whole), "garbage"...),
		}
		rig := startGRPC(t, grpc.WithCompressor(wireCompressor{coding})) //nolint:staticcheck // see acceptGzip
		for name, data := range damage {
			t.Run(coding+" "+name, func(t *testing.T) {
				expectCode(t, rig.export(otlp.Traces, data), codes.InvalidArgument)
				rig.fake.expectNone(t)
			})
		}
	}
}

func TestGRPCTooLargeIsNotRetryable(t *testing.T) {
	zeros := make([]byte, 64<<20)
	for coding, data := range map[string][]byte{
		codingIdentity: zeros[:testLimits().MaxRequestBytes+1],
		codingGzip:     packed(t, codingGzip, zeros),
		codingZstd:     packed(t, codingZstd, zeros),
	} {
		t.Run(coding, func(t *testing.T) {
			var options []grpc.DialOption
			if coding != codingIdentity {
				options = append(options, grpc.WithCompressor(wireCompressor{coding})) //nolint:staticcheck // see acceptGzip
			}
			rig := startGRPC(t, options...)
			err := rig.export(otlp.Traces, data)
			expectCode(t, err, codes.ResourceExhausted)
			if details := status.Convert(err).Details(); len(details) != 0 {
				t.Fatalf("details %v, want none: RetryInfo makes it retryable", details)
			}
			rig.fake.expectNone(t)
		})
	}
}

func TestGRPCUnknownEncodingIsUnimplemented(t *testing.T) {
	rig := startGRPC(t, grpc.WithCompressor(wireCompressor{"x-unknown"})) //nolint:staticcheck // see acceptGzip
	expectCode(t, rig.export(otlp.Traces, []byte("abc")), codes.Unimplemented)
}

func TestGRPCFaultsBecomeStatuses(t *testing.T) {
	rig := startGRPC(t)
	overloaded := fault.New(fault.Overloaded, "append", "full")
	overloaded.RetryAfter = 3 * time.Second
	badText := &fault.Error{Kind: fault.Invalid, Op: "decode \xff", Field: "spans[3].name\xff", Err: errors.New(strings.Repeat("é\xff", 9000))}
	for name, c := range map[string]struct {
		err  error
		want codes.Code
	}{
		"malformed":       {badText, codes.InvalidArgument},
		"overloaded":      {overloaded, codes.Unavailable},
		"shutting down":   {fault.New(fault.Closed, "append", "closed"), codes.Unavailable},
		"unauthenticated": {fault.New(fault.Unauthenticated, "key", "none"), codes.Unauthenticated},
		"too large":       {fault.New(fault.TooLarge, "decode", "huge"), codes.ResourceExhausted},
		"deadline":        {context.DeadlineExceeded, codes.DeadlineExceeded},
		"a fault of ours": {errors.New("broken"), codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			rig.fake.answerWith(failing(c.err))
			expectCode(t, rig.export(otlp.Metrics, []byte("abc")), c.want)
		})
	}
	rig.fake.answerWith(failing(overloaded))
	details := status.Convert(rig.export(otlp.Metrics, nil)).Details()
	if info, ok := details[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() != 3*time.Second {
		t.Fatalf("details %v, want RetryInfo of 3 s", details)
	}
	rig.fake.answerWith(failing(badText))
	details = status.Convert(rig.export(otlp.Metrics, nil)).Details()
	if bad, ok := details[0].(*errdetails.BadRequest); !ok || bad.GetFieldViolations()[0].GetField() != "spans[3].name\uFFFD" {
		t.Fatalf("details %v, want BadRequest with the field", details)
	}
}

func TestGRPCPanicIsInternalAndOthersGoOn(t *testing.T) {
	rig := startGRPC(t)
	rig.fake.answerWith(func(context.Context) error { panic("boom") })
	expectCode(t, rig.export(otlp.Traces, []byte("abc")), codes.Internal)
	rig.fake.answerWith(nil)
	if err := rig.export(otlp.Traces, []byte("abc")); err != nil {
		t.Fatal(err)
	}
}

func TestGRPCBudgetFullIsOverloaded(t *testing.T) {
	rig := startGRPC(t)
	hold := testLimits().MaxInflightBytes - 2
	if err := rig.admission.Acquire(hold); err != nil {
		t.Fatal(err)
	}
	err := rig.export(otlp.Traces, []byte("abc"))
	rig.admission.Release(hold)
	expectCode(t, err, codes.Unavailable)
	if details := status.Convert(err).Details(); len(details) != 1 {
		t.Fatalf("details %v, want RetryInfo", details)
	}
	if rig.admission.Refused() != 1 {
		t.Fatalf("%d refusals counted, want 1", rig.admission.Refused())
	}
	rig.fake.expectNone(t)
}

// TestGRPCTheSmallestBudgetTakesTheLargestRequest, in every encoding, and though it does not
// get smaller by it.
func TestGRPCTheSmallestBudgetTakesTheLargestRequest(t *testing.T) {
	limits := Limits{MaxRequestBytes: 1 << 20, MaxInflightBytes: 2 << 20}
	body := make([]byte, limits.MaxRequestBytes-1<<10) // gzip makes it longer
	_, _ = rand.NewChaCha8([32]byte{}).Read(body)
	for _, coding := range []string{codingIdentity, codingGzip, codingZstd} {
		t.Run(coding, func(t *testing.T) {
			var options []grpc.DialOption
			if coding != codingIdentity {
				options = append(options, grpc.WithCompressor(packer{wireCompressor{coding}, t})) //nolint:staticcheck // see acceptGzip
			}
			rig := startGRPCWithin(t, limits, options...)
			if err := rig.export(otlp.Logs, body); err != nil {
				t.Fatal(err)
			}
			if got := rig.fake.take(t); got.body != string(body) {
				t.Errorf("accepted %d bytes, want %d", len(got.body), len(body))
			}
		})
	}
}

func TestGRPCManyInFlightOnOneConnection(t *testing.T) {
	rig := startGRPC(t)
	var calls sync.WaitGroup
	for i := range 500 {
		calls.Go(func() {
			if err := rig.export(otlp.Signals[i%otlp.Count], []byte("abc")); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

func TestGRPCUnknownMethodIsUnimplemented(t *testing.T) {
	rig := startGRPC(t)
	var in, out []byte
	for _, method := range []string{"/x.Service/Export", "/" + otlp.Logs.GRPCService() + "/Import"} {
		expectCode(t, rig.conn.Invoke(t.Context(), method, &in, &out, grpc.ForceCodecV2(wireCodec{})), codes.Unimplemented)
	}
}

func TestGRPCHealth(t *testing.T) {
	rig := startGRPC(t)
	client := healthpb.NewHealthClient(rig.conn)
	answer, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("%v, %v", answer, err)
	}
	watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	shutDown(t, rig) // well before its deadline, though somebody watches
	_, err = watch.Recv()
	expectCode(t, err, codes.Unavailable)
}

func TestGRPCShutdownWaitsForCallsInFlight(t *testing.T) {
	rig := startGRPC(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	rig.fake.answerWith(func(context.Context) error { close(entered); <-leave; return nil })
	answered := make(chan error, 1)
	go func() { answered <- rig.export(otlp.Traces, []byte("abc")) }()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- rig.Shutdown(context.Background()) }()
	<-rig.draining.Done()
	close(leave)
	if err := errors.Join(<-answered, <-ended); err != nil {
		t.Fatal(err)
	}
	expectCode(t, rig.export(otlp.Traces, []byte("abc")), codes.Unavailable)
}

func TestGRPCShutdownPastItsDeadline(t *testing.T) {
	rig := startGRPC(t)
	entered := make(chan struct{})
	rig.fake.answerWith(func(ctx context.Context) error { close(entered); <-ctx.Done(); return ctx.Err() })
	answered := make(chan error, 1)
	go func() { answered <- rig.export(otlp.Traces, []byte("abc")) }()
	<-entered
	past, cancel := context.WithCancel(context.Background())
	cancel()
	if err := rig.Shutdown(past); fault.KindOf(err) != fault.Timeout {
		t.Fatalf("%v, want a timeout", err)
	}
	if <-answered == nil {
		t.Fatal("a call that was cut off succeeded")
	}
}

func TestGRPCLeavesTheProcessGzipAlone(t *testing.T) {
	before := encoding.GetCompressor(codingGzip)
	startGRPC(t)
	if encoding.GetCompressor(codingGzip) != before {
		t.Fatal("the host's gzip was replaced")
	}
}

func TestGRPCClientOfTheProcessMayUseZstd(t *testing.T) {
	rig := startGRPC(t, grpc.WithDefaultCallOptions(grpc.UseCompressor(codingZstd)))
	for range 3 {
		if err := rig.export(otlp.Logs, []byte("abc")); err != nil {
			t.Fatal(err)
		}
		if got := rig.fake.take(t); got.body != "abc" {
			t.Fatalf("accepted %q", got.body)
		}
	}
}

// go test -run '^$' -bench GRPCCalls ./gocore/internal/receive/ (client and wire included)
func BenchmarkGRPCCalls(b *testing.B) {
	for _, coding := range []string{codingIdentity, codingGzip} {
		for _, size := range []int{200, 8 << 10, 256 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("coding=%s/size=%d", coding, size), func(b *testing.B) {
				benchmarkCalls(b, coding, packed(b, coding, bytes.Repeat([]byte("some telemetry. "), size/16)))
			})
		}
	}
}

func benchmarkCalls(b *testing.B, coding string, body []byte) {
	config, limits := DefaultGRPC(), DefaultLimits()
	config.Endpoint.Endpoint = "127.0.0.1:0"
	g := NewGRPC(config, limits, NewAdmission(limits.MaxInflightBytes), accepting{}, quiet())
	if err := g.Listen(); err != nil {
		b.Fatal(err)
	}
	g.Serve()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if coding != codingIdentity {
		options = append(options, grpc.WithCompressor(wireCompressor{coding})) //nolint:staticcheck // see acceptGzip
	}
	conn, err := grpc.NewClient(g.Addr(), options...)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var reply []byte
			if err := conn.Invoke(b.Context(), "/"+otlp.Traces.GRPCService()+"/Export", &body, &reply, grpc.ForceCodecV2(wireCodec{})); err != nil {
				b.Error(err)
			}
		}
	})
	_ = conn.Close()
	_ = g.Shutdown(context.Background())
}

// accepting takes everything and keeps nothing.
type accepting struct{}

func (accepting) Accept(context.Context, otlp.Signal, []byte) error { return nil }

func (accepting) Refused(otlp.Signal, fault.Kind) {}
