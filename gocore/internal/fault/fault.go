// Package fault holds the errors that leave a stage. An Error says what kind of
// fault it is, in which operation and field, and what caused it; status.go is the
// only place that turns a kind into a gRPC, HTTP or ABI code, so that protocols agree.
// Errors are immutable and safe for concurrent use.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what a caller can do about an error.
type Kind uint8

const (
	// Internal is a fault of ours; a recovered panic ends here.
	Internal Kind = iota
	// Invalid is data that no retry makes good.
	Invalid
	// TooLarge is a request over a size limit, before or after inflating.
	TooLarge
	// Unsupported is a media type or content encoding that is not spoken here.
	Unsupported
	// Unauthenticated is a missing or wrong key.
	Unauthenticated
	// Overloaded is a full queue or disk: the same request is welcome later.
	Overloaded
	// Closed is a stage that is shutting down or has ended.
	Closed
	// Timeout is a deadline that passed, or a caller that gave up.
	Timeout
	// Config is a setting that cannot be used.
	Config
	// IO is a file or socket that failed.
	IO
	// BadHandle is an ABI handle that is not, or no longer, open.
	BadHandle
)

// Kinds is how many there are.
const Kinds = int(BadHandle) + 1

var kindNames = [Kinds]string{
	Internal: "internal", Invalid: "invalid", TooLarge: "too_large", Unsupported: "unsupported", Unauthenticated: "unauthenticated",
	Overloaded: "overloaded", Closed: "closed", Timeout: "timeout", Config: "config", IO: "io", BadHandle: "bad_handle",
}

// String is the kind's name in logs and metrics.
func (k Kind) String() string { return kindNames[k] }

// Error is a fault with its place. A nested Error's text is not repeated by the outer one.
type Error struct {
	Kind  Kind
	Op    string // what was being done: "decode traces"
	Field string // the field's path: "resource_spans[0].scope_spans[1].spans[3].trace_id"
	Err   error  // the cause
	// RetryAfter is when the same request is welcome again; only for Overloaded.
	RetryAfter time.Duration
	// Answer, where there is one, is told to a sender instead of what the kind says.
	Answer *Answer
}

// Error joins operation, field and cause.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	for _, part := range []string{e.Op, e.Field} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error of a kind with a formatted cause.
func New(kind Kind, op, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Err: fmt.Errorf(format, args...)}
}

// KindOf is the kind of the outermost Error in the chain, Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// RetryAfterOf is when an overloaded request may come again; 0 where no retry is asked for.
func RetryAfterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
