package otap

import (
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
)

// Fields of RecordBatch and DictionaryBatch in apache/arrow format/Message.fbs.
const (
	batchRows        = 0
	batchNodes       = 1
	batchBuffers     = 2
	batchCompression = 3

	dictionaryBatchID   = 0
	dictionaryBatchData = 1
	dictionaryIsDelta   = 2
)

// pairBytes is the size of a node (rows, nulls) and of a buffer (offset, length).
const pairBytes = 16

// packing is how a record's buffers are compressed, as in Message.fbs but one higher.
func packing(f *flatbuf.Reader, batch int) byte {
	compression := f.Field(batch, batchCompression)
	if compression == 0 {
		return 0
	}
	return 1 + f.Byte(f.Field(f.Table(compression), 0))
}

const (
	packedLZ4  = 1
	packedZstd = 2
)

// pieces gives columns their nodes and buffers, in the order of the schema.
type pieces struct {
	f              *flatbuf.Reader
	node, nodes    int // where the next one is, and how many are left
	part, parts    int
	body           []byte
	codec          byte
	tooFew, beyond bool
}

// record has the columns refer to a record batch, whose bytes they keep.
func (r *reader) record(head, body []byte) error {
	f := flatbuf.New(head)
	batch := f.Table(f.Field(f.Root(), messageHeader))
	p := newPieces(f, batch, body)
	r.rows = int(f.Word(f.Field(batch, batchRows)))
	for i := range r.columns {
		p.column(&r.columns[i])
	}
	return p.err()
}

func newPieces(f *flatbuf.Reader, batch int, body []byte) *pieces {
	p := &pieces{f: f, body: body, codec: packing(f, batch)}
	p.node, p.nodes = f.Vector(f.Field(batch, batchNodes), pairBytes)
	p.part, p.parts = f.Vector(f.Field(batch, batchBuffers), pairBytes)
	return p
}

func (p *pieces) err() error {
	if p.tooFew || p.beyond || p.f.Bad() {
		return errBodies
	}
	return nil
}

func (p *pieces) column(c *column) {
	if p.nodes == 0 {
		p.tooFew = true
		c.rows = 0
		return
	}
	c.rows, c.nulls = int(p.f.Word(p.node)), p.f.Word(p.node+8) != 0
	c.codec = p.codec
	p.node += pairBytes
	p.nodes--
	for i := range c.slots {
		c.parts[i] = p.next()
	}
	for i := range c.children {
		p.column(&c.children[i])
	}
}

func (p *pieces) next() []byte {
	if p.parts == 0 {
		p.tooFew = true
		return nil
	}
	offset, size := p.f.Word(p.part), p.f.Word(p.part+8)
	p.part += pairBytes
	p.parts--
	if end := offset + size; end < offset || end > uint64(len(p.body)) {
		p.beyond = true
		return nil
	}
	return p.body[offset : offset+size]
}

// drop lets go of a record, whose bytes are the message's.
func drop(columns []column) {
	for i := range columns {
		columns[i].parts = [3][]byte{}
		drop(columns[i].children)
	}
}
