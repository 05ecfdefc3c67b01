package receive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/h2"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Where the receivers' settings stand.
const (
	grpcSection  = "otlp_grpc"
	arrowSection = "arrow"
)

// What a connection may cost. Windows of a fixed size spare the pings that measure
// a link, and bound what it holds of half-sent calls; the read buffer saves syscalls.
const (
	streamWindow   = 1 << 20
	connWindow     = 2 << 20
	readBuffer     = 256 << 10
	headerBytes    = 64 << 10
	healthBytes    = 4 << 10 // a message to the health service, which nobody needs a key for
	handshakeLimit = 10 * time.Second
)

// Dead peers are noticed within two minutes; clients may ping often, and without calls.
const (
	pingAfter   = 90 * time.Second
	pingTimeout = 20 * time.Second
	pingMinTime = 5 * time.Second
)

// GRPC is the OTLP/gRPC receiver.
type GRPC struct {
	section  string // where its settings stand
	config   GRPCConfig
	limits   Limits
	acceptor Acceptor       // of OTLP; nil on the Arrow port
	arrow    Acceptor       // of OTAP; nil where it is not served
	flight   *flightService // nil where it is not served
	logger   *slog.Logger
	bodies   *bodies
	buffers  *buffers
	inflater *inflater
	zstd     *zstdCompressor
	clock    func() time.Time
	apart    bool
	grace    time.Duration // for a message to come, before its pace counts

	draining context.Context // ends when Shutdown begins
	drain    context.CancelFunc
	serving  sync.WaitGroup

	mu sync.Mutex // guards the fields below
	// listener is nil before Listen, and server before Serve. The guard stays as it is after Listen.
	listener *handshakes
	guard    guard
	server   *grpc.Server
	first    *h2.Server // stands before server for OTLP
	health   *health.Server
	away     bool // SetServing(false) was called last
}

// NewGRPC makes a receiver that is not bound yet; admission is the node's one budget.
func NewGRPC(config GRPCConfig, limits Limits, admission *Admission, acceptor Acceptor, logger *slog.Logger) *GRPC {
	g := &GRPC{
		section:  grpcSection,
		config:   config,
		limits:   limits,
		acceptor: acceptor,
		logger:   logger,
		bodies:   &bodies{admission: admission, limit: limits.MaxRequestBytes},
		buffers:  &buffers{},
		inflater: newInflater(),
		zstd:     sharedZstd(),
		clock:    time.Now,
		grace:    bodyGrace,
	}
	g.draining, g.drain = context.WithCancel(context.Background())
	return g
}

// NewArrow makes a receiver of OTAP, without OTLP.
func NewArrow(config GRPCConfig, limits Limits, admission *Admission, acceptor Acceptor, logger *slog.Logger) *GRPC {
	g := NewGRPC(config, limits, admission, nil, logger)
	g.section, g.arrow = arrowSection, acceptor
	return g
}

// AddOTAP has OTAP served beside OTLP; it is called before Listen.
func (g *GRPC) AddOTAP(acceptor Acceptor) { g.arrow = acceptor }

// Apart has calls of one connection worked on side by side, for an acceptor that waits for the
// device; it is called before Serve.
func (g *GRPC) Apart() { g.apart = true }

// Listen binds the endpoint, if it is enabled.
func (g *GRPC) Listen() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.config.Enabled || g.listener != nil {
		return nil
	}
	listener, guard, err := open(g.section, g.config.Endpoint, []string{"h2"}, g.clock, g.logger)
	if err == nil {
		guard.refused = g.refusedCall
		g.listener, g.guard = newHandshakes(listener), guard
	}
	return err
}

// Addr is the bound address with its real port; "" before Listen.
func (g *GRPC) Addr() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return ""
	}
	return addressOf(g.listener)
}

// Serve starts answering, and returns; nothing happens without Listen or after Shutdown.
func (g *GRPC) Serve() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil || g.server != nil || g.draining.Err() != nil {
		return
	}
	g.server, g.health = grpc.NewServer(g.options()...), health.NewServer()
	g.tellServingLocked()
	g.register(g.server)
	serve, listener := g.server.Serve, g.listener
	if g.acceptor != nil {
		g.first = g.front()
		serve = g.first.Serve
	}
	g.serving.Go(func() {
		if err := serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			g.logger.Error("gRPC receiver stopped", "error", err)
		}
	})
}

// SetServing is what the health service answers, SERVING at first, for the whole server and for
// each signal's service.
func (g *GRPC) SetServing(serving bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.away == serving {
		g.away = !serving
		g.tellServingLocked()
	}
}

func (g *GRPC) tellServingLocked() {
	if g.health == nil {
		return
	}
	status := healthpb.HealthCheckResponse_SERVING
	if g.away {
		status = healthpb.HealthCheckResponse_NOT_SERVING
	}
	g.health.SetServingStatus("", status)
	for _, signal := range otlp.Signals {
		if g.acceptor != nil {
			g.health.SetServingStatus(signal.GRPCService(), status)
		}
		if service, _ := signal.OTAPService(); g.arrow != nil {
			g.health.SetServingStatus(service, status)
		}
	}
	if g.flight != nil {
		g.health.SetServingStatus(flight.Service, status)
	}
}

func (g *GRPC) options() []grpc.ServerOption {
	return append(g.guard.options(),
		grpc.ForceServerCodecV2(newCodec()),
		//lint:ignore SA1019 the registry that replaces it is global: see compressors.go
		grpc.RPCDecompressor(acceptGzip{}), //nolint:staticcheck // the only way that needs no global registry
		grpc.MaxRecvMsgSize(healthBytes),
		grpc.MaxConcurrentStreams(g.config.MaxConcurrentStreams),
		grpc.MaxHeaderListSize(headerBytes),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.ReadBufferSize(readBuffer),
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))),
		grpc.ConnectionTimeout(handshakeLimit),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingMinTime, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(identityUnary),
		grpc.StreamInterceptor(g.endStream),
	)
}

