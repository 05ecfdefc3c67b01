package encode

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// These write a field unless it is the proto's default, which is not sent.

func appendText[T []byte | string](b []byte, field uint32, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return wire.AppendBytes(b, field, v)
}

func appendUint(b []byte, field uint32, v uint64) []byte {
	if v == 0 {
		return b
	}
	return wire.AppendUint(b, field, v)
}

// appendInt32 writes an int32 or enum; a negative one takes ten bytes, as protobuf wants.
func appendInt32(b []byte, field uint32, v int32) []byte {
	return appendUint(b, field, uint64(int64(v))) // sign extension
}

func appendFixed64(b []byte, field uint32, v uint64) []byte {
	if v == 0 {
		return b
	}
	return wire.AppendFixed64(b, field, v)
}

func appendTime(b []byte, field uint32, v arrow.Timestamp) []byte {
	return appendFixed64(b, field, uint64(v)) // wraps back
}

// appendDouble leaves out 0.0 but not -0.0.
func appendDouble(b []byte, field uint32, v float64) []byte {
	return appendFixed64(b, field, math.Float64bits(v))
}

func appendFlags(b []byte, field uint32, v uint32) []byte {
	if v == 0 {
		return b
	}
	return wire.AppendFixed32(b, field, v)
}

// appendOptional writes a double that may be absent and, if present, zero.
func appendOptional(b []byte, field uint32, c column[float64], row int) []byte {
	if v, ok := c.get(row); ok {
		return wire.AppendDouble(b, field, v)
	}
	return b
}
