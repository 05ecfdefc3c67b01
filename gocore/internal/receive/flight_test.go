package receive

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	arrowflight "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// tables is a fake of the tables: it gives messages of one size, so many of them, and keeps what
// was asked for.
type tables struct {
	messages, size int
	fail           error

	mu    sync.Mutex // guards the fields below
	asked []flight.Selection
	ended []error
	bytes int64
}

func (f *tables) Schema(_ context.Context, s flight.Selection) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, s)
	var out bytes.Buffer
	err := ipc.NewWriter(&out, ipc.WithSchema(schema.Of(s.Signal))).Close()
	return out.Bytes(), errors.Join(err, f.fail)
}

func (f *tables) Read(ctx context.Context, s flight.Selection, to flight.Sink) error {
	message, err := f.Schema(ctx, s)
	if err == nil {
		err = to.Schema(message)
	}
	for i := 0; i < f.messages && err == nil; i++ {
		var frames []*flight.Frame
		if frames, err = to.Room(ctx, flight.Size{Head: 8, Body: f.size}, flight.Size{Head: 8, Body: f.size}); err != nil {
			break
		}
		to.Drop(frames[1])
		frames[0].Head[0], frames[0].Body[f.size-1] = byte(i), byte(i)
		err = to.Send(frames[0])
	}
	return err
}

// reads is told what was read.
func (f *tables) told(_ otlp.Signal, bytes int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended, f.bytes = append(f.ended, err), f.bytes+bytes
}

// wait gives how the first read ended.
func (f *tables) wait(t *testing.T) error {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		f.mu.Lock()
		ended := f.ended
		f.mu.Unlock()
		if len(ended) > 0 {
			return ended[0]
		}
	}
	t.Fatal("the read does not end")
	return nil
}

type readsOf struct{ *tables }

func (r readsOf) Read(s otlp.Signal, bytes int64, err error) { r.told(s, bytes, err) }

// flightRig is an Arrow port and a reference client of it.
type flightRig struct {
	*GRPC
	fake      *fake
	tables    *tables
	admission *Admission
	client    arrowflight.FlightServiceClient
}

