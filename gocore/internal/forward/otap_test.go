package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// arrowPeer is an OTAP receiver of a test, or one that only knows OTLP.
type arrowPeer struct {
	address string
	server  *grpc.Server

	mu      sync.Mutex // guards what follows
	know    bool       // OTAP
	answer  func(batch int) codes.Code
	hang    bool
	streams int
	batches int
	items   [otlp.Count]int // of what was taken
	unary   int             // OTLP requests
	keys    []string
}

type noBudget struct{}

func (noBudget) Take(int64) error { return nil }
func (noBudget) Give(int64)       {}

func newArrowPeer(t *testing.T) *arrowPeer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	p := &arrowPeer{address: listener.Addr().String(), know: true, answer: func(int) codes.Code { return codes.OK }}
	p.server = grpc.NewServer(grpc.ForceServerCodecV2(peerCodec{}), grpc.UnknownServiceHandler(p.handle))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.server.Serve(listener) // ends with Stop
	}()
	t.Cleanup(func() {
		p.server.Stop()
		<-done
	})
	return p
}

func (p *arrowPeer) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	headers, _ := metadata.FromIncomingContext(stream.Context())
	for _, s := range otlp.Signals {
		service, name := s.OTAPService()
		switch method {
		case "/" + service + "/" + name:
			p.mu.Lock()
			know := p.know
			p.keys = append(p.keys, headers.Get("x-api-key")...)
			p.mu.Unlock()
			if !know {
				return status.Error(codes.Unimplemented, "unknown service "+service)
			}
			return p.arrow(s, stream)
		case "/" + s.GRPCService() + "/Export":
			var body []byte
			if err := stream.RecvMsg(&body); err != nil {
				return err
			}
			p.mu.Lock()
			p.unary++
			p.items[s] += Items(s, body)
			p.mu.Unlock()
			return stream.SendMsg([]byte{})
		}
	}
	return status.Error(codes.Unimplemented, method)
}

func (p *arrowPeer) arrow(s otlp.Signal, stream grpc.ServerStream) error {
	p.mu.Lock()
	p.streams++
	p.mu.Unlock()
	consumer := otap.NewConsumer(s, otap.Limits{StreamBytes: 64 << 20, BatchBytes: 64 << 20}, noBudget{})
	defer consumer.Close()
	for {
		var batch []byte
		if err := stream.RecvMsg(&batch); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		id, body, err := consumer.Consume(batch)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		if p.waits(stream.Context()) {
			return nil
		}
		code := p.judge(s, body)
		if code == codes.Aborted {
			return nil // an end without an answer
		}
		if err := stream.SendMsg(otap.AppendStatus(nil, id, uint32(code), code.String())); err != nil {
			return err
		}
	}
}

func (p *arrowPeer) waits(ctx context.Context) bool {
	p.mu.Lock()
	hang := p.hang
	p.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
	return hang
}

func (p *arrowPeer) judge(s otlp.Signal, body []byte) codes.Code {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches++
	code := p.answer(p.batches)
	if code == codes.OK {
		p.items[s] += Items(s, body)
	}
	return code
}

func newArrowSender(t *testing.T, p *arrowPeer, now func() time.Time) *otapSender {
	t.Helper()
	c := Default()
	c.Name, c.Endpoint, c.Protocol, c.TLS.Insecure = "peer", p.address, OTAP, true
	c.Timeout = Duration(2 * time.Second)
	to, err := c.target()
	noError(t, err)
	s, err := newOTAP(c, to, nil, headers{{lower: "x-api-key", value: func() string { return "secret" }}}, slog.New(slog.DiscardHandler), now)
	noError(t, err)
	t.Cleanup(s.close)
	return s
}

func sampleMessage(s otlp.Signal, seed int64) *message {
	body := sample.New(seed, 1_700_000_000_000_000_000).Body(s.String(), 100)
	return &message{context.Background(), s, mem.BufferSlice{mem.SliceBuffer(body)}}
}

// TestOTAP: all signals, message after message, on one stream each.
func TestOTAP(t *testing.T) {
	p := newArrowPeer(t)
	s := newArrowSender(t, p, time.Now)
	for _, signal := range otlp.Signals {
		for i := range int64(5) {
			if v := s.send(sampleMessage(signal, i)); v.outcome != delivered {
				t.Fatalf("%s: %+v", signal, v)
			}
		}
	}
	if p.items != [otlp.Count]int{500, 500, 500} || p.streams != otlp.Count || p.unary != 0 {
		t.Errorf("items %v, %d streams, %d OTLP requests", p.items, p.streams, p.unary)
	}
	if len(p.keys) != otlp.Count || p.keys[0] != "secret" {
		t.Errorf("keys %q", p.keys)
	}
}

