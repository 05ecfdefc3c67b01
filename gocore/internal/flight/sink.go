package flight

import "context"

// Sink takes what is read of a table, in this order: a schema, then dictionaries and batches.
type Sink interface {
	// Schema takes a schema's message, with its framing.
	Schema(message []byte) error
	// Room is memory for messages of so many bytes, for which it waits until ctx ends. All of it
	// is given at once, since two who have a part each could wait for each other. A frame goes to
	// Send, or back by Drop.
	Room(ctx context.Context, sizes ...Size) ([]*Frame, error)
	Drop(*Frame)
	// Send takes a message.
	Send(*Frame) error
}

// Size is that of a message.
type Size struct{ Head, Body int }

// Frame is a FlightData message in one piece of memory:
//
//	│ tag, length │ head of an Arrow message │ tag, length │ its body │
type Frame struct {
	Head, Body []byte
	Memory     *[]byte
}

// Frame is how much memory a message takes with what stands before its parts.
func (s Size) Frame() int {
	return len(prefix(dataHeader, s.Head)) + s.Head + len(prefix(dataBody, s.Body)) + s.Body
}

// NewFrame makes a frame in memory of its size. Its head and body are for others to fill.
func NewFrame(memory *[]byte, size Size) *Frame {
	b := *memory
	at := copy(b, prefix(dataHeader, size.Head))
	f := &Frame{Head: b[at : at+size.Head : at+size.Head], Memory: memory}
	at += size.Head
	at += copy(b[at:], prefix(dataBody, size.Body))
	f.Body = b[at : at+size.Body]
	return f
}
