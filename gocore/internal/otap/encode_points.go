package otap

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// pointField is a column of a sort of data points and the field that fills it. A message is
// kept until the point has been read, since it may come in parts.
type pointField struct {
	col    *emitCol
	put    func(c *emitCol, row int, cur *wire.Cursor) error
	list   *pointList
	part   *[]byte
	counts *pointList // inside the message
	join   func(c *emitCol, row int, message []byte) error
}

// pointShape tells how one sort of data points is written: by field tag, all of one byte.
type pointShape struct {
	cols      []*emitCol
	byTag     [1 << 7]pointField
	attrs     uint32
	exemplars uint32
	lists     []*pointList
	messages  []*pointField
}

// pointList gathers a repeated number of one point, which may come packed or not.
type pointList struct {
	col    *emitCol
	varint bool
	got    []uint64
}

// pointTable is a sort of data points with their attributes and exemplars.
type pointTable struct {
	cursor wire.Cursor // of the point in work: a variable would go to the heap, point by point
	*emitTable
	childIDs
	pointShape
	e         *encoder
	attrs     *attrTable
	exemplars *exemplarTable
}

func newPointTable(e *encoder, payload, attrs, exemplars, exemplarAttrs PayloadType, shape pointShape) *pointTable {
	t := &pointTable{pointShape: shape, childIDs: newChildIDs(), e: e, attrs: newAttrTable(attrs, true, e.lost)}
	t.emitTable = newEmitTable(payload, append([]*emitCol{t.id, t.parent}, shape.cols...)...)
	if exemplars != 0 {
		t.exemplars = newExemplarTable(e, exemplars, exemplarAttrs)
	}
	return t
}

// add appends a point of a metric. Points come in their metrics' order, so parents are steps.
func (t *pointTable) add(metric uint32, b []byte) error {
	row, children := t.rows, 0
	from, exemplars := t.attrs.from(), 0
	t.cursor = wire.NewCursor(b)
	c := &t.cursor
	for c.Next() {
		switch tag := c.Tag(); tag {
		case t.pointShape.attrs:
			if err := t.attrs.add(t.next, from, c.Bytes()); err != nil {
				return underAt("attributes", children-exemplars, err)
			}
			children++
		case t.pointShape.exemplars:
			if err := t.exemplars.add(t.next, c.Bytes()); err != nil {
				return underAt("exemplars", exemplars, err)
			}
			exemplars++
			children++
		default:
			if err := t.field(tag, row, c); err != nil {
				return err
			}
		}
	}
	if c.Err() != nil {
		return c.Err()
	}
	if children > 0 {
		t.named(row)
	}
	t.up(row, metric, true)
	t.rows++
	return t.finishRow(row)
}

func (t *pointTable) field(tag uint32, row int, c *wire.Cursor) error {
	if tag >= uint32(len(t.byTag)) || t.byTag[tag].col == nil {
		t.e.lost.UnknownFields++
		return nil
	}
	switch f := &t.byTag[tag]; {
	case f.list != nil:
		return under(f.col.name, f.list.gather(c, tag))
	case f.part != nil:
		*f.part = joined(*f.part, c.Bytes())
		return nil
	case f.col.rows > row && f.col.typ != tList: // once more: the last counts
		f.col.drop()
		fallthrough
	default:
		return under(f.col.name, f.put(f.col, row, c))
	}
}

// finishRow sets what had to wait for the point's end.
func (t *pointTable) finishRow(row int) error {
	for _, l := range t.lists {
		l.put(row)
	}
	for _, f := range t.messages {
		part := *f.part
		if *f.part = nil; part == nil {
			continue
		}
		if err := f.join(f.col, row, part); err != nil {
			return under(f.col.name, err)
		}
	}
	t.require(row)
	return nil
}

func (t *pointTable) restart() {
	t.emitTable.restart()
	for _, l := range t.lists {
		l.got = l.got[:0]
	}
	for _, f := range t.messages {
		*f.part = nil
		f.counts.got = f.counts.got[:0]
	}
}

