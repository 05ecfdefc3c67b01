package receive

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/h2"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// The calls of OTLP/gRPC are served by h2, which hands their bytes over as they come; all other
// methods, OTAP's and the health service's, by grpc-go behind it. docs/decisions/0008-http2.md has
// the reasons.

// front makes the server before grpc-go's.
func (g *GRPC) front() *h2.Server {
	exports := map[string]otlp.Signal{}
	for _, signal := range otlp.Signals {
		exports["/"+signal.GRPCService()+"/Export"] = signal
	}
	return h2.New(h2.Options{
		Admit: g.admit,
		Open:  func(head *h2.Head) (h2.Call, *h2.Status) { return g.open(exports, head) },
		Other: g.server,
		Slow:  g.slow,
		Apart: g.apart,
		Log:   g.logger,

		MaxStreams: g.config.MaxConcurrentStreams, MaxHeaders: headerBytes, StreamWindow: streamWindow, ConnWindow: connWindow,
		Handshake: handshakeLimit, PingAfter: pingAfter, PingTimeout: pingTimeout, PingMinTime: pingMinTime,
		Tick: min(frontTick, max(g.grace/4, time.Millisecond)),
	}, g.guard.tls)
}

const frontEncodings = codingGzip + "," + codingZstd

const frontTick = 50 * time.Millisecond

// admit asks for a key: of what has none no message is read.
func (g *GRPC) admit(head *h2.Head) *h2.Status {
	if err := g.guard.admit(head.Path, head.Get); err != nil {
		return frontStatus(err)
	}
	return nil
}

// open takes a call of OTLP by its headers, or refuses it.
func (g *GRPC) open(exports map[string]otlp.Signal, head *h2.Head) (h2.Call, *h2.Status) {
	signal, ok := exports[head.Path]
	if !ok {
		return nil, nil
	}
	c := &exportCall{of: g, signal: signal, encoding: head.Encoding, account: g.bodies.account(), size: -1}
	c.rest.account, c.rest.buffers = &c.account, g.buffers
	if coding, ok := g.coding(head.Encoding); !ok { // a call may say so and send it as it is
		status := c.refuse(unknownEncoding(coding))
		status.Encodings = frontEncodings
		return nil, status
	}
	return c, nil
}

// slow is for calls that bring their message more slowly than pacedReader allows.
func (g *GRPC) slow(bytes int64, after time.Duration) *h2.Status {
	if after < patience(g.grace, bytes) {
		return nil
	}
	return frontStatus(tooSlow())
}

// exportCall is a request on its way in: its message with the prefix in one buffer, or a
// compressed one in pieces.
type exportCall struct {
	of       *GRPC
	signal   otlp.Signal
	encoding string
	account  account
	message  *body
	rest     pieces

	filling int   // bytes that are being filled
	came    int64 // bytes that are there
	packed  bool
	size    int64 // of the message, -1 before its prefix is there
}

// Room pays for n bytes more.
func (c *exportCall) Room(n int) ([]byte, *h2.Status) {
	c.filling = n
	var room []byte
	var err error
	switch {
	case c.packed:
		room, err = c.rest.room(n)
	case c.message == nil:
		c.message = c.of.bodies.get(&c.account)
		fallthrough
	default:
		room, err = c.message.room(n)
	}
	if err != nil {
		return nil, c.refuse(err)
	}
	return room, nil
}

// Came looks at the prefix as soon as it is there.
func (c *exportCall) Came() *h2.Status {
	c.came += int64(c.filling)
	if !c.packed {
		c.message.data = c.message.data[:c.came]
	}
	if err := c.check(); err != nil {
		return c.refuse(err)
	}
	return nil
}

func (c *exportCall) check() error {
	if c.size < 0 && c.came >= prefixBytes {
		var err error
		if c.packed, c.size, err = announced([prefixBytes]byte(c.message.data), c.of.bodies.limit); err != nil {
			return err
		}
		if c.packed {
			if err := c.repack(); err != nil {
				return err
			}
		}
	}
	if c.size >= 0 && c.came > prefixBytes+c.size {
		return fault.New(fault.Invalid, "receive", "the call has more than one message")
	}
	return nil
}

// repack moves the begin of a compressed message to the rest of it.
func (c *exportCall) repack() error {
	begin := c.message.data[prefixBytes:]
	room, err := c.rest.room(min(len(begin), frameBytes))
	if err != nil {
		return err
	}
	copy(room, begin)
	c.message.free()
	c.message = nil
	return nil
}

// End hands the message to the acceptor.
func (c *exportCall) End(ctx context.Context) *h2.Status {
	err := c.accept(ctx)
	if partial, ok := errors.AsType[*fault.PartialError](err); ok {
		return &h2.Status{Answer: partialResponse(partial)}
	}
	if err != nil {
		return c.refuse(err)
	}
	return nil
}

func (c *exportCall) accept(ctx context.Context) (err error) {
	g, op := c.of, "receive "+c.signal.String()+" over gRPC"
	defer func() {
		if value := recover(); value != nil {
			err = panicked(g.logger, op, value)
		}
	}()
	if g.draining.Err() != nil {
		return closing(op)
	}
	if c.size < 0 || c.came < prefixBytes+c.size {
		return fault.New(fault.Invalid, "receive", "the call ended before its message did")
	}
	if !c.packed {
		return g.acceptor.Accept(ctx, c.signal, c.message.data[prefixBytes:])
	}
	b := g.bodies.get(&c.account)
	defer b.free()
	if err := g.unpack(b, c.encoding, c.size == 0, &c.rest); err != nil {
		return err
	}
	return g.acceptor.Accept(ctx, c.signal, b.data)
}

// Close gives the memory back.
func (c *exportCall) Close() {
	if c.message != nil {
		c.message.free()
	}
	c.rest.free()
	c.account.close()
}

func (c *exportCall) refuse(err error) *h2.Status {
	c.of.acceptor.Refused(c.signal, kindOf(err))
	return frontStatus(err)
}

// frontStatus is statusOf in the words of h2.
func frontStatus(err error) *h2.Status {
	s := statusOf(err)
	status := &h2.Status{Code: uint32(s.Code()), Message: s.Message()}
	if len(s.Proto().GetDetails()) > 0 {
		status.Details, _ = proto.Marshal(s.Proto()) // of types that we made
	}
	return status
}
