package receive

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// Arrow Flight beside OTAP:
//
//	GetFlightInfo, GetSchema, ListFlights ─> Tables.Schema
//	DoGet                                 ─> Tables.Read ─> reading ─> FlightData ...
//	DoPut  FlightData ... ─> Upload ─> encode ─> Acceptor ─> PutResult for each batch
//	Handshake                             ─> the key that was shown, as a token

// Tables reads the tables.
type Tables interface {
	// Schema is the message of the schema that Read gives, with its framing.
	Schema(ctx context.Context, s flight.Selection) ([]byte, error)
	// Read gives what a selection asks for to a sink.
	Read(ctx context.Context, s flight.Selection, to flight.Sink) error
}

// Reads is told what is read over Flight.
type Reads interface {
	// Read tells that a call for a signal's rows ended, and how many bytes it was sent.
	Read(signal otlp.Signal, bytes int64, err error)
}

// flightService is Arrow Flight on a gRPC receiver.
type flightService struct {
	of       *GRPC
	acceptor Acceptor
	tables   Tables
	reads    Reads
	reading  *readBudget
}

// AddFlight has Arrow Flight served as well; it is called before Listen.
func (g *GRPC) AddFlight(acceptor Acceptor, tables Tables, reads Reads) {
	g.flight = &flightService{of: g, acceptor: acceptor, tables: tables, reads: reads, reading: newReadBudget(g.limits.MaxInflightBytes)}
}

func (f *flightService) register(server *grpc.Server) {
	unary := func(name string, answer func(ctx context.Context, message []byte) (encoded, error)) grpc.MethodDesc {
		return grpc.MethodDesc{MethodName: name, Handler: f.unary(name, answer)}
	}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: flight.Service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{unary("GetFlightInfo", f.getInfo), unary("GetSchema", f.getSchema)},
		Streams: []grpc.StreamDesc{
			{StreamName: "Handshake", ServerStreams: true, ClientStreams: true, Handler: f.stream("Handshake", f.handshake)},
			{StreamName: "ListFlights", ServerStreams: true, Handler: f.stream("ListFlights", f.listFlights)},
			{StreamName: "DoGet", ServerStreams: true, Handler: f.stream("DoGet", f.doGet)},
			{StreamName: "DoPut", ServerStreams: true, ClientStreams: true, Handler: f.stream("DoPut", f.doPut)},
		},
	}, f)
}

// unary is a method with one message each way.
func (f *flightService) unary(name string, answer func(ctx context.Context, message []byte) (encoded, error)) grpc.MethodHandler {
	return func(_ any, ctx context.Context, _ func(any) error, _ grpc.UnaryServerInterceptor) (result any, err error) {
		identity(ctx)
		err = f.guarded(name, func() error {
			if f.of.draining.Err() != nil {
				return closing(name)
			}
			stream, err := streamOf(ctx)
			if err != nil {
				return err
			}
			message, err := f.of.ask(stream, name)
			if err == nil {
				result, err = answer(ctx, message)
			}
			return err
		})
		if err != nil {
			return nil, statusOf(err).Err()
		}
		return result, nil
	}
}

// stream is a method that sends or takes a stream.
func (f *flightService) stream(name string, serve func(grpc.ServerStream, transportStream) error) grpc.StreamHandler {
	return func(_ any, answers grpc.ServerStream) error {
		stream, err := streamOf(answers.Context())
		if err == nil {
			err = f.guarded(name, func() error { return serve(answers, stream) })
		}
		if err != nil {
			return statusOf(err).Err()
		}
		return nil
	}
}

func (f *flightService) guarded(op string, serve func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(f.of.logger, op, value)
		}
	}()
	return serve()
}

// selectionOf is what a FlightDescriptor asks for.
func selectionOf(descriptor []byte) (flight.Selection, error) {
	d, err := flight.ParseDescriptor(descriptor)
	if err != nil {
		return flight.Selection{}, err
	}
	return d.Selection()
}

func (f *flightService) getInfo(ctx context.Context, message []byte) (encoded, error) {
	selection, err := selectionOf(message)
	if err != nil {
		return nil, err
	}
	return f.info(ctx, selection, message)
}

