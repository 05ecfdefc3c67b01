package forward

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // the receivers of tests inflate it
	"google.golang.org/grpc/mem"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request is one of a signal with a resource, a scope and items that carry ids. For metrics each item is
// a data point of one gauge.
func request(s otlp.Signal, ids ...uint64) []byte {
	var items []byte
	for _, id := range ids {
		item := wire.AppendFixed64(nil, 2, id) // whatever that is
		field := uint32(2)
		if s == otlp.Metrics {
			field = 1
		}
		items = wire.AppendBytes(items, field, item)
	}
	if s == otlp.Metrics {
		metric := wire.AppendBytes(wire.AppendBytes(nil, 1, "name"), 5, items)
		items = wire.AppendBytes(nil, 2, metric)
	}
	scope := append(wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, "scope")), items...)
	resource := wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 1, "resource")))
	resource = wire.AppendBytes(wire.AppendBytes(resource, 2, scope), 3, "schema")
	return wire.AppendBytes(nil, 1, resource)
}

// idsOf are the ids in a request's items, in their order. Each must have its resource, scope and metric.
func idsOf(s otlp.Signal, body []byte) (ids []uint64) {
	var walk func(below []level, message []byte)
	walk = func(below []level, message []byte) {
		for c := wire.NewCursor(message); c.Next(); {
			switch {
			case !below[0].holds(&c):
			case len(below) > 1:
				walk(below[1:], c.Bytes())
			default:
				ids = append(ids, binary.LittleEndian.Uint64(c.Bytes()[1:]))
			}
		}
	}
	walk(levels[s], body)
	return ids
}

// peer is an OTLP receiver of a test.
type peer struct {
	address string
	server  *grpc.Server

	mu     sync.Mutex // guards what follows
	answer func(s otlp.Signal, body []byte) error
	reply  []byte // of a success
	calls  int
	sizes  []int
	got    map[otlp.Signal][]uint64 // of what was taken
}

type peerCodec struct{}

func (peerCodec) Name() string { return "proto" }
func (peerCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (peerCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func newPeer(t testing.TB, options ...grpc.ServerOption) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	p := &peer{address: listener.Addr().String(), got: map[otlp.Signal][]uint64{}}
	p.serve(t, listener, options...)
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *peer) serve(t testing.TB, listener net.Listener, options ...grpc.ServerOption) {
	t.Helper()
	options = append(options, grpc.ForceServerCodecV2(peerCodec{}), grpc.UnknownServiceHandler(p.handle))
	server := grpc.NewServer(options...)
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go func() { _ = server.Serve(listener) }() // ends with stop
}

func (p *peer) stop() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	server.Stop()
}

// again listens at the same address after a stop.
func (p *peer) again(t testing.TB, wrap func(net.Listener) net.Listener) {
	t.Helper()
	for range 100 {
		if listener, err := net.Listen("tcp", p.address); err == nil {
			p.serve(t, wrap(listener))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the address is taken")
}

func (p *peer) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var body []byte
	if err := stream.RecvMsg(&body); err != nil {
		return err
	}
	for _, s := range otlp.Signals {
		if strings.HasPrefix(method, "/"+s.GRPCService()+"/Export") {
			return p.take(stream, s, body)
		}
	}
	return fmt.Errorf("no method %s", method)
}

func (p *peer) take(stream grpc.ServerStream, s otlp.Signal, body []byte) error {
	p.mu.Lock()
	answer := p.answer
	p.calls++
	p.sizes = append(p.sizes, len(body))
	p.mu.Unlock()
	if answer != nil {
		if err := answer(s, body); err != nil {
			return err
		}
	}
	return stream.SendMsg(p.keep(s, body))
}

// keep notes what is in a request, and gives the reply.
func (p *peer) keep(s otlp.Signal, body []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got[s] = append(p.got[s], idsOf(s, body)...)
	return p.reply
}

func (p *peer) respond(answer func(s otlp.Signal, body []byte) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *peer) ids(s otlp.Signal) []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got[s])
}

// logText is a log that is looked at.
type logText struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is a journal with a stage.
type rig struct {
	t       testing.TB
	root    string
	writer  string
	journal *journal.Journal
	stage   *Stage
	log     *logText
}

// quick is a destination that is tried again at once.
func quick(name string, p *peer) Config {
	c := Default()
	c.Name, c.Endpoint, c.TLS.Insecure = name, p.address, true
	c.RetryOnFailure.InitialInterval, c.RetryOnFailure.MaxInterval = Duration(5*time.Millisecond), Duration(20*time.Millisecond)
	c.CircuitBreaker.Open = Duration(30 * time.Millisecond)
	c.Batch.FlushInterval = Duration(time.Millisecond)
	return c
}

const rigQueue = 4 << 20

func newRig(t testing.TB, root, writer string, all ...Config) *rig {
	t.Helper()
	r := &rig{t: t, root: root, writer: writer, log: &logText{}}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	var err error
	o := Options{Disk: fsys.OS{}, Root: root, Writer: writer, Mode: 0o600, Log: log, Now: time.Now}
	r.stage, err = New(o, "forwarding", all, rigQueue)
	noError(t, err)
	r.journal, err = journal.Create(fsys.OS{}, filepath.Join(root, writer), journal.Config{MaxBytes: rigQueue, SegmentBytes: 64 << 10, Recent: 100_000}, log)
	noError(t, err)
	t.Cleanup(func() { _ = r.journal.Close() })
	t.Cleanup(func() { r.stage.Shutdown(expired()) })
	return r
}

func (r *rig) start() *rig {
	r.t.Helper()
	noError(r.t, r.stage.Start(FromJournal(r.journal)))
	return r
}

// expired is a ctx that gives no time.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// put appends a request of a signal as ingest does, and releases it as files do.
func (r *rig) put(s otlp.Signal, ids ...uint64) {
	r.t.Helper()
	r.putBody(s, len(ids), request(s, ids...))
}

func (r *rig) putBody(s otlp.Signal, items int, body []byte) {
	r.t.Helper()
	_, err := r.journal.Append(s, items, body)
	noError(r.t, err)
	r.journal.Release(r.journal.Next())
}

func (r *rig) stats(name string, s otlp.Signal) Stats {
	for _, one := range r.stage.Stats() {
		if one.Destination == name && one.Signal == s {
			return one
		}
	}
	r.t.Fatalf("no stats of %s", name)
	return Stats{}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

func sequence(from, to uint64) (ids []uint64) {
	for id := from; id <= to; id++ {
		ids = append(ids, id)
	}
	return ids
}

// adoptAs reads a dead writer's journal as node does.
func (r *rig) adopt(writer string) bool {
	r.t.Helper()
	dir := filepath.Join(r.root, writer)
	in, err := NewInventory(fsys.OS{}, dir, r.stage.Log)
	noError(r.t, err)
	reader, err := journal.Open(fsys.OS{}, dir, r.stage.Log)
	noError(r.t, err)
	noted := in.Over(reader)
	for {
		if _, err := noted.Next(); errors.Is(err, io.EOF) {
			break
		}
		noError(r.t, err)
	}
	gone := func() error {
		if err := reader.Remove(); err != nil {
			return err
		}
		return RemoveCursors(fsys.OS{}, r.root, writer)
	}
	if r.stage.Adopt(in, reader, gone) {
		return true
	}
	noError(r.t, gone())
	return false
}
