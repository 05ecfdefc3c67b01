package receive

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// An OTAP stream is batches one way and their statuses the other, in the same order:
//
//	message ─> inflate ─> Consumer ─> Acceptor ─> BatchStatus
//	   │ too large, too slow, no room         bad, too much, later: that batch alone
//	   └─> the stream ends: its batch's id is not known yet
//
// A batch is worked on before the next is read; the client may have sent more, as far as the
// stream's window goes.

func (g *GRPC) registerOTAP(server *grpc.Server, signal otlp.Signal) {
	service, method := signal.OTAPService()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: method, ServerStreams: true, ClientStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return g.serveOTAP(signal, stream) }}},
	}, g)
}

func otapMethod(signal otlp.Signal) string {
	service, method := signal.OTAPService()
	return "/" + service + "/" + method
}

// arrowStream is one client's stream.
type arrowStream struct {
	of       *GRPC
	signal   otlp.Signal
	op       string
	answers  grpc.ServerStream
	stream   transportStream
	consumer *otap.Consumer

	mu   sync.Mutex // guards the fields below
	busy bool       // a batch is in work: its status is still to come
	over bool       // Shutdown began
}

// inflight pays a stream's memory from the node's budget.
type inflight struct{ *Admission }

func (b inflight) Take(bytes int64) error { return b.Acquire(bytes) }
func (b inflight) Give(bytes int64)       { b.Release(bytes) }

func (g *GRPC) serveOTAP(signal otlp.Signal, answers grpc.ServerStream) error {
	stream, err := streamOf(answers.Context())
	if err != nil {
		return statusOf(err).Err()
	}
	limits := otap.Limits{StreamBytes: 2 * g.limits.MaxRequestBytes, BatchBytes: g.limits.MaxRequestBytes}
	s := &arrowStream{of: g, signal: signal, op: "receive " + signal.String() + " over OTAP", answers: answers, stream: stream,
		consumer: otap.NewConsumer(signal, limits, inflight{g.bodies.admission})}
	defer s.consumer.Close()
	defer context.AfterFunc(g.draining, s.finish)()
	for {
		err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return statusOf(err).Err()
		}
	}
}

// finish ends a stream that waits for a batch, and has one that works on a batch end after it.
// gRPC lets any goroutine write a status, and the first one counts.
func (s *arrowStream) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if !s.busy {
		_ = s.stream.WriteStatus(statusOf(closing(s.op))) // fails when the client is gone
	}
}

// begin says that a batch is in work, and is false when it is too late for that.
func (s *arrowStream) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = !s.over
	return s.busy
}

func (s *arrowStream) end() (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	return s.over
}

// next takes one message and answers it; io.EOF when the client has ended the stream.
func (s *arrowStream) next() error {
	var prefix [prefixBytes]byte
	if err := s.stream.ReadMessageHeader(prefix[:]); err != nil {
		if err == io.EOF { //nolint:errorlint // gRPC gives it bare, and an unexpected one is another
			return err
		}
		return &fault.Error{Kind: fault.Timeout, Op: s.op, Err: err} // the client gave up, or is gone
	}
	g := s.of
	account := g.bodies.account()
	defer account.close()
	in := &incoming{stream: s.stream, account: &account, buffers: g.buffers, limit: g.bodies.limit, watch: watch(s.stream, g.grace)}
	defer in.free()
	defer in.watch.stop()
	if err := in.message(prefix); err != nil {
		g.arrow.Refused(s.signal, kindOf(err))
		return err
	}
	if !in.watch.stop() {
		return tooSlow()
	}
	if in.packed {
		b := g.bodies.get(&account)
		defer b.free()
		if err := g.inflate(b, in); err != nil {
			g.arrow.Refused(s.signal, kindOf(err))
			return err
		}
		return s.answer(b.data)
	}
	whole, err := in.join()
	if err != nil {
		g.arrow.Refused(s.signal, kindOf(err))
		return err
	}
	defer whole.Free()
	return s.answer(whole.ReadOnlyData())
}

// answer works on a batch and sends its status. An error ends the stream.
func (s *arrowStream) answer(message []byte) error {
	if !s.begin() {
		return closing(s.op)
	}
	id, bad, broken := s.take(message)
	code, text := codes.OK, ""
	if bad != nil {
		s.of.arrow.Refused(s.signal, kindOf(bad))
		code, text = batchCode(kindOf(bad)), clean(fault.Message(bad))
	}
	err := s.answers.SendMsg(batchStatus(otap.AppendStatus(nil, id, uint32(code), text)))
	switch over := s.end(); {
	case err != nil:
		return &fault.Error{Kind: fault.Timeout, Op: s.op, Err: err}
	case broken:
		return bad
	case over:
		return closing(s.op)
	}
	return nil
}

// take has a batch decoded and accepted. broken says that the stream can't go on after it.
func (s *arrowStream) take(message []byte) (id int64, bad error, broken bool) {
	defer func() {
		if value := recover(); value != nil {
			bad, broken = panicked(s.of.logger, s.op, value), true
		}
	}()
	id, body, err := s.consumer.Consume(message)
	if err == nil && len(body) > 0 {
		err = s.of.arrow.Accept(s.answers.Context(), s.signal, body)
	}
	return id, err, s.consumer.Lost()
}

// batchCode is the StatusCode of a BatchStatus: gRPC's codes, but not all of them.
func batchCode(kind fault.Kind) codes.Code {
	switch code := fault.GRPCCode(kind); code {
	case codes.Unimplemented:
		return codes.InvalidArgument
	case codes.FailedPrecondition:
		return codes.Internal
	default:
		return code
	}
}
