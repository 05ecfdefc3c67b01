// Package receive holds the receivers: OTLP/gRPC and OTLP/HTTP with protobuf or JSON
// bodies, OTAP, and Arrow Flight, which also reads. A receiver takes a request off the
// wire, inflates it within a bound, hands one protobuf body to an Acceptor and says
// what came of it in the words of its protocol; it never looks into the body.
//
//	gRPC  incoming ───┐ gzip, zstd
//	                  ├─> inflate ─> Acceptor ─> statusOf ─> answer
//	HTTP  1.1, h2c ───┘ + deflate └ JSON becomes protobuf before
//
// Every buffer on this way, half-filled ones included, is paid for from the request's account
// in the Admission, and whoever sends too slowly is not waited for.
//
// Web serves what is not OTLP, health and metrics, with the same endpoints and guards.
//
// A server is used Listen, Serve, Shutdown; those and Addr are safe for concurrent
// use. Shutdown works unstarted, twice and past its deadline.
package receive

import (
	"context"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Acceptor takes a request's protobuf body in; nil means what durability promises.
// The body is valid only during the call. Errors are of type *fault.Error, or *fault.PartialError,
// which is a success that has more to say. An
// Acceptor gives up when ctx ends: a forced Shutdown does not wait for it.
type Acceptor interface {
	Accept(ctx context.Context, signal otlp.Signal, body []byte) error
	// Refused tells, for each request of a signal that is answered with an error, of which kind
	// that is, whether Accept gave it or the request never came so far.
	Refused(signal otlp.Signal, kind fault.Kind)
}
