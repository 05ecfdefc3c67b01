package receive

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// maxMessage bounds an error's text: gRPC sends it in a header, and clients bound those.
const maxMessage = 1 << 10

// kindOf is fault.KindOf, but a bare context error is a caller that gave up, no fault of ours.
func kindOf(err error) fault.Kind {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return fault.KindOf(err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Timeout
	}
	return fault.KindOf(err)
}

// statusOf is the google.rpc.Status of an error, for both protocols: RetryInfo only
// where a retry is welcome, BadRequest where the request itself is bad.
func statusOf(err error) *status.Status {
	kind := kindOf(err)
	text := clean(fault.Message(err))
	answer, _ := fault.AnswerOf(err, kind)
	plain := status.New(answer.GRPC, text)
	var detail protoadapt.MessageV1
	switch kind {
	case fault.Overloaded:
		detail = &errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay(err))}
	case fault.Invalid:
		violation := &errdetails.BadRequest_FieldViolation{Field: fieldOf(err), Description: text}
		detail = &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{violation}}
	default:
		return plain
	}
	detailed, failed := plain.WithDetails(detail)
	if failed != nil {
		return plain
	}
	return detailed
}

// clean makes a text fit for a Status: short, and valid UTF-8 after the cut too.
func clean(text string) string {
	if len(text) > maxMessage {
		text = text[:maxMessage] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

func fieldOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return clean(e.Field)
	}
	return ""
}

// retryDelay is when the sender may come again.
func retryDelay(err error) time.Duration {
	if wanted := fault.RetryAfterOf(err); wanted > 0 {
		return wanted
	}
	return retryAfter
}

// panicked turns a recovered panic into the answer and a log line with its stack.
func panicked(logger *slog.Logger, op string, value any) error {
	logger.Error("panic in a receiver", "op", op, "panic", value, "stack", string(debug.Stack()))
	return fault.New(fault.Internal, op, "internal error, told in the log")
}

// closing refuses what arrives while a server drains.
func closing(op string) error { return fault.New(fault.Closed, op, "shutting down") }