func (f *flightService) info(ctx context.Context, s flight.Selection, descriptor []byte) (encoded, error) {
	schema, err := f.tables.Schema(ctx, s)
	if err != nil {
		return nil, err
	}
	return flight.AppendInfo(nil, schema, descriptor, s.Ticket()), nil
}

func (f *flightService) getSchema(ctx context.Context, message []byte) (encoded, error) {
	selection, err := selectionOf(message)
	if err != nil {
		return nil, err
	}
	schema, err := f.tables.Schema(ctx, selection)
	return flight.AppendResult(nil, schema), err
}

// listFlights lists the three tables; criteria are not looked at.
func (f *flightService) listFlights(answers grpc.ServerStream, stream transportStream) error {
	if _, err := f.of.ask(stream, "ListFlights"); err != nil {
		return err
	}
	for _, signal := range otlp.Signals {
		info, err := f.info(answers.Context(), flight.Selection{Signal: signal}, flight.AppendPath(nil, signal.String()))
		if err != nil {
			return err
		}
		if err := answers.SendMsg(info); err != nil {
			return &fault.Error{Kind: fault.Timeout, Op: "ListFlights", Err: err}
		}
	}
	return nil
}

// handshakeMethod needs no key in its headers: it may bring it in its message.
const handshakeMethod = "/" + flight.Service + "/Handshake"

// flightTokenHeader is where clients put what Handshake gave them.
const flightTokenHeader = "auth-token-bin"

// anyone is the token where no key is asked for.
const anyone = "anyone"

// handshake takes a key in one of the ways that clients have, and gives it back as their token:
//
//	authorization: Basic ...   ─> authorization: Bearer KEY
//	a message with BasicAuth   ─> a message, KEY, which comes as auth-token-bin then
//	           or only the key
func (f *flightService) handshake(answers grpc.ServerStream, stream transportStream) error {
	header, _ := metadata.FromIncomingContext(answers.Context())
	if authorization := first(header, secure.AuthorizationHeader); authorization != "" {
		if err := f.known(authorization, ""); err != nil {
			return err
		}
		if password := secure.Password(authorization); f.of.guard.keys == nil {
			authorization = "Bearer " + anyone
		} else if password != "" {
			authorization = "Bearer " + password
		}
		return answers.SetHeader(metadata.Pairs(secure.AuthorizationHeader, authorization))
	}
	message, err := f.of.ask(stream, "Handshake")
	if err != nil {
		return err
	}
	payload, err := flight.ParseHandshake(message)
	if err != nil {
		return err
	}
	key := flight.Password(payload)
	if err := f.known("", key); err != nil {
		return err
	}
	return answers.SendMsg(encoded(flight.AppendHandshake(nil, []byte(key))))
}

func (f *flightService) known(authorization, key string) error {
	if f.of.guard.keys == nil {
		return nil
	}
	return f.of.guard.keys.CheckAny("", authorization, key)
}

// doGet sends the rows that a ticket asks for.
func (f *flightService) doGet(answers grpc.ServerStream, stream transportStream) error {
	message, err := f.of.ask(stream, "DoGet")
	if err != nil {
		return err
	}
	ticket, err := flight.ParseTicket(message)
	if err != nil {
		return err
	}
	selection, err := flight.ParseSelection(ticket)
	if err != nil {
		return err
	}
	out := &sending{of: f, answers: answers, stream: stream, idle: make(chan struct{}, 1), costs: map[*[]byte]int64{}}
	defer out.close()
	if err = f.tables.Read(answers.Context(), selection, out); err == nil {
		err = out.drain(answers.Context())
	}
	f.reads.Read(selection.Signal, out.sent, err)
	return err
}

// doPut takes batches.
func (f *flightService) doPut(answers grpc.ServerStream, stream transportStream) (err error) {
	p := newPut(f, answers, stream)
	defer context.AfterFunc(f.of.draining, p.finish)()
	defer p.current.free()
	defer func() {
		if failed := p.acks.close(f.of.grace); err == nil {
			err = failed
		}
	}()
	if err = p.run(); errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}
