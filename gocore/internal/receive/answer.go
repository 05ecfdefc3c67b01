package receive

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Requests that are no OTLP have no fault kind; these are their codes.
const (
	notFound    = codes.NotFound
	wrongMethod = codes.Unimplemented
)

func (m media) contentType() string {
	if m == jsonMedia {
		return jsonType
	}
	return protobufType
}

// success is an empty ExportXServiceResponse.
func (m media) success() []byte {
	if m == jsonMedia {
		return []byte("{}")
	}
	return nil
}

// encode writes a google.rpc.Status.
func (m media) encode(s *status.Status) []byte {
	if m == jsonMedia {
		text, _ := json.Marshal(jsonStatusOf(s)) // strings and numbers cannot fail
		return text
	}
	encoded, _ := proto.Marshal(s.Proto()) // fails for invalid UTF-8 only, which clean takes out
	return encoded
}

// jsonStatus is the ProtoJSON form of google.rpc.Status, by hand: protojson is large
// and, on purpose, does not write the same bytes twice.
type jsonStatus struct {
	Code    codes.Code   `json:"code"`
	Message string       `json:"message"`
	Details []jsonDetail `json:"details,omitempty"`
}

type jsonDetail struct {
	Type            string          `json:"@type"`
	FieldViolations []jsonViolation `json:"fieldViolations,omitempty"`
	RetryDelay      string          `json:"retryDelay,omitempty"`
}

type jsonViolation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

func jsonStatusOf(s *status.Status) jsonStatus {
	written := jsonStatus{Code: s.Code(), Message: s.Message()}
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *errdetails.BadRequest:
			bad := jsonDetail{Type: "type.googleapis.com/google.rpc.BadRequest"}
			for _, v := range detail.GetFieldViolations() {
				bad.FieldViolations = append(bad.FieldViolations, jsonViolation{v.GetField(), v.GetDescription()})
			}
			written.Details = append(written.Details, bad)
		case *errdetails.RetryInfo:
			delay := strconv.FormatFloat(detail.GetRetryDelay().AsDuration().Seconds(), 'f', -1, 64) + "s"
			written.Details = append(written.Details, jsonDetail{Type: "type.googleapis.com/google.rpc.RetryInfo", RetryDelay: delay})
		}
	}
	return written
}

// fail answers with what the fault's kind says.
func (x *exchange) fail(err error) {
	kind := kindOf(err)
	if x.signal != otlp.Count {
		x.of.acceptor.Refused(x.signal, kind)
	}
	answer, own := fault.AnswerOf(err, kind)
	if answer.HTTP == http.StatusServiceUnavailable && !own {
		seconds := math.Ceil(retryDelay(err).Seconds())
		x.w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	x.write(answer.HTTP, x.media.encode(statusOf(err)))
}

// refuse answers a request that is no OTLP.
func (x *exchange) refuse(code int, grpcCode codes.Code, text string) {
	x.write(code, x.media.encode(status.New(grpcCode, clean(text))))
}

func (x *exchange) write(code int, body []byte) {
	_ = x.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	header := x.w.Header()
	header.Set("Content-Type", x.media.contentType())
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(code)
	_, _ = x.w.Write(body) // a client that has gone
}
