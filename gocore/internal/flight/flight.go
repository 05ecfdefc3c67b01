// Package flight reads and writes what Arrow Flight sends: its few protobuf messages, by hand,
// and the record batches in them, which a stranger made.
//
//	FlightData ─> Upload ─> arrow-go's IPC reader ─> sound ─> Part ... ─> encode
//	  DoPut        heads are looked at first          every offset, index
//	               and memory is paid for             and text is looked at
//
// What a client asks for is a Selection, in a descriptor or a ticket. What is sent are the
// messages of data files as they stand, so nothing here writes record batches.
//
// An Upload is for one goroutine; all else holds no state.
package flight

import (
	"errors"
	"fmt"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// Service is the gRPC service of https://github.com/apache/arrow/blob/main/format/Flight.proto
const Service = "arrow.flight.protocol.FlightService"

// Field numbers of FlightData, which other messages refer to as well.
const (
	dataDescriptor = 1
	dataHeader     = 2
	dataMetadata   = 3
	dataBody       = 1000
)

// Data is a FlightData message; its fields share the memory that it was read from.
type Data struct {
	Descriptor []byte // a FlightDescriptor, in the first message of a stream
	Header     []byte // the head of an Arrow message; empty where there is only metadata
	Body       []byte
}

// ParseData reads a FlightData message.
func ParseData(message []byte) (d Data, err error) {
	c := wire.NewCursor(message)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(dataDescriptor, wire.Bytes):
			d.Descriptor = c.Bytes()
		case wire.Tag(dataHeader, wire.Bytes):
			d.Header = c.Bytes()
		case wire.Tag(dataBody, wire.Bytes):
			d.Body = c.Bytes()
		}
	}
	return d, invalid("FlightData", c.Err())
}

// AppendHeader writes a FlightData message that has no body.
func AppendHeader(b, header []byte) []byte { return wire.AppendBytes(b, dataHeader, header) }

// prefix is what stands before a field of bytes in the protobuf format.
func prefix(field uint32, size int) []byte {
	return appendVarint(wire.AppendTag(make([]byte, 0, 8), field, wire.Bytes), uint64(size))
}

func appendVarint(b []byte, v uint64) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// AppendResult writes a PutResult, or what else has one bytes field under number 1: a Ticket, a
// SchemaResult, a Result.
func AppendResult(b, metadata []byte) []byte { return wire.AppendBytes(b, 1, metadata) }

// ParseTicket reads a Ticket, or what else has one bytes field under number 1: Criteria.
func ParseTicket(message []byte) (ticket []byte, err error) {
	c := wire.NewCursor(message)
	for c.Next() {
		if c.Tag() == wire.Tag(1, wire.Bytes) {
			ticket = c.Bytes()
		}
	}
	return ticket, invalid("Ticket", c.Err())
}

// Kinds of a FlightDescriptor.
const (
	descriptorPath    = 1
	descriptorCommand = 2
)

// Descriptor is a FlightDescriptor.
type Descriptor struct {
	Kind    uint64
	Command []byte
	Path    []string
}

// ParseDescriptor reads a FlightDescriptor.
func ParseDescriptor(message []byte) (d Descriptor, err error) {
	c := wire.NewCursor(message)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(1, wire.Varint):
			d.Kind = c.Varint()
		case wire.Tag(2, wire.Bytes):
			d.Command = c.Bytes()
		case wire.Tag(3, wire.Bytes):
			d.Path = append(d.Path, string(c.Bytes()))
		}
	}
	return d, invalid("FlightDescriptor", c.Err())
}

// Selection is what the descriptor asks for: a path of one signal, or a command.
func (d Descriptor) Selection() (Selection, error) {
	switch d.Kind {
	case descriptorPath:
		if len(d.Path) != 1 {
			return Selection{}, fault.New(fault.Invalid, "read the descriptor", "a path of %d parts: want one, %s", len(d.Path), signals)
		}
		return parseSignal("the descriptor's path", d.Path[0])
	case descriptorCommand:
		return ParseSelection(d.Command)
	}
	return Selection{}, fault.New(fault.Invalid, "read the descriptor", "a descriptor of type %d: want a path, %s, or a command", d.Kind, signals)
}

// AppendInfo writes a FlightInfo: one endpoint without a location, which says "here".
func AppendInfo(b, schema, descriptor, ticket []byte) []byte {
	b = wire.AppendBytes(b, 1, schema)
	b = wire.AppendBytes(b, 2, descriptor)
	b, endpoint := wire.Begin(b, 3)
	b = wire.AppendBytes(b, 1, AppendResult(nil, ticket))
	b = wire.End(b, endpoint)
	const unknown = ^uint64(0) // -1
	b = wire.AppendUint(b, 4, unknown)
	return wire.AppendUint(b, 5, unknown)
}

// AppendPath writes the descriptor that a signal has in listings.
func AppendPath(b []byte, path string) []byte {
	return wire.AppendBytes(wire.AppendUint(b, 1, descriptorPath), 3, path)
}

// ParseHandshake reads the payload of a HandshakeRequest.
func ParseHandshake(message []byte) (payload []byte, err error) {
	c := wire.NewCursor(message)
	for c.Next() {
		if c.Tag() == wire.Tag(2, wire.Bytes) {
			payload = c.Bytes()
		}
	}
	return payload, invalid("HandshakeRequest", c.Err())
}

// AppendHandshake writes a HandshakeResponse.
func AppendHandshake(b, payload []byte) []byte { return wire.AppendBytes(b, 2, payload) }

// Password is the password in a payload of a BasicAuth message { string username = 2; string
// password = 3 }, and the payload itself where it is none.
func Password(payload []byte) string {
	password, found := "", false
	c := wire.NewCursor(payload)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(2, wire.Bytes):
		case wire.Tag(3, wire.Bytes):
			password, found = string(c.Bytes()), true
		default:
			c.Fail(errors.New("another field"))
		}
	}
	if !found || c.Err() != nil {
		return string(payload)
	}
	return password
}

// invalid is the fault of a message that is no protobuf.
func invalid(message string, err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Op: "read " + message, Err: fmt.Errorf("it is badly framed: %w", err)}
}
