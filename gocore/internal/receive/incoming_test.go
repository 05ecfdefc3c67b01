package receive

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// byHand makes a client of HTTP/2 without gRPC, so that messages can be sent in pieces.
func byHand(t *testing.T) *http.Client {
	t.Helper()
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// handCall is a call whose message is written by hand; closing the pipe ends the message.
type handCall struct {
	*io.PipeWriter
	answer chan told
}

type told struct {
	code    codes.Code
	details bool
	err     error
}

const tracesExport = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

func (r *grpcRig) open(t *testing.T, client *http.Client, method string, headers ...string) *handCall {
	t.Helper()
	return openAt(t, client, r.Addr(), method, headers...)
}

func openAt(t *testing.T, client *http.Client, address, method string, headers ...string) *handCall {
	t.Helper()
	from, to := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+method, from)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	call := &handCall{to, make(chan told, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		call.answer <- ask(client, request)
	}()
	t.Cleanup(func() { cancel(); _ = to.Close(); <-ended })
	return call
}

func ask(client *http.Client, request *http.Request) (a told) {
	response, err := client.Do(request)
	if err != nil {
		return told{err: err}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	header := response.Header
	if header.Get("Grpc-Status") == "" {
		header = response.Trailer
	}
	code, err := strconv.Atoi(header.Get("Grpc-Status"))
	return told{codes.Code(code), header.Get("Grpc-Status-Details-Bin") != "", err}
}

func (c *handCall) expect(t *testing.T, want codes.Code) {
	t.Helper()
	select {
	case a := <-c.answer:
		if a.err != nil || a.code != want {
			t.Errorf("got %v, %v; want %v", a.code, a.err, want)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("no answer, want %v", want)
	}
}

// prefix begins a message of a size.
func prefix(flag byte, size uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{flag}, size)
}

func (c *handCall) send(data ...[]byte) {
	for _, piece := range data {
		if _, err := c.Write(piece); err != nil {
			return // refused already
		}
	}
}

// TestGRPCHalfSentMessagesAreInTheBudget: what silent clients have sent takes no more memory
// than all requests may, and whoever finds no room is told to come again.
func TestGRPCHalfSentMessagesAreInTheBudget(t *testing.T) {
	const calls, each = 128, 768 << 10
	rig, client := startGRPC(t), byHand(t)
	before := heap()
	var open []*handCall
	sent := make(chan struct{}, calls)
	for range calls {
		call := rig.open(t, client, tracesExport)
		open = append(open, call)
		go func() {
			call.send(prefix(0, 1<<20), make([]byte, each))
			sent <- struct{}{}
		}()
	}
	for range calls {
		<-sent
	}
	held := rig.admission.Held()
	if held > testLimits().MaxInflightBytes || held < testLimits().MaxInflightBytes/2 {
		t.Errorf("%d bytes are held, want nearly %d", held, testLimits().MaxInflightBytes)
	}
	if grown := heap() - before; grown > 40<<20 {
		t.Errorf("the heap grew by %d MiB for %d MiB of budget", grown>>20, testLimits().MaxInflightBytes>>20)
	}
	if refused := countRefused(t, open); refused < calls-8 {
		t.Errorf("%d calls were refused, want all but a few of %d", refused, calls)
	}
	for _, call := range open {
		_ = call.CloseWithError(errors.New("gave up"))
	}
	expectFree(t, rig.admission)
	if err := rig.export(otlp.Traces, make([]byte, each)); err != nil {
		t.Error(err)
	}
}

func countRefused(t *testing.T, calls []*handCall) (n int) {
	t.Helper()
	for _, call := range calls {
		select {
		case a := <-call.answer:
			n++
			if a.code != codes.Unavailable || !a.details || a.err != nil {
				t.Fatalf("got %+v, want UNAVAILABLE with RetryInfo", a)
			}
		case <-time.After(20 * time.Millisecond): // one of the few that are waited for
		}
	}
	return n
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// TestGRPCManyTinyFrames: the frames of a message cost more than its bytes when those come one
// by one; they are not kept.
func TestGRPCManyTinyFrames(t *testing.T) {
	rig, client := startGRPC(t), byHand(t)
	call := rig.open(t, client, tracesExport)
	body := make([]byte, 100_000)
	for i := range body {
		body[i] = byte(i)
	}
	call.send(prefix(0, uint32(len(body))))
	for at := 0; at < len(body); at += 7 {
		call.send(body[at:min(at+7, len(body))])
	}
	_ = call.Close()
	call.expect(t, codes.OK)
	if got := rig.fake.take(t); got.body != string(body) {
		t.Error("the message is not what was sent")
	}
}

// TestGRPCStalledCallsEnd: whatever a client waits with, it is not waited for without end, and
// the connection serves on.
func TestGRPCStalledCallsEnd(t *testing.T) {
	const export, check, watch = tracesExport, "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
	for name, stalled := range map[string]struct {
		method string
		sent   []byte
	}{
		"nothing":          {export, nil},
		"half a prefix":    {export, []byte{0, 0, 0}},
		"no message":       {export, prefix(0, 100)},
		"half a message":   {export, append(prefix(0, 1<<20), make([]byte, 20<<10)...)},
		"half packed":      {export, append(prefix(1, 1<<20), make([]byte, 20<<10)...)},
		"no end of stream": {export, append(prefix(0, 3), "abc"...)},
		"health":           {check, prefix(0, 100)},
		"health without":   {check, nil},
		"health watch":     {watch, prefix(0, 100)},
	} {
		t.Run(name, func(t *testing.T) {
			rig, client := startGRPC(t), byHand(t)
			rig.grace = 50 * time.Millisecond
			call := rig.open(t, client, stalled.method, "Grpc-Encoding", codingGzip)
			call.send(stalled.sent)
			call.expect(t, codes.DeadlineExceeded)
			rig.fake.expectNone(t)
			rig.grace = time.Minute
			next := rig.open(t, client, export)
			next.send(prefix(0, 0))
			_ = next.Close()
			next.expect(t, codes.OK)
		})
	}
}

// TestGRPCSlowCallsAreWaitedFor as long as they keep the pace.
func TestGRPCSlowCallsAreWaitedFor(t *testing.T) {
	rig, client := startGRPC(t), byHand(t)
	rig.grace = 50 * time.Millisecond
	call := rig.open(t, client, tracesExport)
	call.send(prefix(0, 4*bodyRate), make([]byte, 3*bodyRate)) // which gives it three seconds
	time.Sleep(300 * time.Millisecond)
	call.send(make([]byte, bodyRate))
	_ = call.Close()
	call.expect(t, codes.OK)
}

// TestGRPCAcceptIsNotWatched: the message is there, the disk may take its time.
func TestGRPCAcceptIsNotWatched(t *testing.T) {
	rig := startGRPC(t)
	rig.grace = 20 * time.Millisecond
	rig.fake.answerWith(func(context.Context) error { time.Sleep(200 * time.Millisecond); return nil })
	if err := rig.export(otlp.Logs, []byte("abc")); err != nil {
		t.Error(err)
	}
}

// TestGRPCOddFraming is refused, and the connection serves on.
func TestGRPCOddFraming(t *testing.T) {
	gzipped := packed(t, codingGzip, []byte("abc"))
	one := append(prefix(0, 3), "abc"...)
	for name, c := range map[string]struct {
		sent     []byte
		encoding string
		want     codes.Code
	}{
		"no message":            {nil, "", codes.InvalidArgument},
		"half a prefix":         {[]byte{0, 0}, "", codes.InvalidArgument},
		"cut off":               {one[:7], "", codes.InvalidArgument},
		"two messages":          {append(one, one...), "", codes.InvalidArgument},
		"bytes after":           {append(one, 0), "", codes.InvalidArgument},
		"unknown flag":          {append(prefix(7, 3), "abc"...), "", codes.InvalidArgument},
		"too long":              {prefix(0, 1<<20+1), "", codes.ResourceExhausted},
		"4 GiB":                 {prefix(0, 1<<32-1), "", codes.ResourceExhausted},
		"packed too long":       {prefix(1, 1<<20+1), codingGzip, codes.ResourceExhausted},
		"flag without encoding": {append(prefix(1, uint32(len(gzipped))), gzipped...), "", codes.Internal}, // as gRPC's compression.md says
		"flag with identity":    {append(prefix(1, uint32(len(gzipped))), gzipped...), "identity", codes.Internal},
		"packed to nothing":     {prefix(1, 0), codingGzip, codes.OK},
		"encoding unused":       {one, codingGzip, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			rig, client := startGRPC(t), byHand(t)
			for range 2 {
				call := rig.open(t, client, tracesExport, "Grpc-Encoding", c.encoding)
				call.send(c.sent)
				_ = call.Close()
				call.expect(t, c.want)
			}
		})
	}
}

// TestOTAPOddFraming ends a stream, and the connection serves on: grpc-go's framing is not used here
// either.
func TestOTAPOddFraming(t *testing.T) {
	for name, c := range map[string]struct {
		sent  []byte
		ended bool // by the client
		want  codes.Code
	}{
		"unknown flag":   {append(prefix(7, 3), "abc"...), false, codes.InvalidArgument},
		"too long":       {prefix(0, 1<<20+1), false, codes.ResourceExhausted},
		"cut off":        {append(prefix(0, 100), "abc"...), true, codes.InvalidArgument},
		"half a message": {append(prefix(0, 100_000), make([]byte, 20<<10)...), false, codes.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			rig, client := startArrow(t, testLimits()), byHand(t)
			rig.grace = 50 * time.Millisecond
			call := openAt(t, client, rig.Addr(), otapMethod(otlp.Traces))
			call.send(c.sent)
			if c.ended {
				_ = call.Close()
			}
			call.expect(t, c.want)
			rig.grace = time.Minute
			rig.expectStatus(t, rig.batch(t, 3), arrowpb.StatusCode_OK)
		})
	}
}

// TestOTAPManyTinyFrames: what comes byte by byte is packed, and larger messages are joined.
func TestOTAPManyTinyFrames(t *testing.T) {
	rig, client := startArrow(t, testLimits()), byHand(t)
	message, err := proto.Marshal(rig.batch(t, 500))
	if err != nil || len(message) < 2*frameBytes {
		t.Fatalf("%d bytes, %v", len(message), err)
	}
	call := openAt(t, client, rig.Addr(), otapMethod(otlp.Traces))
	call.send(prefix(0, uint32(len(message))))
	for at := 0; at < len(message); at += 7 {
		call.send(message[at:min(at+7, len(message))])
	}
	_ = call.Close()
	call.expect(t, codes.OK)
	if got := rig.fake.take(t); len(got.body) < 50_000 {
		t.Errorf("%d bytes were accepted", len(got.body))
	}
}

// TestGRPCHealthTakesNoLargeMessages: nobody needs a key for it, and it is not in the budget.
func TestGRPCHealthTakesNoLargeMessages(t *testing.T) {
	_, err := healthpb.NewHealthClient(startGRPC(t).conn).
		Check(t.Context(), &healthpb.HealthCheckRequest{Service: string(make([]byte, 10<<10))})
	expectCode(t, err, codes.ResourceExhausted)
}