func startFlight(t *testing.T, given *tables, limits Limits, auth secure.KeyConfig, options ...grpc.DialOption) *flightRig {
	t.Helper()
	config := DefaultArrow()
	config.Endpoint.Endpoint, config.Endpoint.Auth = "127.0.0.1:0", auth
	rig := &flightRig{fake: &fake{}, tables: given, admission: NewAdmission(limits.MaxInflightBytes)}
	rig.GRPC = NewArrow(config, limits, rig.admission, rig.fake, quiet())
	rig.AddFlight(rig.fake, given, readsOf{given})
	if err := rig.Listen(); err != nil {
		t.Fatal(err)
	}
	rig.Serve()
	conn, err := grpc.NewClient(rig.Addr(), append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	rig.client = arrowflight.NewFlightServiceClient(conn)
	t.Cleanup(func() {
		_ = conn.Close()
		shutDown(t, rig)
		expectFree(t, rig.admission)
		rig.expectRoom(t)
	})
	return rig
}

// expectRoom looks whether all memory of reads came back.
func (r *flightRig) expectRoom(t *testing.T) {
	t.Helper()
	budget := r.flight.reading
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := budget.room.Acquire(ctx, budget.limit); err != nil {
		t.Error("a read did not give its memory back")
		return
	}
	budget.room.Release(budget.limit)
}

func (r *flightRig) get(t *testing.T, ctx context.Context, ticket string) arrowflight.FlightService_DoGetClient {
	t.Helper()
	stream, err := r.client.DoGet(ctx, &arrowflight.Ticket{Ticket: []byte(ticket)})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func expectTold(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %v with %q", err, code, text)
	}
}

// TestFlightGet: messages come whole and in order, also where all of the budget is less than one.
func TestFlightGet(t *testing.T) {
	for name, c := range map[string]struct {
		size   int
		limits Limits
	}{
		"small": {100, testLimits()},
		"large": {3 << 20, Limits{MaxRequestBytes: 1 << 10, MaxInflightBytes: 2 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			rig := startFlight(t, &tables{messages: 20, size: c.size}, c.limits, secure.KeyConfig{})
			stream := rig.get(t, t.Context(), `{"signal": "logs", "service": "shop"}`)
			first, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if of, err := arrowflight.DeserializeSchema(framedSchema(first.DataHeader), nil); err != nil || !of.Equal(schema.Of(otlp.Logs)) {
				t.Errorf("%v: %v", of, err)
			}
			for i := range 20 {
				d, err := stream.Recv()
				if err != nil || len(d.DataHeader) != 8 || d.DataHeader[0] != byte(i) || len(d.DataBody) != c.size || d.DataBody[c.size-1] != byte(i) {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("%v", err)
			}
			if err := rig.tables.wait(t); err != nil || rig.tables.bytes < int64(20*c.size) {
				t.Errorf("%d bytes, %v", rig.tables.bytes, err)
			}
			if asked := rig.tables.asked[0]; asked.Signal != otlp.Logs || asked.Services[0] != "shop" {
				t.Errorf("%+v", asked)
			}
		})
	}
}

// framedSchema is a schema message as in a stream.
func framedSchema(head []byte) []byte {
	n := len(head)
	return append([]byte{0xff, 0xff, 0xff, 0xff, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, head...)
}

func TestFlightGetErrors(t *testing.T) {
	rig := startFlight(t, &tables{fail: fault.New(fault.IO, "read", "the disk is gone")}, testLimits(), secure.KeyConfig{})
	for ticket, want := range map[string]struct {
		code codes.Code
		text string
	}{
		"spans":                    {codes.InvalidArgument, `"spans"`},
		"logs":                     {codes.Unavailable, "the disk is gone"},
		strings.Repeat("x", 1<<17): {codes.ResourceExhausted, "more than 65536"},
	} {
		_, err := rig.get(t, t.Context(), ticket).Recv()
		expectTold(t, err, want.code, want.text)
	}
	if _, err := rig.client.GetSchema(t.Context(), &arrowflight.FlightDescriptor{Path: []string{"logs"}, Type: arrowflight.DescriptorPATH}); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
	list, err := rig.client.ListFlights(t.Context(), &arrowflight.Criteria{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = list.Recv()
	expectTold(t, err, codes.Unavailable, "the disk is gone")
	exchange, err := rig.client.DoExchange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = exchange.Recv()
	expectTold(t, err, codes.Unimplemented, "")
}

// TestFlightAskSlowly: who is asked for a key or a ticket and does not send it is not waited for.
func TestFlightAskSlowly(t *testing.T) {
	rig := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{})
	rig.grace = time.Millisecond
	stream, err := rig.client.Handshake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	expectTold(t, err, codes.DeadlineExceeded, "too slowly")
	rig.grace = bodyGrace
	packed, err := rig.client.DoGet(t.Context(), &arrowflight.Ticket{Ticket: make([]byte, 1<<20)}, grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	_, err = packed.Recv()
	expectTold(t, err, codes.ResourceExhausted, "more than 65536 bytes")
}

// TestFlightCancel: a client that goes away halfway ends the read and gives its memory back.
func TestFlightCancel(t *testing.T) {
	rig := startFlight(t, &tables{messages: 1 << 30, size: 1 << 20}, testLimits(), secure.KeyConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	stream := rig.get(t, ctx, "traces")
	for range 5 {
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := rig.tables.wait(t); fault.KindOf(err) != fault.Timeout {
		t.Errorf("%v", err)
	}
	rig.expectRoom(t)
}

// TestFlightSlowReader: a client that reads nothing is not waited for without end.
func TestFlightSlowReader(t *testing.T) {
	rig := startFlight(t, &tables{messages: 1 << 30, size: 16 << 10}, testLimits(), secure.KeyConfig{}, grpc.WithStaticStreamWindowSize(64<<10))
	rig.grace = 10 * time.Millisecond
	rig.get(t, t.Context(), "traces")
	if err := rig.tables.wait(t); fault.KindOf(err) != fault.Timeout {
		t.Errorf("%v", err)
	}
	rig.expectRoom(t)
}

// TestFlightShutdown: what goes on ends as a refusal that may be tried again.
func TestFlightShutdown(t *testing.T) {
	rig := startFlight(t, &tables{messages: 1 << 30, size: 1 << 10}, testLimits(), secure.KeyConfig{})
	stream := rig.get(t, t.Context(), "traces")
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	put, err := rig.client.DoPut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := put.Send(&arrowflight.FlightData{FlightDescriptor: pathOf("logs")}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		var err error
		for err == nil {
			_, err = stream.Recv()
		}
		ended <- err
	}()
	shutDown(t, rig)
	expectTold(t, <-ended, codes.Unavailable, "shutting down")
	_, err = put.Recv()
	expectTold(t, err, codes.Unavailable, "shutting down")
	_, err = rig.client.GetSchema(t.Context(), pathOf("logs"))
	expectTold(t, err, codes.Unavailable, "")
}

func pathOf(path ...string) *arrowflight.FlightDescriptor {
	return &arrowflight.FlightDescriptor{Type: arrowflight.DescriptorPATH, Path: path}
}

func TestFlightInfo(t *testing.T) {
	rig := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{})
	list, err := rig.client.ListFlights(t.Context(), &arrowflight.Criteria{})
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range otlp.Signals {
		info, err := list.Recv()
		if err != nil {
			t.Fatal(err)
		}
		of, err := arrowflight.DeserializeSchema(info.Schema, nil)
		if err != nil || !of.Equal(schema.Of(signal)) || info.FlightDescriptor.Path[0] != signal.String() || string(info.Endpoint[0].Ticket.Ticket) != signal.String() {
			t.Errorf("%v: %v", info, err)
		}
	}
	if _, err := list.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	command := &arrowflight.FlightDescriptor{Type: arrowflight.DescriptorCMD, Cmd: []byte(`{"signal":"logs",  "columns":["body"]}`)}
	info, err := rig.client.GetFlightInfo(t.Context(), command, grpc.UseCompressor(gzip.Name))
	if err != nil || string(info.Endpoint[0].Ticket.Ticket) != `{"signal":"logs","columns":["body"]}` || len(info.Endpoint[0].Location) != 0 ||
		!bytes.Equal(info.FlightDescriptor.Cmd, command.Cmd) {
		t.Errorf("%v: %v", info, err)
	}
	got, err := rig.client.GetSchema(t.Context(), pathOf("metrics"))
	if err != nil {
		t.Fatal(err)
	}
	if of, err := arrowflight.DeserializeSchema(got.Schema, nil); err != nil || !of.Equal(schema.Of(otlp.Metrics)) {
		t.Errorf("%v: %v", of, err)
	}
	for _, bad := range []*arrowflight.FlightDescriptor{{}, pathOf(), pathOf("a", "b"), {Type: arrowflight.DescriptorCMD, Cmd: []byte("{")}} {
		if _, err := rig.client.GetFlightInfo(t.Context(), bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
		if _, err := rig.client.GetSchema(t.Context(), bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// --- DoPut ---

// upload is a DoPut of the reference's writer.
type upload struct {
	arrowflight.FlightService_DoPutClient
	writer *arrowflight.Writer
}

func (r *flightRig) put(t *testing.T, of *arrow.Schema, descriptor *arrowflight.FlightDescriptor, options ...grpc.CallOption) upload {
	t.Helper()
	stream, err := r.client.DoPut(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	w := arrowflight.NewRecordWriter(stream, ipc.WithSchema(of))
	w.SetFlightDescriptor(descriptor)
	return upload{stream, w}
}

func (u upload) send(t *testing.T, batch arrow.RecordBatch) {
	t.Helper()
	if err := u.writer.Write(batch); err != nil && !errors.Is(err, io.EOF) { // which says that the stream has ended
		t.Fatal(err)
	}
}

func (u upload) expectAck(t *testing.T, batch, rows int) {
	t.Helper()
	result, err := u.Recv()
	if want := fmt.Sprintf(`{"batch":%d,"rows":%d}`, batch, rows); err != nil || string(result.GetAppMetadata()) != want {
		t.Fatalf("%s, %v, want %s", result.GetAppMetadata(), err, want)
	}
}

func batchOf(t *testing.T, signal otlp.Signal, body []byte) arrow.RecordBatch {
	t.Helper()
	table := decode.New(signal)
	if err := table.Decode(body); err != nil {
		t.Fatal(err)
	}
	return table.Batch()
}

// TestFlightPut: a batch is one request, and acknowledged when that was accepted.
func TestFlightPut(t *testing.T) {
	rig := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{})
	maker := sample.New(1, 1)
	for _, signal := range otlp.Signals {
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
			up := rig.put(t, schema.Of(signal), pathOf(signal.String()), options...)
			for i := range 3 {
				batch := batchOf(t, signal, maker.Body(signal.String(), 20))
				up.send(t, batch)
				up.expectAck(t, i, int(batch.NumRows()))
				if got := rig.fake.take(t); got.signal != signal || len(got.body) < 1000 {
					t.Errorf("%v: %d bytes", got.signal, len(got.body))
				}
			}
			up.send(t, decode.New(signal).Batch())
			up.expectAck(t, 3, 0)
			if err := up.CloseSend(); err != nil {
				t.Fatal(err)
			}
			if _, err := up.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("%v", err)
			}
			rig.fake.expectNone(t)
		}
	}
}

// TestFlightPutUnreadAcks: a client may read what it is told only at the end.
func TestFlightPutUnreadAcks(t *testing.T) {
	rig := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{}, grpc.WithStaticStreamWindowSize(64<<10))
	up := rig.put(t, schema.Of(otlp.Logs), pathOf("logs"))
	const batches = 7000 // of 22 bytes and more, which the windows and gRPC's queue do not take
	empty := decode.New(otlp.Logs).Batch()
	for range batches {
		up.send(t, empty)
	}
	if err := up.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for i := range batches {
		up.expectAck(t, i, 0)
	}
}

// deaf is a stream whose client takes nothing, until a status ends it.
type deaf struct {
	grpc.ServerStream
	transportStream
	once  sync.Once
	ended chan struct{}
	told  *status.Status
}

func (d *deaf) SendMsg(any) error {
	<-d.ended
	return io.ErrClosedPipe
}

func (d *deaf) WriteStatus(s *status.Status) error {
	d.once.Do(func() {
		d.told = s
		close(d.ended)
	})
	return nil
}

// TestFlightDeafClient: one that never reads what it is told is not waited for without end.
func TestFlightDeafClient(t *testing.T) {
	client := &deaf{ended: make(chan struct{})}
	a := newAcks(client, client)
	a.add(ack{0, 5})
	if err := a.close(time.Millisecond); fault.KindOf(err) != fault.Timeout || client.told.Code() != codes.DeadlineExceeded {
		t.Errorf("%v, told %v", err, client.told)
	}
}

// TestFlightPutRefused: what was accepted before stays, and the error names batch and column.
func TestFlightPutRefused(t *testing.T) {
	text := arrow.BinaryTypes.String
	logs := batchOf(t, otlp.Logs, sample.New(1, 1).Body("logs", 5))
	odd := arrow.NewSchema([]arrow.Field{{Name: "body_type", Type: text}, {Name: "bodi", Type: text}}, nil)
	full := fault.New(fault.Overloaded, "accept", "the queue is full")
	for name, c := range map[string]struct {
		of         *arrow.Schema
		descriptor *arrowflight.FlightDescriptor
		answer     error
		code       codes.Code
		text       string
		kind       fault.Kind
		signal     otlp.Signal
	}{
		"path":      {schema.Of(otlp.Logs), pathOf("spans"), nil, codes.InvalidArgument, `"spans"`, fault.Invalid, otlp.Count},
		"none":      {schema.Of(otlp.Logs), nil, nil, codes.InvalidArgument, "a descriptor of type 0", fault.Invalid, otlp.Count},
		"selecting": {schema.Of(otlp.Logs), &arrowflight.FlightDescriptor{Type: arrowflight.DescriptorCMD, Cmd: []byte(`{"signal":"logs","since":1}`)}, nil, codes.InvalidArgument, "selects", fault.Invalid, otlp.Count},
		"column":    {odd, pathOf("logs"), nil, codes.InvalidArgument, "bodi: the table of logs has no such column", fault.Invalid, otlp.Logs},
		"full":      {schema.Of(otlp.Logs), pathOf("logs"), full, codes.Unavailable, "batch 0: accept: the queue is full", fault.Overloaded, otlp.Logs},
	} {
		t.Run(name, func(t *testing.T) {
			rig := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{})
			rig.fake.answerWith(failing(c.answer))
			up := rig.put(t, c.of, c.descriptor)
			if c.of != odd {
				up.send(t, logs)
			} else if err := up.writer.Close(); err != nil { // which sends the schema
				t.Fatal(err)
			}
			_, err := up.Recv()
			expectTold(t, err, c.code, c.text)
			if got := rig.fake.refused(); len(got) != 1 || got[0] != (refusal{c.signal, c.kind}) {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestFlightPutParts: a batch that is too large for one request becomes several, and who is told
// of an error learns how much was accepted.
func TestFlightPutParts(t *testing.T) {
	const rows = 2000
	rig := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{})
	batch := batchOf(t, otlp.Logs, sample.New(1, 1).Body("logs", rows))
	up := rig.put(t, batch.Schema(), pathOf("logs"))
	up.send(t, batch)
	up.expectAck(t, 0, rows)
	rig.fake.mu.Lock()
	parts := len(rig.fake.taken)
	rig.fake.mu.Unlock()
	if parts < 2 {
		t.Errorf("%d requests", parts)
	}
	calls := 0
	rig.fake.answerWith(func(context.Context) error {
		if calls++; calls > 1 {
			return fault.New(fault.Overloaded, "accept", "the queue is full")
		}
		return nil
	})
	up.send(t, batch)
	_, err := up.Recv()
	expectTold(t, err, codes.Unavailable, "batch 1: after ")
	expectTold(t, err, codes.Unavailable, "rows of it were accepted: accept: the queue is full")
}

// --- keys ---

func TestFlightKeys(t *testing.T) {
	auth := secure.KeyConfig{APIKeys: []secure.Secret{secure.NewSecret("api")}, BearerTokens: []secure.Secret{secure.NewSecret("token")}}
	rig := startFlight(t, &tables{}, testLimits(), auth)
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	for _, c := range []struct {
		name, value string
		code        codes.Code
		text        string
	}{
		{"x-api-key", "api", codes.OK, ""}, {"x-api-key", "token", codes.OK, ""}, {"x-api-key", "wrong", codes.Unauthenticated, "not known here"},
		{"authorization", "Bearer token", codes.OK, ""}, {"authorization", "Bearer api", codes.OK, ""}, {"authorization", "Bearer x", codes.Unauthenticated, "not known"},
		{"authorization", basic("me:token"), codes.OK, ""}, {"authorization", basic(":api"), codes.OK, ""},
		{"authorization", basic("token:me"), codes.Unauthenticated, "not known"}, {"authorization", basic("token"), codes.Unauthenticated, "not known"},
		{"authorization", "Basic !", codes.Unauthenticated, "not known"},
		{"auth-token-bin", "token", codes.OK, ""}, {"auth-token-bin", "x", codes.Unauthenticated, "not known"},
		{"other", "token", codes.Unauthenticated, "no key was sent"},
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), c.name, c.value)
		_, err := rig.client.GetSchema(ctx, pathOf("logs"))
		expectTold(t, err, c.code, c.text)
		stream, err := rig.client.DoGet(ctx, &arrowflight.Ticket{Ticket: []byte("logs")})
		if err == nil {
			_, err = stream.Recv()
		}
		expectTold(t, err, c.code, c.text)
	}
}

// shake is a Handshake with a header or a payload, and what came of it.
func (r *flightRig) shake(t *testing.T, authorization string, payload []byte) (header string, answer []byte, err error) {
	t.Helper()
	ctx := t.Context()
	if authorization != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", authorization)
	}
	stream, err := r.client.Handshake(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if payload != nil {
		if err := stream.Send(&arrowflight.HandshakeRequest{Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	headers, _ := stream.Header()
	return first(headers, "authorization"), got.GetPayload(), err
}

func TestFlightHandshake(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:token"))
	open := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{})
	if header, _, err := open.shake(t, basic, nil); err != nil || header != "Bearer anyone" {
		t.Errorf("%q, %v", header, err)
	}
	if _, answer, err := open.shake(t, "", []byte("anything")); err != nil || string(answer) != "anything" {
		t.Errorf("%q, %v", answer, err)
	}
	rig := startFlight(t, &tables{}, testLimits(), secure.KeyConfig{BearerTokens: []secure.Secret{secure.NewSecret("token")}})
	for _, authorization := range []string{basic, "Bearer token"} {
		if header, _, err := rig.shake(t, authorization, nil); err != nil || header != "Bearer token" {
			t.Errorf("%s: %q, %v", authorization, header, err)
		}
	}
	for _, payload := range []string{"token", "\x12\x02me\x1a\x05token"} { // BasicAuth
		if _, answer, err := rig.shake(t, "", []byte(payload)); err != nil || string(answer) != "token" {
			t.Errorf("%q: %q, %v", payload, answer, err)
		}
	}
	for _, c := range []struct {
		authorization string
		payload       []byte
		code          codes.Code
	}{
		{"Bearer wrong", nil, codes.Unauthenticated}, {"Basic bWU6d3Jvbmc=", nil, codes.Unauthenticated}, {"", []byte("wrong"), codes.Unauthenticated},
		{"", []byte{}, codes.Unauthenticated}, {"", nil, codes.InvalidArgument}, {"", make([]byte, 100<<10), codes.ResourceExhausted},
	} {
		_, _, err := rig.shake(t, c.authorization, c.payload)
		expectTold(t, err, c.code, "")
	}
}
