package h2

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Head is a call's headers.
type Head struct {
	Path     string
	Encoding string // grpc-encoding, "" for none

	method, content, authority string
	timeout                    string
	length                     int64               // content-length, -1 for none
	fields                     []hpack.HeaderField // without the pseudo fields
}

// newHead is false for headers that HTTP/2 forbids.
func newHead(f *http2.MetaHeadersFrame) (h Head, ok bool) {
	h.fields, h.length = f.RegularFields(), -1
	h.Path, h.method, h.authority = f.PseudoValue("path"), f.PseudoValue("method"), f.PseudoValue("authority")
	if h.Path == "" || h.method == "" || f.PseudoValue("scheme") == "" {
		return h, false
	}
	for i := range h.fields {
		if !h.take(&h.fields[i]) {
			return h, false
		}
	}
	return h, true
}

func (h *Head) take(field *hpack.HeaderField) bool {
	switch field.Name {
	case "content-type":
		h.content = field.Value
	case "grpc-encoding":
		h.Encoding = field.Value
	case "grpc-timeout":
		h.timeout = field.Value
	case "content-length":
		var err error
		h.length, err = strconv.ParseInt(field.Value, 10, 64)
		return err == nil && h.length >= 0
	case "te":
		return field.Value == "trailers"
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return false
	}
	return true
}

// Get is a header's first value.
func (h *Head) Get(name string) string {
	for i := range h.fields {
		if strings.EqualFold(h.fields[i].Name, name) {
			return h.fields[i].Value
		}
	}
	return ""
}

// isGRPC is false for what a general server should refuse, in HTTP's terms.
func (h *Head) isGRPC() bool {
	rest, ok := strings.CutPrefix(h.content, "application/grpc")
	return ok && h.method == http.MethodPost && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

var timeoutUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// deadline is when the client gives up; ok is false for what is no timeout.
func (h *Head) deadline(now time.Time) (at time.Time, ok bool) {
	if h.timeout == "" {
		return at, true
	}
	const digits = 8
	last := len(h.timeout) - 1
	unit := timeoutUnits[h.timeout[last]]
	number, err := strconv.ParseUint(h.timeout[:last], 10, 32)
	if unit == 0 || err != nil || last > digits {
		return at, false
	}
	if most := uint64(1<<63-1) / uint64(unit); number > most { // 11,415 years
		return at, true
	}
	return now.Add(time.Duration(number) * unit), true
}
