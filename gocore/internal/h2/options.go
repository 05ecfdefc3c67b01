package h2

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Options are a server's.
type Options struct {
	// Admit is asked first, at the headers of whatever comes; a status refuses it. nil: all may.
	Admit func(head *Head) *Status
	// Open is asked at the headers of each gRPC call. A status refuses it; a nil Call leaves it to
	// Other.
	Open func(head *Head) (Call, *Status)
	// Other serves what is not a Call, on a goroutine of its own.
	Other http.Handler
	// Slow tells the status for a call that has brought so many bytes after so long; nil: it may go on.
	Slow func(bytes int64, after time.Duration) *Status
	// Apart has each Call worked on by a goroutine of its own, for calls that wait.
	Apart bool
	Log   *slog.Logger

	MaxStreams   uint32 // at once on a connection, 0 for no limit
	MaxHeaders   uint32 // bytes of a call's headers
	StreamWindow uint32 // bytes that a stream may bring before they are taken
	ConnWindow   uint32 // likewise of a connection

	Handshake   time.Duration // for TLS and HTTP/2
	PingAfter   time.Duration // a silent peer is asked whether it is there,
	PingTimeout time.Duration // and has so long to answer, or to read
	PingMinTime time.Duration // peers that ask more often, and send nothing, are cut off
	Tick        time.Duration // how often all this is looked at
}

// Call is one message from a client. Room and Came are called in turn by one goroutine, then
// End by one, and Close at the very end in any case.
type Call interface {
	// Room gives the next n bytes of memory for the message with its prefix.
	Room(n int) ([]byte, *Status)
	// Came says that they are filled.
	Came() *Status
	// End works on the message: nil is an answer without content, code 0 one with content.
	End(ctx context.Context) *Status
	// Close lets go of the memory.
	Close()
}
