package otap

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/zstd"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
)

// arrow-go makes a decoder for each message and inflates a buffer at a time through a stream;
// that was a third of all. So zstd's buffers are inflated here, with one decoder for a stream,
// and the message is given to arrow-go as one that never was compressed. lz4 is left to it.

var errInflate = errors.New("a zstd buffer that is damaged, or of another size than it says")

// inflater inflates the buffers of a stream's messages.
type inflater struct {
	zstd *zstd.Decoder
	out  []byte
}

// payload gives the payload with its messages inflated, in memory that is valid until the next
// call. limit bounds a buffer; the survey has bounded all of them.
func (in *inflater) payload(b []byte, limit int64) ([]byte, error) {
	if in.zstd == nil {
		var err error
		if in.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit))); err != nil {
			return nil, err
		}
	}
	in.out = in.out[:0]
	for len(b) > 0 {
		kind, head, body, rest, err := cut(b)
		if err != nil || kind == 0 {
			return append(in.out, b...), err
		}
		if at := packedBatch(kind, head); at != 0 {
			err = in.message(head, body, at)
		} else {
			in.out = append(in.out, b[:len(b)-len(rest)]...)
		}
		if err != nil {
			return nil, err
		}
		b = rest
	}
	return in.out, nil
}

// packedBatch is where the record batch lies in a head whose buffers zstd has packed, else 0.
func packedBatch(kind byte, head []byte) int {
	if kind == messageSchema {
		return 0
	}
	f := flatbuf.New(head)
	at := f.Table(f.Field(f.Root(), 2))
	if kind == messageDictionary {
		at = f.Table(f.Field(at, 1))
	}
	if codec := f.Field(at, 3); codec == 0 || f.Byte(f.Field(f.Table(codec), 0)) != 1 {
		return 0
	}
	return at
}

// message writes one with its buffers inflated: the head's copy has their new places, the
// body's new length, and no word of a compression.
func (in *inflater) message(head, body []byte, at int) error {
	in.out = binary.LittleEndian.AppendUint32(in.out, continuation)
	in.out = binary.LittleEndian.AppendUint32(in.out, uint32(len(head))) // cut took it from four bytes
	place := len(in.out)
	in.out = append(in.out, head...)
	from := len(in.out)
	f := flatbuf.New(head)
	for _, buffer := range f.Structs(f.Field(at, 2)) {
		offset, size := f.Word(buffer), f.Word(buffer+8)
		begin := len(in.out)
		if err := in.buffer(body[offset : offset+size]); err != nil {
			return err
		}
		length := len(in.out) - begin
		in.pad(from)
		binary.LittleEndian.PutUint64(in.out[place+buffer:], uint64(begin-from))
		binary.LittleEndian.PutUint64(in.out[place+buffer+8:], uint64(length))
	}
	copied := in.out[place:from]
	vtable := f.VTable(at)
	binary.LittleEndian.PutUint16(copied[vtable+4+2*3:], 0) // field 3 is the compression
	if length := f.Field(f.Root(), 3); length != 0 {        // absent where no buffer has anything
		binary.LittleEndian.PutUint64(copied[length:], uint64(len(in.out)-from))
	}
	return nil
}

// buffer inflates one: eight bytes that tell its size, then a frame. -1 says that it is as it is.
func (in *inflater) buffer(part []byte) (err error) {
	if len(part) == 0 {
		return nil
	}
	size := binary.LittleEndian.Uint64(part)
	if int64(size) == -1 {
		in.out = append(in.out, part[8:]...)
		return nil
	}
	begin := len(in.out)
	if in.out, err = in.zstd.DecodeAll(part[8:], in.out); err != nil || uint64(len(in.out)-begin) != size {
		return errInflate
	}
	return nil
}

// pad has the next buffer begin where eight-byte values may.
func (in *inflater) pad(from int) {
	for (len(in.out)-from)%8 != 0 {
		in.out = append(in.out, 0)
	}
}

// shrink lets go of room that only an unusual batch takes.
func (in *inflater) shrink() {
	if cap(in.out) > keepBytes/4 {
		in.out = nil
	}
}

func (in *inflater) close() {
	if in.zstd != nil {
		in.zstd.Close()
	}
	*in = inflater{}
}
