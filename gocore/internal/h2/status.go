package h2

import (
	"encoding/base64"
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// Status is how a call ended.
type Status struct {
	Code    uint32 // of gRPC, 0 for success
	Message string
	Details []byte // an encoded google.rpc.Status, or nothing
	// Encodings is which ones a message may have, told to who used another.
	Encodings string
}

const codeInternal = 13

// fields are the trailers that tell a status; nil is success.
func (s *Status) fields() []hpack.HeaderField {
	if s == nil {
		return []hpack.HeaderField{{Name: "grpc-status", Value: "0"}}
	}
	all := []hpack.HeaderField{{Name: "grpc-status", Value: strconv.Itoa(int(s.Code))}, {Name: "grpc-message", Value: escaped(s.Message)}}
	if len(s.Details) > 0 {
		all = append(all, hpack.HeaderField{Name: "grpc-status-details-bin", Value: base64.RawStdEncoding.EncodeToString(s.Details)})
	}
	if s.Encodings != "" {
		all = append(all, hpack.HeaderField{Name: "grpc-accept-encoding", Value: s.Encodings})
	}
	return all
}

const hexDigits = "0123456789ABCDEF"

// escaped is a message as gRPC writes it: bytes that are not printable ASCII, and the percent sign,
// as %XX.
func escaped(message string) string {
	out := make([]byte, 0, len(message))
	for i := range len(message) {
		if c := message[i]; c < ' ' || c > '~' || c == '%' {
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}
