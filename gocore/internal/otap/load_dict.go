package otap

import (
	"fmt"
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
)

// dictionary is what a stream's dictionary batches have brought so far, ready to be used: a
// batch adds to it and reads only what its rows use.
type dictionary struct {
	id      uint64
	values  column // as the last message had them
	record  record
	words   []uint64 // numbers, or spans of content
	content []byte
}

// nothing is what stands for a null value. Among numbers that is 0.
func (d *dictionary) nothing() uint64 {
	if d.values.typ.isText() {
		return noSpan
	}
	return 0
}

// isText tells whether a type's values are texts, binaries or ids.
func (t valueType) isText() bool {
	switch t.kind {
	case fbUtf8, fbBinary, fbLargeUtf8, fbLargeBinary:
		return true
	}
	return t.kind == fbFixedBinary && t.width > 0
}

// isNumber tells whether a type's values are what spread takes.
func (t valueType) isNumber() bool { return t.kind == fbBool || t.kind != fbFixedBinary && t.width > 0 }

// offsetWidth is the size of a text type's offsets, 0 where it has none.
func (t valueType) offsetWidth() int {
	switch t.kind {
	case fbUtf8, fbBinary:
		return 4
	case fbLargeUtf8, fbLargeBinary:
		return 8
	}
	return 0
}

// define takes a dictionary message.
func (r *reader) define(head, body []byte, in *inflater, s *store) error {
	f := flatbuf.New(head)
	message := f.Table(f.Field(f.Root(), messageHeader))
	id := f.Word(f.Field(message, dictionaryBatchID))
	d := r.dictionary(id)
	if d == nil {
		return fmt.Errorf("dictionary %d belongs to no column", id)
	}
	p := newPieces(f, f.Table(f.Field(message, dictionaryBatchData)), body, &d.record)
	p.column(&d.values)
	if err := p.err(); err != nil {
		return err
	}
	if f.Byte(f.Field(message, dictionaryIsDelta)) == 0 {
		d.words, d.content = d.words[:0], d.content[:0]
	}
	err := r.extend(d, in, s)
	d.record.body = nil
	if err != nil {
		return inColumn(d.values.path, err)
	}
	return nil
}

// extend adds the values that have just come.
func (r *reader) extend(d *dictionary, in *inflater, s *store) error {
	c := &d.values
	had := len(d.words)
	var err error
	if d.words, err = extended(r, s, d.words, c.rows); err != nil {
		return err
	}
	added := d.words[had:]
	valid, err := in.valid(c)
	if err != nil {
		return err
	}
	switch {
	case c.typ.isText():
		err = r.texts(d, added, valid, in, s)
	case c.typ.isNumber():
		var data []byte
		if data, err = in.part(c, 1); err == nil {
			err = c.typ.spread(added, data)
		}
	}
	valid.blank(added, d.nothing())
	return err
}

// texts adds texts to a dictionary, and their spans.
func (r *reader) texts(d *dictionary, spans []uint64, valid validBits, in *inflater, s *store) error {
	c := &d.values
	content, err := c.stored(c.contentPart())
	if err != nil {
		return err
	}
	had := len(d.content)
	if d.content, err = extended(r, s, d.content, content.size+zstdSlack); err != nil {
		return err
	}
	added := d.content[had:]
	d.content = d.content[:had+content.size]
	if err = in.inflate(content, added[:len(added):len(added)]); err != nil {
		return err
	}
	return in.spans(c, spans, had, content.size, valid)
}

// contentPart is which of a text column's buffers has the texts.
func (c *column) contentPart() int { return c.slots - 1 }

// texts fills in the spans of a text column, and gives its content.
func (in *inflater) texts(c *column, out []uint64, valid validBits) (content []byte, err error) {
	if content, err = in.part(c, c.contentPart()); err != nil {
		return nil, err
	}
	return content, in.spans(c, out, 0, len(content), valid)
}

// spans fills in those of a text column's rows, of a content of some size that begins at base.
func (in *inflater) spans(c *column, out []uint64, base, size int, valid validBits) error {
	if base+size > math.MaxUint32 {
		return errContent
	}
	width := c.typ.offsetWidth()
	if width == 0 {
		return fixedSpans(out, base, size, c.typ.width)
	}
	offsets, err := in.part(c, 1)
	if err != nil {
		return err
	}
	if len(offsets) > 0 && len(offsets)/width <= len(out) {
		return errShort
	}
	if bad := spanTexts(out, offsets, width, size, uint64(base), valid); bad >= 0 {
		return errRow(bad)
	}
	return nil
}

// fixedSpans are those of values that all have one width.
func fixedSpans(out []uint64, base, size, width int) error {
	if size/width < len(out) {
		return errShort
	}
	for i := range out {
		out[i] = span(uint64(base+i*width), uint64(width))
	}
	return nil
}

// extended gives n values more, in memory that the stream pays for.
func extended[T byte | uint64](r *reader, s *store, b []T, n int) ([]T, error) {
	if n <= cap(b)-len(b) {
		return b[:len(b)+n], nil
	}
	grown := slab[T]{}
	size := max(len(b)+n, 2*len(b))
	if err := r.hold(s, int64(size)*grown.size()); err != nil {
		return b, err
	}
	r.letGo(s, int64(cap(b))*grown.size())
	return append(make([]T, 0, size), b...)[:len(b)+n], nil
}
