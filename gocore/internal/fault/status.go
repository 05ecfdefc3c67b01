package fault

import (
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
)

// The codes of the C ABI, told in otlp_arrow.h.
const (
	ABIOk              int32 = 0
	ABIInternal        int32 = 1
	ABIInvalid         int32 = 2
	ABITooLarge        int32 = 3
	ABIUnsupported     int32 = 4
	ABIUnauthenticated int32 = 5
	ABIOverloaded      int32 = 6
	ABIClosed          int32 = 7
	ABITimeout         int32 = 8
	ABIConfig          int32 = 9
	ABIIO              int32 = 10
	ABIBadHandle       int32 = 11
)

type statuses struct {
	grpc codes.Code
	http int
	abi  int32
}

var table = [...]statuses{
	Internal:        {codes.Internal, http.StatusInternalServerError, ABIInternal},
	Invalid:         {codes.InvalidArgument, http.StatusBadRequest, ABIInvalid},
	TooLarge:        {codes.ResourceExhausted, http.StatusRequestEntityTooLarge, ABITooLarge},
	Unsupported:     {codes.Unimplemented, http.StatusUnsupportedMediaType, ABIUnsupported},
	Unauthenticated: {codes.Unauthenticated, http.StatusUnauthorized, ABIUnauthenticated},
	Overloaded:      {codes.Unavailable, http.StatusServiceUnavailable, ABIOverloaded},
	Closed:          {codes.Unavailable, http.StatusServiceUnavailable, ABIClosed},
	Timeout:         {codes.DeadlineExceeded, http.StatusServiceUnavailable, ABITimeout},
	Config:          {codes.FailedPrecondition, http.StatusInternalServerError, ABIConfig},
	IO:              {codes.Unavailable, http.StatusServiceUnavailable, ABIIO},
	BadHandle:       {codes.Internal, http.StatusInternalServerError, ABIBadHandle},
}

// Answer is the codes of a refusal that no kind has: what a test of a sender asks for.
type Answer struct {
	GRPC codes.Code
	HTTP int
}

// AnswerOf is the codes that an error of a kind is answered with over gRPC and HTTP, and whether the
// error itself said so.
func AnswerOf(err error, kind Kind) (answer Answer, own bool) {
	var e *Error
	if errors.As(err, &e) && e.Answer != nil {
		return *e.Answer, true
	}
	return Answer{GRPCCode(kind), HTTPStatus(kind)}, false
}

// GRPCCode is the status of an OTLP/gRPC answer.
func GRPCCode(kind Kind) codes.Code { return table[kind].grpc }

// HTTPStatus is the status of an OTLP/HTTP answer.
func HTTPStatus(kind Kind) int { return table[kind].http }

// ABICode is the result of an oa_* function.
func ABICode(kind Kind) int32 { return table[kind].abi }

// Message is an error's text as valid UTF-8: it may quote a client's bytes, and a
// google.rpc.Status with others cannot be encoded.
func Message(err error) string { return strings.ToValidUTF8(err.Error(), "\uFFFD") }
