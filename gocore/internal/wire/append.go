package wire

import (
	"encoding/binary"
	"math"
)

// AppendTag writes a field's tag.
func AppendTag(b []byte, field uint32, typ Type) []byte {
	return binary.AppendUvarint(b, uint64(Tag(field, typ)))
}

// AppendUint writes a varint field; 0 is written too.
func AppendUint(b []byte, field uint32, v uint64) []byte {
	return binary.AppendUvarint(AppendTag(b, field, Varint), v)
}

// AppendSint32 writes a zigzag field.
func AppendSint32(b []byte, field uint32, v int32) []byte {
	return AppendUint(b, field, uint64(uint32(v<<1)^uint32(v>>31))) // zigzag
}

// AppendFixed64 writes a fixed64 field.
func AppendFixed64(b []byte, field uint32, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(AppendTag(b, field, Fixed64), v)
}

// AppendDouble writes a double field.
func AppendDouble(b []byte, field uint32, v float64) []byte {
	return AppendFixed64(b, field, math.Float64bits(v))
}

// AppendFixed32 writes a fixed32 field.
func AppendFixed32(b []byte, field uint32, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(AppendTag(b, field, Fixed32), v)
}

// AppendBytes writes a length-delimited field.
func AppendBytes[T []byte | string](b []byte, field uint32, v T) []byte {
	b = binary.AppendUvarint(AppendTag(b, field, Bytes), uint64(len(v)))
	return append(b, v...)
}

// Begin opens a message field: it returns the buffer and the place that End needs. One
// byte is kept for the length, and a longer body moves when it is closed.
func Begin(b []byte, field uint32) ([]byte, int) {
	b = append(AppendTag(b, field, Bytes), 0)
	return b, len(b)
}

// End closes the message that Begin opened at this place.
func End(b []byte, place int) []byte {
	size := uint64(len(b) - place)
	extra := SizeVarint(size) - 1
	if extra > 0 {
		b = append(b, make([]byte, extra)...)
		copy(b[place+extra:], b[place:len(b)-extra])
	}
	binary.PutUvarint(b[place-1:], size)
	return b
}

// BeginWide is Begin for a message whose length will take about so many bytes: where it takes
// just these, EndWide moves nothing.
func BeginWide(b []byte, field uint32, width int) ([]byte, int) {
	b = append(AppendTag(b, field, Bytes), "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:width]...)
	return b, len(b)
}

// EndWide closes the message that BeginWide opened at this place with this width, and tells how
// wide the length has become.
func EndWide(b []byte, place, width int) ([]byte, int) {
	size := uint64(len(b) - place)
	needed := SizeVarint(size)
	if needed > width {
		b = append(b, make([]byte, needed-width)...)
	}
	if needed != width {
		copy(b[place+needed-width:], b[place:place+int(size)])
		b = b[:place+needed-width+int(size)]
	}
	binary.PutUvarint(b[place-width:], size)
	return b, needed
}