// require sets the columns that no row may lack.
func (t *pointTable) require(row int) {
	for _, c := range t.pointShape.cols {
		if c.required && c.rows <= row {
			c.u64(row, 0)
		}
	}
}

// put sets the row's list, unless that is empty.
func (l *pointList) put(row int) {
	if len(l.got) == 0 {
		return
	}
	item := l.col.list(row)
	for _, v := range l.got {
		item.u64(item.rows, v)
	}
	l.got = l.got[:0]
}

func (l *pointList) gather(c *wire.Cursor, tag uint32) error {
	packed := wire.Type(tag&7) == wire.Bytes
	switch {
	case !packed && l.varint:
		l.got = append(l.got, c.Varint())
	case !packed:
		l.got = append(l.got, c.Fixed64())
	case l.varint:
		return wire.Varints(c.Bytes(), func(v uint64) bool { l.got = append(l.got, v); return true })
	default:
		b := c.Bytes()
		for ; len(b) >= 8; b = b[8:] {
			l.got = append(l.got, binary.LittleEndian.Uint64(b))
		}
		return wire.CheckFixed64s(b)
	}
	return nil
}

func putFixed(c *emitCol, row int, cur *wire.Cursor) error { c.u64(row, cur.Fixed64()); return nil }

func putMoment(c *emitCol, row int, cur *wire.Cursor) error {
	moment(c, row, cur.Fixed64())
	return nil
}

func putCount(c *emitCol, row int, cur *wire.Cursor) error {
	count(c, row, uint32(cur.Varint()))
	return nil
}

func putSint(c *emitCol, row int, cur *wire.Cursor) error {
	count(c, row, uint32(cur.Sint32()))
	return nil
}

// newPointShape has what all points have: times and flags at the same places.
func newPointShape(flags, attrs, exemplars uint32) pointShape {
	s := pointShape{attrs: wire.Tag(attrs, wire.Bytes)}
	if exemplars > 0 {
		s.exemplars = wire.Tag(exemplars, wire.Bytes)
	}
	s.add(wire.Tag(2, wire.Fixed64), plainCol("start_time_unix_nano", tTime), putMoment)
	s.add(wire.Tag(3, wire.Fixed64), plainCol("time_unix_nano", tTime).must(), putFixed)
	s.add(wire.Tag(flags, wire.Varint), plainCol("flags", tU32), putCount)
	return s
}

func (s *pointShape) add(tag uint32, c *emitCol, put func(*emitCol, int, *wire.Cursor) error) {
	s.cols = append(s.cols, c)
	s.byTag[tag] = pointField{col: c, put: put}
}

// list adds a repeated number.
func (s *pointShape) list(field uint32, name string, item emitType) {
	l := &pointList{col: listCol(name, plainCol("item", item))}
	s.cols, s.lists = append(s.cols, l.col), append(s.lists, l)
	s.byTag[wire.Tag(field, wire.Bytes)] = pointField{col: l.col, list: l}
	s.byTag[wire.Tag(field, wire.Fixed64)] = pointField{col: l.col, list: l}
}

func fixedTag(field uint32) uint32 { return wire.Tag(field, wire.Fixed64) }

func numberPoint() pointShape {
	s := newPointShape(8, 7, 5)
	whole, double := plainCol("int_value", tI64), plainCol("double_value", tF64)
	s.add(fixedTag(6), whole, oneOf(double))
	s.add(fixedTag(4), double, oneOf(whole))
	return s
}

// oneOf sets a member of a oneof and takes the other away.
func oneOf(other *emitCol) func(*emitCol, int, *wire.Cursor) error {
	return func(c *emitCol, row int, cur *wire.Cursor) error {
		if other.rows > row {
			other.drop()
		}
		return putFixed(c, row, cur)
	}
}

