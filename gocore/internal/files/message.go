package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// A stream is a schema and then, for each batch, its dictionaries and the batch:
//
//	├─ message ─┼─ message ─┼ ... ┼─ zeros, or the end of the file
//	│-1│n│ head of n bytes │ body │
//
// The head is a flatbuffer Message (apache/arrow format/Message.fbs). Of it only the kind, the
// body's length, a batch's rows and our own metadata are read here, so that a file's structure
// can be told without inflating it, and how far it is good in spite of what follows.

// Kinds of messages, as in Message.fbs.
const (
	kindSchema     = 1
	kindDictionary = 2
	kindBatch      = 3
)

const (
	continuation = 0xffffffff
	framing      = 8
	maxHead      = 16 << 20 // a schema of ours has some 10 KiB
)

// message is what a message's head tells, and where the message lies.
type message struct {
	kind        byte
	offset, end int64
	rows        int64  // of a batch
	tag         string // under schema.JournalKey
}

var (
	errGarbage = errors.New("what follows is no message")
	errCut     = errors.New("a message is cut short")
)

// messages reads the heads of a stream's messages.
type messages struct {
	file io.ReaderAt
	size int64
	at   int64
	head []byte
}

// next is the next message; io.EOF where readers take the stream as ended, or an error of what
// stands at its place.
func (m *messages) next() (message, error) {
	var start [framing]byte
	n := min(framing, m.size-m.at)
	if _, err := m.file.ReadAt(start[:n], m.at); err != nil && !errors.Is(err, io.EOF) {
		return message{}, err
	}
	word, length := binary.LittleEndian.Uint32(start[:]), int64(binary.LittleEndian.Uint32(start[4:]))
	switch {
	case word == 0 && length == 0, word == continuation && length == 0 && n == framing:
		return message{}, io.EOF
	case word != continuation || length > maxHead:
		return message{}, errGarbage
	case m.at+framing+length > m.size:
		return message{}, errCut
	}
	m.head = append(m.head[:0], make([]byte, length)...)
	if _, err := m.file.ReadAt(m.head, m.at+framing); err != nil {
		return message{}, fmt.Errorf("read: %w", err)
	}
	found, body, ok := parseHead(m.head)
	if !ok {
		return message{}, errGarbage
	}
	found.offset, found.end = m.at, m.at+framing+length+body
	if body > m.size-m.at-framing-length {
		return message{}, errCut
	}
	if found.kind == kindSchema && !flatbuf.SoundSchema(m.head, maxFields, maxDepth) {
		return message{}, errGarbage
	}
	m.at = found.end
	return found, nil
}

// parseHead reads a Message: version, header type, header, body length, metadata.
func parseHead(b []byte) (m message, body int64, ok bool) {
	f := flatbuf.New(b)
	root := f.Root()
	m.kind = f.Byte(f.Field(root, 1))
	header := f.Field(root, 2)
	body = int64(f.Word(f.Field(root, 3)))
	if m.kind == kindBatch {
		m.rows = int64(f.Word(f.Field(f.Table(header), 0)))
	}
	m.tag = f.LookUp(f.Field(root, 4), schema.JournalKey)
	known := m.kind >= kindSchema && m.kind <= kindBatch
	return m, body, !f.Bad() && known && header > 0 && body >= 0 && m.rows >= 0
}

// lookUp is the value of a key in a message's own metadata; "" for none.
func lookUp(head []byte, key string) string {
	f := flatbuf.New(head)
	return f.LookUp(f.Field(f.Root(), 4), key)
}

// maxFields bounds the fields of a schema, those in others included, and their depth.
const (
	maxFields = 1 << 14
	maxDepth  = 32
)
