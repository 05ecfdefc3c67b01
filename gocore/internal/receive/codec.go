package receive

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// message is an OTLP request as it came, and the empty one that answers it.
type message struct{ buffer mem.Buffer }

// bytes are valid until free.
func (m *message) bytes() []byte {
	if m.buffer == nil {
		return nil
	}
	return m.buffer.ReadOnlyData()
}

func (m *message) free() {
	if m.buffer != nil {
		m.buffer.Free()
		m.buffer = nil
	}
}

// rawCodec leaves OTLP messages as bytes: generated types would cost more than all
// the rest of a request. Everything else, which is the health service, is protobuf.
type rawCodec struct {
	proto   encoding.CodecV2
	buffers *buffers
}

func newCodec() rawCodec { return rawCodec{encoding.GetCodecV2(proto.Name), &buffers{}} }

// Name makes the answers' content type that of the requests.
func (c rawCodec) Name() string { return proto.Name }

// Marshal has nothing to say for an OTLP response: a full success has no bytes.
func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if _, ok := v.(*message); ok {
		return nil, nil
	}
	return c.proto.Marshal(v)
}

// Unmarshal keeps a reference to a message in one buffer, and copies another into
// one. gRPC calls it again for a second message, which it refuses afterwards.
func (c rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*message)
	if !ok {
		return c.proto.Unmarshal(data, v)
	}
	m.free()
	m.buffer = data.MaterializeToBuffer(c.buffers)
	return nil
}
