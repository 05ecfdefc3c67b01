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
	values  column   // as the last message had them
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
	p := newPieces(f, f.Table(f.Field(message, dictionaryBatchData)), body)
	p.column(&d.values)
	if err := p.err(); err != nil {
		return err
	}
	if f.Byte(f.Field(message, dictionaryIsDelta)) == 0 {
		d.words, d.content = d.words[:0], d.content[:0]
	}
	err := r.extend(d, in, s)
	d.values.parts = [3][]byte{} // as drop does
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
func (r *reader) texts(d *dictionary, added []uint64, valid bits, in *inflater, s *store) error {
	content, err := in.texts(&d.values, added, uint64(len(d.content)), valid)
	if err != nil {
		return err
	}
	had := len(d.content)
	if d.content, err = extended(r, s, d.content, len(content)); err == nil {
		copy(d.content[had:], content)
	}
	return err
}

// texts fills in the spans of a text column, whose content begins at base, and gives the content.
func (in *inflater) texts(c *column, out []uint64, base uint64, valid bits) (content []byte, err error) {
	width := c.typ.offsetWidth()
	if width == 0 {
		return in.fixed(c, out, base)
	}
	offsets, err := in.part(c, 1)
	if err != nil {
		return nil, err
	}
	if content, err = in.part(c, 2); err != nil {
		return nil, err
	}
	if base+uint64(len(content)) > math.MaxUint32 {
		return nil, errContent
	}
	if len(offsets) > 0 && len(offsets)/width <= len(out) {
		return nil, errShort
	}
	if bad := spanTexts(out, offsets, width, len(content), base, valid); bad >= 0 {
		return nil, errRow(bad)
	}
	return content, nil
}

// fixed is texts of values that all have one size.
func (in *inflater) fixed(c *column, out []uint64, base uint64) ([]byte, error) {
	content, err := in.part(c, 1)
	width := c.typ.width
	switch {
	case err != nil:
		return nil, err
	case len(content)/width < len(out):
		return nil, errShort
	case base+uint64(len(content)) > math.MaxUint32:
		return nil, errContent
	}
	for i := range out {
		out[i] = span(base+uint64(i*width), uint64(width))
	}
	return content, nil
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
