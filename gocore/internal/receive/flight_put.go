package receive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"google.golang.org/grpc"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// put is one client's DoPut.
type put struct {
	of      *flightService
	answers grpc.ServerStream
	acks    *acks
	signal  otlp.Signal
	first   *flight.Data // which had the descriptor
	current held         // the message in work
	turn
}

func newPut(f *flightService, answers grpc.ServerStream, stream transportStream) *put {
	return &put{of: f, answers: answers, acks: newAcks(answers, stream), signal: otlp.Count, turn: turn{op: "DoPut", stream: stream}}
}

// Next is of flight.Source.
func (p *put) Next() (flight.Data, error) {
	if p.first != nil {
		first := *p.first
		p.first = nil
		return first, nil
	}
	p.current.free()
	if p.end() {
		return flight.Data{}, closing(p.op)
	}
	prefix, err := nextPrefix(p.stream, p.op)
	if err != nil {
		return flight.Data{}, err
	}
	if p.current, err = p.of.of.message(p.stream, prefix, p.of.of.bodies); err != nil {
		return flight.Data{}, err
	}
	if !p.begin() {
		return flight.Data{}, closing(p.op)
	}
	return flight.ParseData(p.current.data)
}

// run takes all batches; io.EOF is the client's end.
func (p *put) run() (err error) {
	defer func() {
		if err != nil && !errors.Is(err, io.EOF) && p.current.in != nil { // else the client is gone, or the node goes
			p.of.acceptor.Refused(p.signal, kindOf(err))
		}
	}()
	if err := p.describe(); err != nil {
		return err
	}
	g := p.of.of
	u := flight.NewUpload(p.signal, p, flight.Limits{StreamBytes: 2 * g.limits.MaxRequestBytes, BatchBytes: g.limits.MaxRequestBytes}, inflight{g.bodies.admission})
	defer u.Close()
	if _, err := u.Schema(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		batch, err := u.Next()
		if err == nil {
			err = p.accept(batch)
		}
		if err != nil {
			return numbered(n, err)
		}
		p.acks.add(ack{n, batch.NumRows()})
	}
}

// describe reads the first message, which says what comes.
func (p *put) describe() error {
	first, err := p.Next()
	if err != nil {
		return err
	}
	p.first = &first
	selection, err := selectionOf(first.Descriptor)
	if err != nil {
		return err
	}
	if !selection.Whole() {
		return fault.New(fault.Invalid, p.op, "a descriptor that selects: want only the signal")
	}
	p.signal = selection.Signal
	return nil
}

// accept makes requests of a batch, one where it is not too large.
func (p *put) accept(batch arrow.RecordBatch) error {
	for from := 0; from < int(batch.NumRows()); {
		rows, bytes, err := flight.Part(batch, from, p.of.of.limits.MaxRequestBytes)
		if err == nil {
			err = p.acceptPart(batch, from, from+rows, bytes)
		}
		if err != nil && from > 0 {
			return placed(fmt.Sprintf("after %d rows of it were accepted", from), err)
		}
		if err != nil {
			return err
		}
		from += rows
	}
	return nil
}

func (p *put) acceptPart(batch arrow.RecordBatch, from, to int, bytes int64) error {
	account := p.of.of.bodies.account()
	defer account.close()
	b := p.of.of.bodies.get(&account)
	defer b.free()
	if err := b.charge(bytes); err != nil { // before it is there
		return err
	}
	part := batch.NewSlice(int64(from), int64(to))
	defer part.Release()
	var err error
	if b.data, err = encode.Batch(b.data[:0], p.signal, part); err != nil {
		return err
	}
	if err := b.charge(int64(len(b.data))); err != nil {
		return err
	}
	return p.of.acceptor.Accept(p.answers.Context(), p.signal, b.data)
}

// numbered says which batch an error is of, counted from 0.
func numbered(n int, err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return placed(fmt.Sprintf("batch %d", n), err)
}

// placed is an error with a place before it.
func placed(place string, err error) error {
	whole := &fault.Error{Kind: kindOf(err), Op: place, Err: err, RetryAfter: fault.RetryAfterOf(err)}
	if inner, ok := errors.AsType[*fault.Error](err); ok {
		whole.Field = inner.Field
		whole.Err = &fault.Error{Kind: inner.Kind, Op: inner.Op, Err: inner.Err}
	}
	return whole
}

// ack says that a batch, counted from 0, was accepted.
type ack struct {
	Batch int   `json:"batch"`
	Rows  int64 `json:"rows"`
}

// acks sends them in their order. Clients need not read them before they have sent everything,
// and gRPC has room for some thousand, so those beyond wait here.
type acks struct {
	answers grpc.ServerStream
	stream  transportStream
	wake    chan struct{}
	done    chan struct{}

	mu      sync.Mutex // guards the fields below
	waiting []ack
	closed  bool
	failed  error
}

func newAcks(answers grpc.ServerStream, stream transportStream) *acks {
	a := &acks{answers: answers, stream: stream, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go a.run()
	return a
}

func (a *acks) add(one ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, one)
	a.wakeUp()
}

func (a *acks) wakeUp() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *acks) take() (all []ack, closed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, a.waiting = a.waiting, nil
	return all, a.closed
}

func (a *acks) run() {
	defer close(a.done)
	for {
		all, closed := a.take()
		for _, one := range all {
			text, _ := json.Marshal(one) // numbers cannot fail
			if err := a.answers.SendMsg(encoded(flight.AppendResult(nil, text))); err != nil {
				a.mu.Lock()
				a.failed = &fault.Error{Kind: fault.Timeout, Op: "DoPut", Err: err}
				a.mu.Unlock()
				return
			}
		}
		if closed && len(all) == 0 {
			return
		}
		if len(all) == 0 {
			<-a.wake
		}
	}
}

// close waits until all are sent, which a client that does not read them must not hold up.
func (a *acks) close(grace time.Duration) error {
	a.mu.Lock()
	a.closed = true
	a.wakeUp()
	a.mu.Unlock()
	defer watchFor(fault.New(fault.Timeout, "DoPut", "the client does not read the results"), a.stream, grace, 0).stop()
	<-a.done
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}
