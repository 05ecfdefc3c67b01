package flatbuf

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/klauspost/compress/zstd"
)

// MaxWindow is the largest window of zstd that is worked with: RFC 8878 asks decoders to support it.
const MaxWindow = 8 << 20

// What is wrong with a record's buffers.
var (
	ErrBodies = errors.New("an Arrow record whose parts are not within it")
	ErrWindow = errors.New("a zstd window larger than 8 MiB")
)

// Inflated is how many bytes a record's buffer takes, by what it says: compressed ones tell it in
// their first eight bytes, and -1 there is one that is not compressed after all. Nothing bounds it.
func Inflated(part []byte, packed, zstdPacked bool) (uint64, error) {
	if !packed || len(part) == 0 {
		return uint64(len(part)), nil
	}
	if len(part) < 8 {
		return 0, ErrBodies
	}
	size := binary.LittleEndian.Uint64(part)
	if size == math.MaxUint64 {
		return uint64(len(part)), nil
	}
	if !zstdPacked {
		return size, nil
	}
	var frame zstd.Header
	if err := frame.Decode(part[8:]); err != nil {
		return 0, ErrBodies
	}
	if frame.WindowSize > MaxWindow && !frame.SingleSegment {
		return 0, ErrWindow
	}
	return size, nil
}
