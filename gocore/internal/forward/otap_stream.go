package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// otapStream is a stream to a peer. It outlives the messages that are sent on it.
type otapStream struct {
	grpc.ClientStream
	cancel context.CancelFunc
}

// openStream gives up with asked, which the stream outlives.
func openStream(asked context.Context, conn *grpc.ClientConn, method string, h headers) (*otapStream, error) {
	ctx, cancel := context.WithCancel(h.outgoing(context.Background()))
	defer context.AfterFunc(asked, cancel)()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		cancel()
		return nil, err
	}
	return &otapStream{stream, cancel}, nil
}

// close ends the stream, whatever is on its way.
func (s *otapStream) close() { s.cancel() }

// exchange sends batches and waits until each has its status. Of several verdicts the worst
// counts for all: OTLP knows one answer to a request.
func (s *otapStream) exchange(ctx context.Context, timeout time.Duration, batches []otap.Batch) verdict {
	if err := ctx.Err(); err != nil { // which would race with a quick answer below
		return ofGRPC(status.FromContextError(err).Err())
	}
	late := time.AfterFunc(timeout, s.cancel)
	defer late.Stop()
	defer context.AfterFunc(ctx, s.cancel)()
	v, err := s.sendAll(batches)
	if err == nil {
		return v
	}
	v = ofGRPC(err)
	if !late.Stop() && v.outcome == later {
		v.hung, v.code, v.err = true, codes.DeadlineExceeded.String(), fmt.Errorf("no status within %s", timeout)
	}
	return v
}

// sendAll is for batches that fit the stream's windows, or a peer that reads on while it answers.
func (s *otapStream) sendAll(batches []otap.Batch) (worst verdict, err error) {
	waiting := map[int64]bool{}
	for _, b := range batches {
		waiting[b.ID] = true
		err := s.SendMsg(&message{body: mem.BufferSlice{mem.SliceBuffer(b.Message)}})
		if err != nil && !errors.Is(err, io.EOF) { // which means: the answer tells why
			return verdict{}, err
		}
	}
	for len(waiting) > 0 {
		var answer []byte
		if err := s.RecvMsg(&answer); err != nil {
			if errors.Is(err, io.EOF) { // ended in good order, and without an answer
				err = status.Error(codes.Unavailable, "the stream was ended")
			}
			return verdict{}, err
		}
		id, one, err := batchStatus(answer)
		if err != nil {
			return verdict{}, err
		}
		delete(waiting, id)
		worst = worse(worst, one)
	}
	return worst, nil
}

func worse(a, b verdict) verdict {
	if a.outcome == later || b.outcome == delivered {
		return a
	}
	return b
}

// batchStatus reads BatchStatus { int64 batch_id = 1; StatusCode status_code = 2; string status_message = 3 }.
func batchStatus(answer []byte) (id int64, v verdict, err error) {
	var code uint64
	var text string
	c := wire.NewCursor(answer)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(1, wire.Varint):
			id = int64(c.Varint()) // as protobuf has it
		case wire.Tag(2, wire.Varint):
			code = c.Varint()
		case wire.Tag(3, wire.Bytes):
			text = shorten(string(c.Bytes()))
		}
	}
	if c.Err() != nil {
		return 0, verdict{}, status.Errorf(codes.Internal, "a status that is none: %v", c.Err())
	}
	return id, ofGRPC(status.Error(codes.Code(min(code, uint64(codes.Unauthenticated))), text)), nil
}
