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
	if strings.HasPrefix(call.FullMethodName, openService) {
		return ctx, nil
	}
	if call.FullMethodName == handshakeMethod { // it is what asks for the key
		return ctx, nil
	}
	if err := g.check(call.FullMethodName, call.Header); err != nil {
		if g.refused != nil {
			g.refused(call.FullMethodName, kindOf(err))
		}
		return ctx, statusOf(err).Err()
	}
	return ctx, nil
}

// check looks for a key in a call's headers.
func (g guard) check(method string, header metadata.MD) error {
	apiKey, authorization := first(header, secure.APIKeyHeader), first(header, secure.AuthorizationHeader)
	if strings.HasPrefix(method, "/"+flight.Service+"/") {
		return g.keys.CheckAny(apiKey, authorization, first(header, flightTokenHeader))
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
