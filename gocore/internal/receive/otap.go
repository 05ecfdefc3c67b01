package receive

import (
	"context"
	"errors"
	"io"

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
	answers  grpc.ServerStream
	consumer *otap.Consumer
	turn
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
	s := &arrowStream{of: g, signal: signal, answers: answers, turn: turn{op: "receive " + signal.String() + " over OTAP", stream: stream},
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

// next takes one message and answers it; io.EOF when the client has ended the stream.
func (s *arrowStream) next() error {
	prefix, err := nextPrefix(s.stream, s.op)
	if err != nil {
		return err
	}
	m, err := s.of.message(s.stream, prefix, s.of.bodies)
	defer m.free()
	if err != nil {
		s.of.arrow.Refused(s.signal, kindOf(err))
		return err
	}
	return s.answer(m.data)
}

// answer works on a batch and sends its status. An error ends the stream.
func (s *arrowStream) answer(message []byte) error {
	if !s.begin() {
		return closing(s.op)
	}
	id, bad, broken := s.take(message)
	code, text := codes.OK, ""
	if partial, ok := errors.AsType[*fault.PartialError](bad); ok { // OTAP has no other word for it
		text = clean(fault.Message(partial))
	} else if bad != nil {
		s.of.arrow.Refused(s.signal, kindOf(bad))
		code, text = batchCode(bad), clean(fault.Message(bad))
	}
	err := s.answers.SendMsg(encoded(otap.AppendStatus(nil, id, uint32(code), text)))
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
func batchCode(err error) codes.Code {
	answer, own := fault.AnswerOf(err, kindOf(err))
	if own {
		return answer.GRPC
	}
	switch code := answer.GRPC; code {
	case codes.Unimplemented:
		return codes.InvalidArgument
	case codes.FailedPrecondition:
		return codes.Internal
	default:
		return code
	}
}