// register adds what front leaves to grpc-go, by hand: generated services would parse the messages.
func (g *GRPC) register(server *grpc.Server) {
	for _, signal := range otlp.Signals {
		if g.arrow != nil {
			g.registerOTAP(server, signal)
		}
	}
	if g.flight != nil {
		g.flight.register(server)
	}
	g.registerHealth(server)
}

// refusedCall counts a call that its guard refused.
func (g *GRPC) refusedCall(method string, kind fault.Kind) {
	for _, signal := range otlp.Signals {
		if method == "/"+signal.GRPCService()+"/Export" && g.acceptor != nil {
			g.acceptor.Refused(signal, kind)
		}
		if method == otapMethod(signal) && g.arrow != nil {
			g.arrow.Refused(signal, kind)
		}
	}
}

func (g *GRPC) inflate(b *body, in *incoming) error {
	empty := len(in.parts) == 0
	return g.unpack(b, in.stream.RecvCompress(), empty, in.drain())
}

// coding reads a grpc-encoding.
func (g *GRPC) coding(encoding string) (coding string, ok bool) {
	coding, ok = g.inflater.known(encoding)
	if arrowLevel(coding) {
		return codingArrowZstd, true
	}
	return coding, ok
}

func unknownEncoding(coding string) error {
	return fault.New(fault.Unsupported, "receive", "encoding %q: want gzip or zstd", coding)
}

// unpack inflates a message.
func (g *GRPC) unpack(b *body, encoding string, empty bool, from io.Reader) error {
	coding, ok := g.coding(encoding)
	switch {
	case coding == codingIdentity: // INTERNAL is what gRPC's compression.md asks for
		return fault.New(fault.Internal, "receive", "a message is said to be compressed, and not how")
	case !ok: // a host process has registered it
		return unknownEncoding(coding)
	case empty: // compressed to nothing at all: some clients do so with an empty request
		return nil
	case coding == codingZstd, coding == codingArrowZstd:
		g.zstd.slots <- struct{}{}
		defer func() { <-g.zstd.slots }()
	}
	return g.inflater.inflate(b, coding, from)
}

// identity keeps an answer uncompressed: gRPC would use the request's encoding, though
// the client need not take it, and an answer without bytes gets no smaller.
func identity(ctx context.Context) { _ = grpc.SetSendCompressor(ctx, encoding.Identity) }

func identityUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	identity(ctx)
	return next(ctx, request)
}

// endStream ends what the health service and Flight send when Shutdown begins: the first has no
// end of its own, and the other may be long, so that it would wait until its deadline.
func (g *GRPC) endStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	identity(stream.Context())
	if info.IsClientStream { // these end by themselves, between two batches
		return next(server, stream)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(g.draining, cancel)()
	err := next(server, boundStream{stream, ctx, g.grace})
	if err != nil && g.draining.Err() != nil {
		return statusOf(closing(strings.TrimPrefix(info.FullMethod, "/"))).Err()
	}
	return err
}

// boundStream is a stream with a narrower context, whose one message is watched.
type boundStream struct {
	grpc.ServerStream
	ctx   context.Context
	grace time.Duration
}

func (s boundStream) Context() context.Context { return s.ctx }

func (s boundStream) RecvMsg(m any) error {
	return watched(s.ctx, s.grace, s.ServerStream.RecvMsg)(m)
}

// watched receives under the eyes of a watchdog.
func watched(ctx context.Context, grace time.Duration, receive func(any) error) func(any) error {
	return func(m any) error {
		stream, err := streamOf(ctx)
		if err != nil {
			return statusOf(err).Err()
		}
		defer watch(stream, grace).stop()
		return receive(m)
	}
}

// registerHealth adds the health service with its messages watched.
func (g *GRPC) registerHealth(server *grpc.Server) {
	described := healthpb.Health_ServiceDesc
	described.Methods = slices.Clone(described.Methods)
	for i, method := range described.Methods {
		described.Methods[i].Handler = func(service any, ctx context.Context, receive func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
			return method.Handler(service, ctx, watched(ctx, g.grace, receive), around)
		}
	}
	server.RegisterService(&described, g.health)
}

// Shutdown refuses new calls and waits for those in flight until ctx ends, then cuts
// them off: the error says so.
func (g *GRPC) Shutdown(ctx context.Context) error {
	g.drain()
	g.mu.Lock()
	first, server, listener := g.first, g.server, g.listener
	g.mu.Unlock()
	if server == nil {
		if listener != nil {
			_ = listener.Close() // closed already the second time
		}
		return nil
	}
	listener.end()
	if first != nil {
		return g.shutdownFront(ctx, first, server, listener)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		server.GracefulStop()
	}()
	select {
	case <-drained:
		g.serving.Wait()
		return nil
	case <-ctx.Done():
		server.Stop()
		g.serving.Wait()
		return cutOff(ctx)
	}
}

func cutOff(ctx context.Context) error {
	return &fault.Error{Kind: fault.Timeout, Op: "shut down gRPC", Err: fmt.Errorf("calls in flight were cut off: %w", ctx.Err())}
}

func (g *GRPC) shutdownFront(ctx context.Context, first *h2.Server, server *grpc.Server, listener net.Listener) error {
	_ = listener.Close() // closed already the second time
	err := first.Shutdown(ctx)
	server.Stop()
	g.serving.Wait()
	if err != nil {
		return cutOff(ctx)
	}
	return nil
}
