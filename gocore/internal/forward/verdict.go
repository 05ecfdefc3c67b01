package forward

import (
	"slices"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// outcome is what became of a request.
type outcome uint8

const (
	delivered outcome = iota
	later             // the same request may be taken later
	refused           // never
)

// verdict is a destination's answer to a request, or what the lack of one means.
type verdict struct {
	outcome
	code  string        // the answer's, for people: "UNAVAILABLE", "503"
	err   error         // why not delivered
	after time.Duration // when the destination wants it again, 0: it did not say
	hung  bool          // nothing came within the timeout
	large bool          // refused for its size: less at a time may be taken

	rejected uint64 // items of a delivered request that the destination did not take
	message  string // its word on them, or its advice
}

// maxAfter bounds what a destination can ask for.
const maxAfter = time.Hour

// sender speaks a protocol. It is used by several goroutines. It gets OTLP bodies, one after the
// other, and may make of them what it wants.
type sender interface {
	// send sends a message of a signal within the timeout of the settings.
	send(m *message) verdict
	close()
}

// response reads an Export response: partial_success = 1 {rejected = 1, error_message = 2}.
func response(body []byte, v *verdict) {
	const partialSuccess, rejectedItems, errorMessage = 1, 1, 2
	for c := wire.NewCursor(body); c.Next(); {
		if c.Tag() != wire.Tag(partialSuccess, wire.Bytes) {
			continue
		}
		for p := wire.NewCursor(c.Bytes()); p.Next(); {
			switch p.Tag() {
			case wire.Tag(rejectedItems, wire.Varint):
				v.rejected = p.Varint()
			case wire.Tag(errorMessage, wire.Bytes):
				v.message = shorten(string(p.Bytes()))
			}
		}
	}
}

// overSize are how receivers say that a message is larger than they take: gRPC's for Go, C++, Java, .NET and
// Rust, and our own. Codes do not tell, since RESOURCE_EXHAUSTED is also a quota's.
var overSize = []string{"larger than max", "more than max", "exceeds maximum", "exceeds the maximum", "too large"}

func saysLarge(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(overSize, func(part string) bool { return strings.Contains(text, part) })
}

// shorten bounds what others want told in our log.
func shorten(text string) string {
	const most = 500
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
