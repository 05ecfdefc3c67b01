package receive

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// options are the guard's share of a gRPC server's.
func (g guard) options() (options []grpc.ServerOption) {
	if g.tls != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(g.tls)))
	}
	if g.keys != nil {
		options = append(options, grpc.InTapHandle(g.tap))
	}
	return options
}

// openService needs no key: probes and balancers, which have none to send, ask it whether the
// node serves, and it tells nothing else. Client certificates are asked of them all the same.
var openService = "/" + healthpb.Health_ServiceDesc.ServiceName + "/"

// tap sees a call when its headers are there: what it refuses has no message read, let alone
// inflated, and no stream. An interceptor would come after all that.
func (g guard) tap(ctx context.Context, call *tap.Info) (context.Context, error) {
	if call.FullMethodName == handshakeMethod { // it is what asks for the key
		return ctx, nil
	}
	if err := g.admit(call.FullMethodName, func(name string) string { return first(call.Header, name) }); err != nil {
		return ctx, statusOf(err).Err()
	}
	return ctx, nil
}

// admit asks a call for its key, and counts it if it has none; header gives a header's first value.
func (g guard) admit(method string, header func(name string) string) error {
	if g.keys == nil || strings.HasPrefix(method, openService) {
		return nil
	}
	err := g.check(method, header)
	if err != nil && g.refused != nil {
		g.refused(method, kindOf(err))
	}
	return err
}

// check looks for a key in a call's headers.
func (g guard) check(method string, header func(name string) string) error {
	apiKey, authorization := header(secure.APIKeyHeader), header(secure.AuthorizationHeader)
	if strings.HasPrefix(method, "/"+flight.Service+"/") {
		return g.keys.CheckAny(apiKey, authorization, header(flightTokenHeader))
	}
	return g.keys.Check(apiKey, authorization)
}

// first is a header's first value, as for HTTP; "" when there is none.
func first(header metadata.MD, name string) string {
	if values := header.Get(name); len(values) > 0 {
		return values[0]
	}
	return ""
}
