package h2

import (
	"encoding/base64"
	"encoding/binary"
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
	// Answer is the message of a success that has more to say than an empty one. It has to fit into a
	// frame of 16 KiB.
	Answer []byte
}

const codeInternal = 13

// message is what is sent before the trailers, with its prefix; a failure has none.
func (s *Status) message() []byte {
	switch {
	case s == nil:
		return emptyMessage
	case s.Code != 0:
		return nil
	}
	message := binary.BigEndian.AppendUint32(make([]byte, 1, prefixBytes+len(s.Answer)), uint32(len(s.Answer)))
	return append(message, s.Answer...)
}

// fields are the trailers that tell a status; nil is success.
func (s *Status) fields() []hpack.HeaderField {
	if s == nil || s.Code == 0 {
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
