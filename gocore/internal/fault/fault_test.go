package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
)

// kinds lists every Kind: TestTable fails when one is added and not listed.
var kinds = []struct {
	kind Kind
	grpc codes.Code
	http int
	abi  int32
}{
	{Internal, codes.Internal, 500, 1},
	{Invalid, codes.InvalidArgument, 400, 2},
	{TooLarge, codes.ResourceExhausted, 413, 3},
	{Unsupported, codes.Unimplemented, 415, 4},
	{Unauthenticated, codes.Unauthenticated, 401, 5},
	{Overloaded, codes.Unavailable, 503, 6},
	{Closed, codes.Unavailable, 503, 7},
	{Timeout, codes.DeadlineExceeded, 503, 8},
	{Config, codes.FailedPrecondition, 500, 9},
	{IO, codes.Unavailable, 503, 10},
	{BadHandle, codes.Internal, 500, 11},
}

func TestTable(t *testing.T) {
	if len(kinds) != len(table) {
		t.Fatalf("%d kinds are tested, the table has %d", len(kinds), len(table))
	}
	seen := map[int32]bool{ABIOk: true}
	names := map[string]bool{"": true}
	for _, tt := range kinds {
		if name := tt.kind.String(); names[name] {
			t.Errorf("kind %d has no name of its own, %q", uint8(tt.kind), name)
		} else {
			names[name] = true
		}
		if g, h, a := GRPCCode(tt.kind), HTTPStatus(tt.kind), ABICode(tt.kind); g != tt.grpc || h != tt.http || a != tt.abi {
			t.Errorf("kind %d: got %v, %d, %d; want %v, %d, %d", tt.kind, g, h, a, tt.grpc, tt.http, tt.abi)
		}
		if seen[ABICode(tt.kind)] {
			t.Errorf("kind %d: ABI code %d stands for success or another kind", tt.kind, ABICode(tt.kind))
		}
		seen[ABICode(tt.kind)] = true
	}
}

// TestRetries: OTLP senders retry on these statuses and on no others.
func TestRetries(t *testing.T) {
	for kind := range table {
		row := table[kind]
		if row.grpc == codes.OK || row.http < 400 || row.abi == ABIOk {
			t.Errorf("kind %d lacks a code: %+v", kind, row)
		}
		if byGRPC := row.grpc == codes.Unavailable || row.grpc == codes.DeadlineExceeded; byGRPC != (row.http == 503) {
			t.Errorf("kind %d: gRPC and HTTP disagree on a retry: %+v", kind, row)
		}
	}
}

func TestChain(t *testing.T) {
	full := &Error{Kind: Overloaded, Op: "accept", Err: io.ErrShortWrite, RetryAfter: 3 * time.Second}
	tests := []struct {
		name  string
		err   error
		kind  Kind
		after time.Duration
	}{
		{"plain", io.EOF, Internal, 0},
		{"nil", nil, Internal, 0},
		{"own", full, Overloaded, 3 * time.Second},
		{"wrapped", fmt.Errorf("ingest: %w", full), Overloaded, 3 * time.Second},
		{"joined", errors.Join(io.EOF, full), Overloaded, 3 * time.Second},
		{"outermost wins", &Error{Kind: IO, Err: full}, IO, 0},
		{"new", New(Invalid, "decode", "field %d", 3), Invalid, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.err); got != tt.kind {
				t.Errorf("KindOf = %d, want %d", got, tt.kind)
			}
			if got := RetryAfterOf(tt.err); got != tt.after {
				t.Errorf("RetryAfterOf = %v, want %v", got, tt.after)
			}
		})
	}
	if !errors.Is(full, io.ErrShortWrite) {
		t.Error("the cause is not found with errors.Is")
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		err  *Error
		want string
	}{
		{&Error{Op: "decode traces", Field: "spans[3].name", Err: io.EOF}, "decode traces: spans[3].name: EOF"},
		{&Error{Op: "decode traces", Err: io.EOF}, "decode traces: EOF"},
		{&Error{Field: "spans[3]"}, "spans[3]"},
		{&Error{}, ""},
		{New(Closed, "accept", "%d of %d", 1, 2), "accept: 1 of 2"},
		{New(BadHandle, "", "handle %d", 7), "handle 7"},
		{&Error{Op: "a", Err: &Error{Op: "b", Field: "c"}}, "a: b: c"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestMessage(t *testing.T) {
	tests := []struct{ text, want string }{
		{"plain", "plain"},
		{"käse", "käse"},
		{"bad \xff\xfe byte", "bad \uFFFD byte"},
		{"cut \xe2\x82", "cut \uFFFD"},
	}
	for _, tt := range tests {
		got := Message(errors.New(tt.text))
		if got != tt.want || !utf8.ValidString(got) {
			t.Errorf("Message(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestAnswer(t *testing.T) {
	own := &Error{Kind: Internal, Err: io.EOF, Answer: &Answer{GRPC: codes.DataLoss, HTTP: 418}}
	for _, tt := range []struct {
		err  error
		want Answer
		own  bool
	}{
		{own, Answer{codes.DataLoss, 418}, true},
		{fmt.Errorf("around: %w", own), Answer{codes.DataLoss, 418}, true},
		{New(Overloaded, "", "full"), Answer{codes.Unavailable, 503}, false},
		{io.EOF, Answer{codes.Internal, 500}, false},
	} {
		if got, said := AnswerOf(tt.err, KindOf(tt.err)); got != tt.want || said != tt.own {
			t.Errorf("%v: %v, %v, want %v", tt.err, got, said, tt.want)
		}
	}
	if text := (&PartialError{Rejected: 2, Message: "too old"}).Error(); text != "2 items rejected: too old" {
		t.Error(text)
	}
}
