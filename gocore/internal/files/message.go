package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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
	if found.kind == kindSchema && !soundSchema(m.head) {
		return message{}, errGarbage
	}
	m.at = found.end
	return found, nil
}

// parseHead reads a Message: version, header type, header, body length, metadata.
func parseHead(b []byte) (m message, body int64, ok bool) {
	f := &flat{bytes: b}
	root := f.table(0)
	m.kind = f.byte(f.field(root, 1))
	header := f.field(root, 2)
	body = int64(f.word(f.field(root, 3)))
	if m.kind == kindBatch {
		m.rows = int64(f.word(f.field(f.table(header), 0)))
	}
	m.tag = f.lookUp(f.field(root, 4), schema.JournalKey)
	known := m.kind >= kindSchema && m.kind <= kindBatch
	return m, body, !f.bad && known && header > 0 && body >= 0 && m.rows >= 0
}

// flat reads a flatbuffer, never beyond its end. Offset 0 stands for a field that is absent.
type flat struct {
	bytes []byte
	bad   bool
}

func (f *flat) at(offset, size int) []byte {
	if offset < 0 || offset > len(f.bytes)-size {
		f.bad = true
		return make([]byte, size)
	}
	return f.bytes[offset : offset+size]
}

func (f *flat) byte(offset int) byte {
	if offset == 0 {
		return 0
	}
	return f.at(offset, 1)[0]
}

func (f *flat) int(offset int) int { return int(int32(binary.LittleEndian.Uint32(f.at(offset, 4)))) }

func (f *flat) word(offset int) uint64 {
	if offset == 0 {
		return 0
	}
	return binary.LittleEndian.Uint64(f.at(offset, 8))
}

// table is where the table, vector or text is that a field refers to.
func (f *flat) table(field int) int { return field + f.int(field) }

// field is where the i-th field of a table lies, 0 where it is absent.
func (f *flat) field(table, i int) int {
	vtable := table - f.int(table)
	size := int(binary.LittleEndian.Uint16(f.at(vtable, 2)))
	if 4+2*i+2 > size {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(f.at(vtable+4+2*i, 2)))
	if offset == 0 {
		return 0
	}
	return table + offset
}

func (f *flat) text(field int) string {
	if field == 0 {
		return ""
	}
	at := f.table(field)
	return string(f.at(at+4, max(0, min(f.int(at), len(f.bytes)))))
}

// lookUp is the value of a key in a vector of KeyValue tables.
func (f *flat) lookUp(field int, key string) string {
	if field == 0 {
		return ""
	}
	for _, pair := range f.tables(field) {
		if f.text(f.field(pair, 0)) == key {
			return f.text(f.field(pair, 1))
		}
	}
	return ""
}

// tables are those of a vector, none when it is longer than there can be room for.
func (f *flat) tables(field int) []int {
	if field == 0 {
		return nil
	}
	at := f.table(field)
	n := f.int(at)
	if n < 0 || n > (len(f.bytes)-at)/4 {
		f.bad = true
		return nil
	}
	all := make([]int, n)
	for i := range all {
		all[i] = f.table(at + 4 + 4*i)
	}
	return all
}

// maxFields bounds the fields of a schema, those in others included, and their depth.
const (
	maxFields = 1 << 14
	maxDepth  = 32
)

// soundSchema tells whether no vector in a schema's head is longer than there is room for:
// arrow-go makes room for what it is told, and what is no memory ends the process.
func soundSchema(head []byte) bool {
	f := &flat{bytes: head}
	at := f.table(f.field(f.table(0), 2))
	left := maxFields
	f.tables(f.field(at, 2))
	f.walk(f.tables(f.field(at, 1)), &left, maxDepth)
	return !f.bad
}

// walk looks at fields and at those below them.
func (f *flat) walk(fields []int, left *int, depth int) {
	for _, field := range fields {
		if *left--; *left < 0 || depth == 0 {
			f.bad = true
		}
		if f.bad {
			return
		}
		f.tables(f.field(field, 6))
		f.walk(f.tables(f.field(field, 5)), left, depth-1)
	}
}