// TestOTAPRefused: what a status means, and that the next message goes well on a stream of its own.
func TestOTAPRefused(t *testing.T) {
	for code, want := range map[codes.Code]outcome{
		codes.Unavailable: later, codes.InvalidArgument: refused, codes.ResourceExhausted: refused, codes.Aborted: later, codes.Unauthenticated: refused,
	} {
		p := newArrowPeer(t)
		s := newArrowSender(t, p, time.Now)
		p.mu.Lock()
		p.answer = func(batch int) codes.Code { return map[bool]codes.Code{true: code}[batch == 2] }
		p.mu.Unlock()
		var got []outcome
		for i := range int64(3) {
			got = append(got, s.send(sampleMessage(otlp.Logs, i)).outcome)
		}
		if got[0] != delivered || got[1] != want || got[2] != delivered || p.streams != 2 || p.items[otlp.Logs] != 200 {
			t.Errorf("%s: %v, %d streams, items %v", code, got, p.streams, p.items)
		}
	}
}

// TestOTAPFallback: OTLP for who does not know OTAP, until it is asked again.
func TestOTAPFallback(t *testing.T) {
	p := newArrowPeer(t)
	now := time.Now()
	s := newArrowSender(t, p, func() time.Time { return now })
	p.know = false
	for i := range int64(3) {
		if v := s.send(sampleMessage(otlp.Traces, i)); v.outcome != delivered {
			t.Fatalf("%+v", v)
		}
	}
	if p.unary != 3 || len(p.keys) != 1 || p.items[otlp.Traces] != 300 {
		t.Errorf("%d OTLP requests, asked %d times, items %v", p.unary, len(p.keys), p.items)
	}
	p.know, now = true, now.Add(askAgain+time.Second)
	if v := s.send(sampleMessage(otlp.Traces, 9)); v.outcome != delivered || p.unary != 3 || p.streams != 1 {
		t.Errorf("%+v, %d OTLP requests, %d streams", v, p.unary, p.streams)
	}
}

// TestOTAPHangs: who does not answer within the timeout is tried again on another stream.
func TestOTAPHangs(t *testing.T) {
	p := newArrowPeer(t)
	s := newArrowSender(t, p, time.Now)
	s.timeout, p.hang = 100*time.Millisecond, true
	for range 3 {
		if v := s.send(sampleMessage(otlp.Metrics, 1)); v.outcome != later || !v.hung {
			t.Fatalf("%+v", v)
		}
	}
	p.mu.Lock()
	p.hang = false
	p.mu.Unlock()
	s.timeout = 5 * time.Second
	if v := s.send(sampleMessage(otlp.Metrics, 1)); v.outcome != delivered || p.items[otlp.Metrics] != 100 {
		t.Errorf("%+v, items %v", v, p.items)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	m := sampleMessage(otlp.Metrics, 1)
	m.ctx = ended
	if v := s.send(m); v.outcome != later {
		t.Errorf("%+v", v)
	}
}

// TestOTAPBadBody: a body that is none is refused, and does not spoil the stream.
func TestOTAPBadBody(t *testing.T) {
	p := newArrowPeer(t)
	s := newArrowSender(t, p, time.Now)
	bad := &message{context.Background(), otlp.Traces, mem.BufferSlice{mem.SliceBuffer([]byte{0x0a, 0x05, 1})}}
	if v := s.send(bad); v.outcome != refused || v.err == nil {
		t.Errorf("%+v", v)
	}
	if v := s.send(sampleMessage(otlp.Traces, 1)); v.outcome != delivered {
		t.Errorf("%+v", v)
	}
}

// TestOTAPDown: nobody listens.
func TestOTAPDown(t *testing.T) {
	p := newArrowPeer(t)
	p.server.Stop()
	s := newArrowSender(t, p, time.Now)
	if v := s.send(sampleMessage(otlp.Traces, 1)); v.outcome != later {
		t.Errorf("%+v", v)
	}
}

func TestBadStatus(t *testing.T) {
	if _, _, err := batchStatus([]byte{0x08}); status.Code(err) != codes.Internal {
		t.Errorf("error %v", err)
	}
}
