package receive

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// encoded is a message that is encoded already.
type encoded []byte

// rawCodec answers OTAP and Flight, whose messages gRPC never sees: see incoming. Everything
// else, which is the health service, is protobuf.
type rawCodec struct{ encoding.CodecV2 }

func newCodec() rawCodec { return rawCodec{encoding.GetCodecV2(proto.Name)} }

// Name makes the answers' content type that of the requests.
func (c rawCodec) Name() string { return proto.Name }

// Marshal is for the answers of OTAP and Flight, and of the health service.
func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case encoded:
		return mem.BufferSlice{mem.SliceBuffer(v)}, nil
	case mem.BufferSlice: // in memory that is given back when it was sent
		return v, nil
	}
	return c.CodecV2.Marshal(v)
}
