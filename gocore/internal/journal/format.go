package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

const (
	magic        = "otlpjrnl"
	version      = 1
	headerSize   = 64
	recordHeader = 32
	markSize     = 8
	alignment    = 8
	suffix       = ".seg"

	// MaxRecord is the largest body.
	MaxRecord = 1<<31 - 1
)

// ErrVersion is a journal of a newer program. It is left alone: that program can read it.
var ErrVersion = errors.New("written in a newer format")

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errHeader  = errors.New("the segment header is damaged")
)

func checksum(body []byte) uint32 { return crc32.Checksum(body, castagnoli) }

// align is the next offset at which a record may begin.
func align(offset int64) int64 { return (offset + alignment - 1) &^ (alignment - 1) }

// recordSize is what a record with a body of that length takes, with its mark.
func recordSize(length int64) int64 { return recordHeader + align(length) + markSize }

// usable tells whether a salt is one: 0 stands for no segment, and a mark of zeros would be everywhere.
func usable(salt uint64) bool { return salt != 0 && ^salt != 0 }

// newSalt is random.
func newSalt() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		if salt := binary.LittleEndian.Uint64(b[:]); usable(salt) {
			return salt
		}
	}
}

// segmentHeader is what a segment begins with.
type segmentHeader struct {
	salt  uint64
	first uint64 // position of its first record
	// The segment before: its salt, 0 for none, and how far it is good.
	prevSalt uint64
	prevEnd  int64
	former   int64 // how long the file was already: up to there it may hold records of another life
}

func (h segmentHeader) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], version)
	le.PutUint64(b[16:], h.salt)
	le.PutUint64(b[24:], h.first)
	le.PutUint64(b[32:], h.prevSalt)
	le.PutUint64(b[40:], uint64(h.prevEnd))
	le.PutUint64(b[48:], uint64(h.former))
	le.PutUint32(b[12:], headerSum(b))
	return b
}

// headerSum leaves out the four bytes that hold it.
func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[16:headerSize])
}

// decodeSegment asks for the version only when the checksum is right: damage is no new format.
func decodeSegment(b []byte) (segmentHeader, error) {
	le := binary.LittleEndian
	if len(b) < headerSize || !bytes.HasPrefix(b, []byte(magic)) || le.Uint32(b[12:]) != headerSum(b) {
		return segmentHeader{}, errHeader
	}
	if v := le.Uint32(b[8:]); v != version {
		return segmentHeader{}, fmt.Errorf("version %d: %w", v, ErrVersion)
	}
	h := segmentHeader{
		salt: le.Uint64(b[16:]), first: le.Uint64(b[24:]),
		prevSalt: le.Uint64(b[32:]), prevEnd: int64(le.Uint64(b[40:])), former: int64(le.Uint64(b[48:])),
	}
	if !usable(h.salt) || h.prevEnd < 0 || h.former < 0 {
		return segmentHeader{}, errHeader
	}
	return h, nil
}

// fileName orders segments by their positions.
func (h segmentHeader) fileName() string {
	return fmt.Sprintf("%016x-%016x%s", h.first, h.salt, suffix)
}

// parseName reads what fileName wrote.
func parseName(name string) (segmentHeader, bool) {
	const digits = 16
	base, ok := strings.CutSuffix(name, suffix)
	if !ok || len(base) != 2*digits+1 || base[digits] != '-' {
		return segmentHeader{}, false
	}
	first, err := strconv.ParseUint(base[:digits], 16, 64)
	if err != nil {
		return segmentHeader{}, false
	}
	salt, err := strconv.ParseUint(base[digits+1:], 16, 64)
	return segmentHeader{first: first, salt: salt}, err == nil && usable(salt)
}

// recordHead is what a record begins with.
type recordHead struct {
	position uint64
	length   int64
	signal   otlp.Signal
	sum      uint32 // of the body
	items    int    // not written
}

// put writes the header into the first recordHeader bytes of b.
func (h recordHead) put(b []byte, salt uint64) {
	le := binary.LittleEndian
	le.PutUint64(b, salt)
	le.PutUint64(b[8:], h.position)
	le.PutUint32(b[16:], uint32(h.length))
	le.PutUint32(b[20:], uint32(h.signal)) // a byte and three zeros
	le.PutUint32(b[24:], h.sum)
	le.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
}

// putMark ends a record: zeros up to the last markSize bytes of b, which tell that all before
// them was written.
func putMark(b []byte, salt uint64) {
	clear(b)
	binary.LittleEndian.PutUint64(b[len(b)-markSize:], ^salt)
}

// decodeRecord reads a record header, if that is what b begins with.
func decodeRecord(b []byte, salt uint64) (recordHead, bool) {
	le := binary.LittleEndian
	if len(b) < recordHeader || le.Uint64(b) != salt || le.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) {
		return recordHead{}, false
	}
	h := recordHead{
		position: le.Uint64(b[8:]), length: int64(le.Uint32(b[16:])), signal: otlp.Signal(b[20]), sum: le.Uint32(b[24:]),
	}
	return h, h.length <= MaxRecord
}
