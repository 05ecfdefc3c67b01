package otap

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// pointField is a column of a sort of data points and the field that fills it.
type pointField struct {
	col *emitCol
	put func(c *emitCol, row int, cur *wire.Cursor) error
}

// pointShape tells how one sort of data points is written: by field tag.
type pointShape struct {
	cols      []*emitCol
	byTag     map[uint32]pointField
	attrs     uint32
	exemplars uint32
	// packed are tags of repeated numbers whose unpacked form is seldom: their lists are
	// gathered before they are set.
	lists map[uint32]*pointList
}

// pointList gathers a repeated number of one point.
type pointList struct {
	col    *emitCol
	packed bool // the tag is that of the packed form
	varint bool
	got    *[]uint64
}

// pointTable is a sort of data points with their attributes and exemplars.
type pointTable struct {
	*emitTable
	childIDs
	pointShape
	e         *encoder
	attrs     *attrTable
	exemplars *exemplarTable
}

func newPointTable(e *encoder, payload, attrs, exemplars, exemplarAttrs uint64, shape pointShape) *pointTable {
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
	c := wire.NewCursor(b)
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
			if err := t.field(tag, row, &c); err != nil {
				return err
			}
		}
	}
	if c.Err() != nil {
		return c.Err()
	}
	t.putLists(row)
	if children > 0 {
		t.named(row)
	}
	t.up(row, metric, true)
	t.require(row)
	t.rows++
	return nil
}

func (t *pointTable) field(tag uint32, row int, c *wire.Cursor) error {
	if f, ok := t.byTag[tag]; ok {
		if f.col.rows > row { // once more: the last counts
			f.col.drop()
		}
		return under(f.col.name, f.put(f.col, row, c))
	}
	if l, ok := t.lists[tag]; ok {
		return under(l.col.name, l.gather(c))
	}
	t.e.lost.UnknownFields++
	return nil
}

// require sets the columns that no row may lack.
func (t *pointTable) require(row int) {
	for _, c := range t.pointShape.cols {
		if c.required && c.rows <= row {
			c.u64(row, 0)
		}
	}
}

func (t *pointTable) putLists(row int) {
	for _, l := range t.lists {
		if len(*l.got) == 0 {
			continue
		}
		item := l.col.list(row)
		for _, v := range *l.got {
			item.u64(item.rows, v)
		}
		*l.got = (*l.got)[:0]
	}
}

func (l *pointList) gather(c *wire.Cursor) error {
	switch {
	case !l.packed && l.varint:
		*l.got = append(*l.got, c.Varint())
	case !l.packed:
		*l.got = append(*l.got, c.Fixed64())
	case l.varint:
		return wire.Varints(c.Bytes(), func(v uint64) bool { *l.got = append(*l.got, v); return true })
	default:
		packed := c.Bytes()
		for ; len(packed) >= 8; packed = packed[8:] {
			*l.got = append(*l.got, binary.LittleEndian.Uint64(packed))
		}
		if len(packed) > 0 {
			return fmt.Errorf("%d bytes left over", len(packed))
		}
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
	s := pointShape{byTag: map[uint32]pointField{}, lists: map[uint32]*pointList{}, attrs: wire.Tag(attrs, wire.Bytes)}
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
	s.byTag[tag] = pointField{c, put}
}

// list adds a repeated number, which may come packed or not.
func (s *pointShape) list(field uint32, name string, item emitType, varint bool) {
	c := listCol(name, plainCol("item", item))
	s.cols = append(s.cols, c)
	got := new([]uint64)
	typ := wire.Fixed64
	if varint {
		typ = wire.Varint
	}
	s.lists[wire.Tag(field, wire.Bytes)] = &pointList{col: c, packed: true, varint: varint, got: got}
	s.lists[wire.Tag(field, typ)] = &pointList{col: c, varint: varint, got: got}
}

func fixed(field uint32) uint32 { return wire.Tag(field, wire.Fixed64) }

func numberPoint() pointShape {
	s := newPointShape(8, 7, 5)
	whole, double := plainCol("int_value", tI64), plainCol("double_value", tF64)
	s.add(fixed(6), whole, oneOf(double))
	s.add(fixed(4), double, oneOf(whole))
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
	s.add(fixed(4), plainCol("count", tU64), putMoment)
	s.add(fixed(5), plainCol("sum", tF64), putFixed)
	quantile, value := plainCol("quantile", tF64), plainCol("value", tF64)
	list := listCol("quantile", structCol("item", quantile, value))
	s.cols = append(s.cols, list)
	s.byTag[wire.Tag(6, wire.Bytes)] = pointField{list, func(c *emitCol, row int, cur *wire.Cursor) error {
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
		case fixed(1):
			q = c.Fixed64()
		case fixed(2):
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
	s.add(fixed(4), plainCol("count", tU64), putMoment)
	s.add(fixed(5), plainCol("sum", tF64), putFixed)
	s.add(fixed(11), plainCol("min", tF64), putFixed)
	s.add(fixed(12), plainCol("max", tF64), putFixed)
	s.list(6, "bucket_counts", tU64, false)
	s.list(7, "explicit_bounds", tF64, false)
	return s
}

func expPoint() pointShape {
	s := newPointShape(10, 1, 11)
	s.add(fixed(4), plainCol("count", tU64), putMoment)
	s.add(fixed(5), plainCol("sum", tF64), putFixed)
	s.add(wire.Tag(6, wire.Varint), plainCol("scale", tI32), putSint)
	s.add(fixed(7), plainCol("zero_count", tU64), putMoment)
	s.add(fixed(12), plainCol("min", tF64), putFixed)
	s.add(fixed(13), plainCol("max", tF64), putFixed)
	s.add(fixed(14), plainCol("zero_threshold", tF64), putFixed)
	s.buckets(8, "positive")
	s.buckets(9, "negative")
	return s
}

// buckets adds a Buckets message, a struct of offset and counts.
func (s *pointShape) buckets(field uint32, name string) {
	offset, counts := plainCol("offset", tI32), listCol("bucket_counts", plainCol("item", tU64))
	offset.seen, counts.seen = true, true // the reference panics where one is missing
	s.add(wire.Tag(field, wire.Bytes), structCol(name, offset, counts), func(c *emitCol, row int, cur *wire.Cursor) error {
		return putBuckets(c, row, offset, counts, cur.Bytes())
	})
}

func putBuckets(c *emitCol, row int, offset, counts *emitCol, b []byte) error {
	var got []uint64
	var at int32
	packed := pointList{packed: true, varint: true, got: &got}
	cur := wire.NewCursor(b)
	for cur.Next() {
		switch cur.Tag() {
		case wire.Tag(1, wire.Varint):
			at = cur.Sint32()
		case wire.Tag(2, wire.Bytes):
			if err := packed.gather(&cur); err != nil {
				return under("bucket_counts", err)
			}
		case wire.Tag(2, wire.Varint):
			got = append(got, cur.Varint())
		}
	}
	c.mark(row)
	offset.u32(row, uint32(at))
	if len(got) == 0 {
		return cur.Err()
	}
	item := counts.list(row)
	for _, v := range got {
		item.u64(item.rows, v)
	}
	return cur.Err()
}

// required sets a text that no row may lack.
func required(c *emitCol, row int, v []byte) error {
	if c.raw(row, v) && !utf8.Valid(v) {
		return under(c.name, errNotUTF8)
	}
	return nil
}