func summaryPoint() pointShape {
	s := newPointShape(8, 7, 0)
	s.add(fixedTag(4), plainCol("count", tU64), putMoment)
	s.add(fixedTag(5), plainCol("sum", tF64), putFixed)
	quantile, value := plainCol("quantile", tF64), plainCol("value", tF64)
	list := listCol("quantile", structCol("item", quantile, value))
	s.cols = append(s.cols, list)
	s.byTag[wire.Tag(6, wire.Bytes)] = pointField{col: list, put: func(c *emitCol, row int, cur *wire.Cursor) error {
		return putQuantile(c, row, quantile, value, cur.Bytes())
	}}
	return s
}

func putQuantile(list *emitCol, row int, quantile, value *emitCol, b []byte) error {
	if list.rows <= row {
		list.list(row)
	}
	item := list.children[0]
	var q, v uint64
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case fixedTag(1):
			q = c.Fixed64()
		case fixedTag(2):
			v = c.Fixed64()
		}
	}
	at := item.rows
	item.mark(at)
	quantile.u64(at, q)
	value.u64(at, v)
	return c.Err()
}

func histogramPoint() pointShape {
	s := newPointShape(10, 9, 8)
	s.add(fixedTag(4), plainCol("count", tU64), putMoment)
	s.add(fixedTag(5), plainCol("sum", tF64), putFixed)
	s.add(fixedTag(11), plainCol("min", tF64), putFixed)
	s.add(fixedTag(12), plainCol("max", tF64), putFixed)
	s.list(6, "bucket_counts", tU64)
	s.list(7, "explicit_bounds", tF64)
	return s
}

func expPoint() pointShape {
	s := newPointShape(10, 1, 11)
	s.add(fixedTag(4), plainCol("count", tU64), putMoment)
	s.add(fixedTag(5), plainCol("sum", tF64), putFixed)
	s.add(wire.Tag(6, wire.Varint), plainCol("scale", tI32), putSint)
	s.add(fixedTag(7), plainCol("zero_count", tU64), putMoment)
	s.add(fixedTag(12), plainCol("min", tF64), putFixed)
	s.add(fixedTag(13), plainCol("max", tF64), putFixed)
	s.add(fixedTag(14), plainCol("zero_threshold", tF64), putFixed)
	s.buckets(8, "positive")
	s.buckets(9, "negative")
	return s
}

// buckets adds a Buckets message, a struct of offset and counts.
func (s *pointShape) buckets(field uint32, name string) {
	offset, counts := plainCol("offset", tI32), &pointList{varint: true, col: listCol("bucket_counts", plainCol("item", tU64))}
	offset.seen, counts.col.seen = true, true // the reference panics where one is missing
	f := &pointField{col: structCol(name, offset, counts.col), part: new([]byte), counts: counts}
	f.join = func(c *emitCol, row int, message []byte) error { return putBuckets(c, row, offset, counts, message) }
	s.cols, s.messages = append(s.cols, f.col), append(s.messages, f)
	s.byTag[wire.Tag(field, wire.Bytes)] = *f
}

func putBuckets(c *emitCol, row int, offset *emitCol, counts *pointList, b []byte) error {
	var at int32
	cur := wire.NewCursor(b)
	for cur.Next() {
		switch tag := cur.Tag(); tag {
		case wire.Tag(1, wire.Varint):
			at = cur.Sint32()
		case wire.Tag(2, wire.Bytes), wire.Tag(2, wire.Varint):
			if err := counts.gather(&cur, tag); err != nil {
				return under("bucket_counts", err)
			}
		}
	}
	c.mark(row)
	offset.u32(row, uint32(at))
	counts.put(row)
	return cur.Err()
}

// required sets a text that no row may lack.
func required(c *emitCol, row int, v []byte) error {
	if c.raw(row, v) && !utf8.Valid(v) {
		return under(c.name, errNotUTF8)
	}
	return nil
}
