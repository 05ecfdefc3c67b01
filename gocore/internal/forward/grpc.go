package forward

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// rawCodec sends messages as they are, without a copy, and gives answers as bytes.
type rawCodec struct{}

// Name makes the content type that of protobuf.
func (rawCodec) Name() string { return proto.Name }

// Marshal lends a message to the transport.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*message)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	return m.lend(), nil
}

// Unmarshal copies an answer, which is nearly always empty.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	body, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	*body = data.Materialize()
	return nil
}

// grpcSender is OTLP over gRPC, on one connection.
type grpcSender struct {
	address string
	options []grpc.DialOption
	headers headers
	timeout time.Duration

	mu   sync.Mutex // guards what follows
	conn *grpc.ClientConn
	hung int // calls in a row without an answer
}

// writeBuffer is large, since messages are.
const writeBuffer = 256 << 10

// tooQuiet is how many calls in a row get no answer before another connection is tried: the other side of
// this one may be gone without a word.
const tooQuiet = 2

func newGRPC(c Config, to target, config *tls.Config, h headers) (*grpcSender, error) {
	secured := insecure.NewCredentials()
	if !to.plain {
		secured = credentials.NewTLS(config)
	}
	s := &grpcSender{address: "passthrough:///" + to.address, headers: h, timeout: time.Duration(c.Timeout)}
	s.options = []grpc.DialOption{
		grpc.WithTransportCredentials(secured), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithUserAgent("otlp-arrow/" + obs.Version), grpc.WithWriteBufferSize(writeBuffer),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(maxAnswer)),
		// Our own retries decide when to send; a connection is tried about as often.
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second, Backoff: backoff.Config{
			BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
		}}),
	}
	if c.Compression != none {
		s.options = append(s.options, grpc.WithCompressor(newCompressor(c.Compression)), //nolint:staticcheck // the only way that needs no global registry
			grpc.WithDecompressor(decompressor{c.Compression})) //nolint:staticcheck // likewise: servers answer in the coding of the request
	}
	conn, err := s.dial()
	s.conn = conn
	return s, err
}

// dial does not connect yet.
func (s *grpcSender) dial() (*grpc.ClientConn, error) { return grpc.NewClient(s.address, s.options...) }

func (s *grpcSender) send(m *message) verdict {
	ctx, cancel := context.WithTimeout(s.headers.outgoing(m.ctx), s.timeout)
	defer cancel()
	conn := s.connection()
	var answer []byte
	err := conn.Invoke(ctx, "/"+m.signal.GRPCService()+"/Export", m, &answer)
	v := ofGRPC(err)
	v.hung = status.Code(err) == codes.DeadlineExceeded // ours, or the other side's, which knows it
	if v.outcome == delivered {
		response(answer, &v)
	}
	s.note(v.hung)
	return v
}

func (s *grpcSender) connection() *grpc.ClientConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// note tries another connection when this one seems to be dead.
func (s *grpcSender) note(hung bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !hung {
		s.hung = 0
		return
	}
	if s.hung++; s.hung < tooQuiet {
		return
	}
	if conn, err := s.dial(); err == nil {
		_ = s.conn.Close() // calls of other signals on it are sent again
		s.conn, s.hung = conn, 0
	}
}

func (s *grpcSender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.Close() // nothing is in flight
}

// ofGRPC is what a status means.
func ofGRPC(err error) verdict {
	if err == nil {
		return verdict{}
	}
	st := status.Convert(err)
	v := verdict{outcome: refused, code: st.Code().String(), err: err}
	told := false
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			told = true
			v.after = min(max(info.GetRetryDelay().AsDuration(), 0), maxAfter)
		}
	}
	v.large = (st.Code() == codes.ResourceExhausted || st.Code() == codes.OutOfRange) && saysLarge(st.Message())
	switch st.Code() {
	case codes.OutOfRange:
		if !v.large {
			v.outcome = later
		}
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.Unavailable, codes.DataLoss:
		v.outcome = later
	case codes.ResourceExhausted:
		if told {
			v.outcome, v.large = later, false
		}
	}
	return v
}
