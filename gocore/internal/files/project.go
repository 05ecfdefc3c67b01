package files

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
)

// Some columns of a batch are some of its nodes and buffers, and the dictionaries that belong to
// them: so they can be given without being decoded, behind a head that is made anew.
//
//	nodes    │ a │ b │ b │ c │        wanted: c, a        │ c │ a │
//	buffers  │ a a │ b b b │ c c │    ─────────────>      │ c c │ a a │

// Projection gives some columns of a file. It is for one goroutine, and the Reader is its own.
type Projection struct {
	reader         *Reader
	nodes, buffers []int // of a batch, in the wanted order
	ids            map[int64]int64
	allNodes       int
	allBuffers     int
	body           body
	at             []extent // where the buffers lie in the file's message
	message        Message
	whole          bool // of the body
}

// share is what a column has of its batch: how many of each.
type share struct{ nodes, buffers, dictionaries int }

// Project gives the fields of such numbers, in their order, with such ids for their dictionaries;
// nil where a column has a type whose parts are not known here.
func (r *Reader) Project(fields []int, ids []int64) *Projection {
	p := &Projection{reader: r, ids: map[int64]int64{}}
	begins := make([]share, 1, r.schema.NumFields()+1)
	for _, field := range r.schema.Fields() {
		s := begins[len(begins)-1]
		if !s.add(field.Type) {
			return nil
		}
		begins = append(begins, s)
	}
	end := begins[len(begins)-1]
	if end.dictionaries != len(r.ids) {
		return nil
	}
	p.allNodes, p.allBuffers = end.nodes, end.buffers
	for _, i := range fields {
		from, to := begins[i], begins[i+1]
		p.nodes = append(p.nodes, rangeOf(from.nodes, to.nodes)...)
		p.buffers = append(p.buffers, rangeOf(from.buffers, to.buffers)...)
		for _, id := range r.ids[from.dictionaries:to.dictionaries] {
			if len(ids) == 0 {
				return nil
			}
			p.ids[id], ids = ids[0], ids[1:]
		}
	}
	return p
}

// rangeOf are the numbers from one on and below another.
func rangeOf(from, to int) (all []int) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// add counts a column of a type in, and is false for types that are not in files of ours.
func (s *share) add(t arrow.DataType) bool {
	s.nodes++
	switch t := t.(type) {
	case *arrow.DictionaryType:
		s.buffers += 2
		s.dictionaries++
		return true
	case *arrow.StringType, *arrow.BinaryType:
		s.buffers += 3
		return true
	case *arrow.ListType:
		s.buffers += 2
		return s.add(t.Elem())
	case *arrow.MapType:
		s.buffers += 2
		return s.add(t.Elem())
	case *arrow.StructType:
		s.buffers++
		return !slices.ContainsFunc(t.Fields(), func(f arrow.Field) bool { return !s.add(f.Type) })
	case *arrow.BooleanType, *arrow.FixedSizeBinaryType, *arrow.TimestampType, *arrow.Float64Type,
		*arrow.Int32Type, *arrow.Int64Type, *arrow.Uint32Type, *arrow.Uint64Type:
		s.buffers += 2
		return true
	}
	return false
}

// Next gives the next message's head, valid until the following call, and how long its body is;
// io.EOF behind the last batch.
func (p *Projection) Next() (head []byte, body int, err error) {
	for {
		if p.message, err = p.reader.Next(); err != nil {
			return nil, 0, err
		}
		if p.message.Batch {
			head, err = p.batch()
		} else {
			head, err = p.dictionary()
		}
		if err != nil {
			return nil, 0, p.reader.damage(err)
		}
		if head != nil {
			return head[framing:], p.body.length, nil
		}
	}
}

// dictionary is the head of a dictionary, which has another id now; nil where it is not wanted.
func (p *Projection) dictionary() ([]byte, error) {
	f := flatbuf.New(p.reader.messages.head)
	at := f.Table(f.Field(f.Root(), 2))
	id, wanted := p.ids[int64(f.Word(f.Field(at, 0)))]
	if delta := f.Byte(f.Field(at, 2)); delta != 0 || f.Bad() {
		return nil, errGarbage
	}
	if !wanted {
		return nil, nil
	}
	data := f.Table(f.Field(at, 1))
	if err := p.parts(f, data, nil, nil); err != nil {
		return nil, err
	}
	p.body.length, p.whole = p.message.Body, true
	h := p.headWriter(f, data)
	return h.dictionary(id, int(f.Word(f.Field(data, 0))), &p.body), nil
}

// batch is the head of a batch of the wanted columns.
func (p *Projection) batch() ([]byte, error) {
	f := flatbuf.New(p.reader.messages.head)
	data := f.Table(f.Field(f.Root(), 2))
	if err := p.parts(f, data, p.nodes, p.buffers); err != nil {
		return nil, err
	}
	p.at = append(p.at[:0], p.body.buffers...)
	p.body.length, p.whole = 0, false
	for i := range p.body.buffers {
		p.body.buffers[i].offset = p.body.length
		p.body.length += (p.body.buffers[i].length + 7) &^ 7
	}
	h := p.headWriter(f, data)
	return h.batch(int(p.message.Rows), &p.body), nil
}

// parts reads some of a record batch's nodes and buffers, or all of them where none are named.
func (p *Projection) parts(f *flatbuf.Reader, data int, nodes, buffers []int) error {
	foundNodes, foundBuffers := f.Structs(f.Field(data, 1)), f.Structs(f.Field(data, 2))
	if f.Bad() {
		return errGarbage
	}
	if p.message.Batch {
		if len(foundNodes) != p.allNodes || len(foundBuffers) != p.allBuffers {
			return fmt.Errorf("%w: a batch of %d nodes and %d buffers, and not %d and %d", errGarbage, len(foundNodes), len(foundBuffers), p.allNodes, p.allBuffers)
		}
	} else {
		nodes, buffers = rangeOf(0, len(foundNodes)), rangeOf(0, len(foundBuffers))
	}
	p.body.nodes, p.body.buffers = p.body.nodes[:0], p.body.buffers[:0]
	for _, i := range nodes {
		p.body.nodes = append(p.body.nodes, node{int(f.Word(foundNodes[i])), int(f.Word(foundNodes[i] + 8))})
	}
	for _, i := range buffers {
		offset, length := f.Word(foundBuffers[i]), f.Word(foundBuffers[i]+8)
		if end := offset + length; end < offset || end > uint64(p.message.Body) {
			return errGarbage
		}
		p.body.buffers = append(p.body.buffers, extent{int(offset), int(length)})
	}
	return nil
}

// headWriter is one for the compression that a record batch has.
func (p *Projection) headWriter(f *flatbuf.Reader, data int) headWriter {
	codec := int8(-1)
	if at := f.Field(data, 3); at != 0 {
		codec = int8(f.Byte(f.Field(f.Table(at), 0)))
	}
	return headWriter{flatbuffers.NewBuilder(1024), codec}
}

// Copy puts the body of the message that Next gave last into memory of its size.
func (p *Projection) Copy(into []byte) error {
	if p.whole {
		return p.read(into, 0)
	}
	for i, from := range p.at {
		to := p.body.buffers[i].offset
		if err := p.read(into[to:to+from.length], from.offset); err != nil {
			return err
		}
		clear(into[to+from.length : to+(from.length+7)&^7])
	}
	return nil
}

func (p *Projection) read(into []byte, offset int) error {
	if n, err := p.reader.ahead.ReadAt(into, p.message.at+int64(offset)); n < len(into) {
		return p.reader.damage(err)
	}
	return nil
}
