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
	of             *record
	tooFew, beyond bool
}

// take has the columns refer to a record batch, whose bytes the reader keeps.
func (r *reader) take(head, body []byte) error {
	f := flatbuf.New(head)
	p := newPieces(f, f.Table(f.Field(f.Root(), messageHeader)), body, &r.record)
	for i := range r.columns {
		p.column(&r.columns[i])
	}
	return p.err()
}

func newPieces(f *flatbuf.Reader, batch int, body []byte, of *record) pieces {
	*of = record{rows: int(f.Word(f.Field(batch, batchRows))), body: body, codec: packing(f, batch)}
	p := pieces{f: f, of: of}
	p.node, p.nodes = f.Vector(f.Field(batch, batchNodes), pairBytes)
	p.part, p.parts = f.Vector(f.Field(batch, batchBuffers), pairBytes)
	return p
}

func (p *pieces) err() error {
	if p.tooFew || p.beyond || p.f.Bad() {
		return flatbuf.ErrBodies
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
	p.node += pairBytes
	p.nodes--
	for i := range c.slots {
		c.parts[i] = p.next()
	}
	for i := range c.children {
		p.column(&c.children[i])
	}
}

func (p *pieces) next() extent {
	if p.parts == 0 {
		p.tooFew = true
		return extent{}
	}
	offset, size := p.f.Word(p.part), p.f.Word(p.part+8)
	p.part += pairBytes
	p.parts--
	if end := offset + size; end < offset || end > uint64(len(p.of.body)) {
		p.beyond = true
		return extent{}
	}
	return extent{int(offset), int(size)}
}
