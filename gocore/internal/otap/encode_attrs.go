package otap

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// attrRow is an attribute before sorting. Its value's number counts among those of its kind:
// the column's dictionary, or what pool holds where the column has none.
type attrRow struct {
	parent uint32
	place  uint32 // kind, then the key's number: the coarse order
	value  uint32
}

// attrTable is an attributes table. Rows wait unsorted; flushing sorts them by kind, key and
// value, so that equal ones lie together and only the steps between their parents are left.
type attrTable struct {
	*emitTable
	valueCols
	parent, key *emitCol
	wide        bool // parents have 32 bits
	lost        *Lost

	all     []attrRow
	spare   []attrRow
	follows []uint32 // per key: the one that came behind it last
	before  uint32   // the last key
	last    []uint32 // per key: the row it was last seen in, and one
	pools   [sentKinds]*emitIntern
}

const keyBits = 24 // of a place: a body has fewer distinct keys, see maxBody

func newAttrTable(payload PayloadType, wide bool, lost *Lost) *attrTable {
	t := &attrTable{valueCols: newValueCols(lost), key: dictCol("key", tText, indexU8).must(), wide: wide, lost: lost}
	t.parent = plainCol("parent_id", tU16).must()
	if wide {
		t.parent = dictCol("parent_id", tU32, indexU8).must()
	}
	for kind, width := range map[int]int{kindStr: 0, kindInt: 8, kindDouble: 8, kindBytes: 0, kindMap: 0, kindSlice: 0} {
		t.pools[kind] = newEmitIntern(width)
	}
	t.emitTable = newEmitTable(payload, append([]*emitCol{t.parent, t.key}, t.valueCols.cols()...)...)
	return t
}

// add appends an attribute of a parent whose rows begin at from.
func (t *attrTable) add(parent uint32, from int, keyValue []byte) error {
	key, raw, err := readKeyValue(keyValue, t.lost)
	if err != nil {
		return err
	}
	code, err := t.keyCode(key)
	if err != nil {
		return under("key", err)
	}
	v, err := readAny(raw, t.lost)
	if err != nil {
		return under("value", err)
	}
	value, err := t.number(v)
	if err != nil {
		return under("value", err)
	}
	t.put(attrRow{parent, uint32(v.kind)<<keyBits | code, value}, code, from)
	return nil
}

// keyCode numbers a key. Senders repeat keys in their order, so the one that last followed the
// key before is tried first.
func (t *attrTable) keyCode(key []byte) (uint32, error) {
	keys := t.keys()
	if int(t.before) < len(t.follows) {
		if guess := t.follows[t.before]; int(guess) < keys.n && bytes.Equal(keys.value(guess), key) {
			t.before = guess
			return guess, nil
		}
	}
	code, fresh := keys.code(key)
	if fresh && !utf8.Valid(key) {
		return 0, errNotUTF8
	}
	for int(t.before) >= len(t.follows) {
		t.follows = append(t.follows, 0)
	}
	t.follows[t.before] = code
	t.before = code
	return code, nil
}

// put keeps the last value of a key that comes twice.
func (t *attrTable) put(row attrRow, code uint32, from int) {
	for int(code) >= len(t.last) {
		t.last = append(t.last, 0)
	}
	if at := int(t.last[code]) - 1; at >= from && at < len(t.all) {
		t.lost.DuplicateKeys++
		t.all[at] = row
		return
	}
	t.all = append(t.all, row)
	t.last[code] = uint32(len(t.all))
}

// keys numbers keys: by the dictionary, or by a pool once the column is plain.
func (t *attrTable) keys() *emitIntern { return t.key.dict.in }

// pool is what numbers a kind's values.
func (t *attrTable) pool(kind uint8) *emitIntern {
	if c := t.byKind[kind]; c.coded() {
		return c.dict.in
	}
	return t.pools[kind]
}

// number gives a value its number.
func (t *attrTable) number(v anyValue) (uint32, error) {
	b := v.bytes
	var eight [8]byte
	switch v.kind {
	case kindEmpty:
		return 0, nil
	case kindBool:
		return uint32(min(v.num, 1)), nil
	case kindInt, kindDouble:
		binary.LittleEndian.PutUint64(eight[:], v.num)
		b = eight[:]
	case kindMap, kindSlice:
		var err error
		if b, err = t.serial(v); err != nil {
			return 0, err
		}
	}
	pool := t.pool(v.kind)
	if v.kind != kindDouble && !t.byKind[v.kind].coded() {
		if v.kind == kindStr && !utf8.Valid(b) {
			return 0, errNotUTF8
		}
		pool.append(b) // plain, since nearly every value is another
		return uint32(pool.n - 1), nil
	}
	code, fresh := pool.code(b)
	if fresh && v.kind == kindStr && !utf8.Valid(b) {
		return 0, errNotUTF8
	}
	return code, nil
}

// begin is where the rows of the next parent begin.
func (t *attrTable) from() int { return len(t.all) }

// addAll is add for the attributes of a message in one go.
func (t *attrTable) addAll(parent uint32, message []byte, tag uint32) (bool, error) {
	from, i := t.from(), 0
	c := wire.NewCursor(message)
	for c.Next() {
		if c.Tag() == tag {
			if err := t.add(parent, from, c.Bytes()); err != nil {
				return false, underAt("attributes", i, err)
			}
			i++
		}
	}
	return i > 0, c.Err()
}

// flush sorts, sets parents apart and sends.
func (t *attrTable) flush(message []byte, w *emitIPC) []byte {
	t.sort()
	for i := range t.all {
		t.emit(i)
	}
	t.rows = len(t.all)
	message = t.emitTable.flush(message, w)
	t.reset()
	return message
}

// reset forgets what has been sent.
func (t *attrTable) reset() {
	t.all = t.all[:0]
	clear(t.last)
	for _, pool := range t.pools {
		if pool != nil && pool.n > 0 {
			pool.clear()
		}
	}
	if !t.key.coded() {
		t.keys().clear()
	}
}

func (t *attrTable) restart() {
	t.emitTable.restart()
	t.reset()
	t.key.dict.in.clear()
}

func (t *attrTable) emit(i int) {
	row := t.all[i]
	step := row.parent
	if i > 0 && t.equal(t.all[i-1], row) {
		step -= t.all[i-1].parent
	}
	if t.wide {
		t.parent.u32(i, step)
	} else {
		t.parent.u16(i, uint16(step))
	}
	if code := row.place & (1<<keyBits - 1); t.key.coded() {
		t.key.code(i, code)
	} else {
		t.key.raw(i, t.keys().value(code))
	}
	kind := uint8(row.place >> keyBits)
	t.kind.u8(i, kind)
	switch c := t.byKind[kind]; {
	case c == nil:
	case kind == kindBool:
		c.bool(i, row.value != 0)
	case c.coded():
		c.code(i, row.value)
	default:
		c.raw(i, t.pool(kind).value(row.value))
	}
}

// equal tells whether a reader takes the second row's parent as a step from the first's.
func (t *attrTable) equal(a, b attrRow) bool {
	if a.place != b.place {
		return false
	}
	switch kind := uint8(a.place >> keyBits); kind {
	case kindEmpty, kindMap, kindSlice:
		return false
	case kindBool:
		return a.value == b.value
	case kindDouble:
		pool := t.pools[kindDouble]
		return sameDouble(pool.value(a.value), pool.value(b.value))
	default:
		return a.value == b.value || !t.byKind[kind].coded() && bytes.Equal(t.pools[kind].value(a.value), t.pools[kind].value(b.value))
	}
}

// sameDouble compares as the reference does: 0 is -0, and NaN is nothing.
func sameDouble(a, b []byte) bool {
	return math.Float64frombits(binary.LittleEndian.Uint64(a)) == math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// sort orders by kind, key and value, and leaves parents in their order: radix, low digits first.
func (t *attrTable) sort() {
	var values, places uint32
	for _, r := range t.all {
		values |= r.value
		places |= r.place
	}
	for shift := 0; values>>shift > 0; shift += digitBits {
		t.pass(digit{shift: shift, values: true})
	}
	width := 0
	for places&(1<<keyBits-1)>>width > 0 {
		width++
	}
	for shift := 0; shift < width || places>>keyBits<<width>>shift > 0; shift += digitBits {
		t.pass(digit{shift: shift, width: width})
	}
}

const digitBits = 8

// digit is a part of what rows are sorted by: of the value, or of kind and key side by side.
type digit struct {
	shift, width int // width: of keys, in bits
	values       bool
}

func (d digit) of(r attrRow) uint8 {
	if d.values {
		return uint8(r.value >> d.shift)
	}
	return uint8((r.place>>keyBits<<d.width | r.place&(1<<keyBits-1)) >> d.shift)
}

func (t *attrTable) pass(d digit) {
	var ends [1 << digitBits]uint32
	for _, r := range t.all {
		ends[d.of(r)]++
	}
	sum := uint32(0)
	for i, n := range ends {
		ends[i] = sum
		sum += n
	}
	t.spare = slices.Grow(t.spare[:0], len(t.all))[:len(t.all)]
	for _, r := range t.all {
		at := &ends[d.of(r)]
		t.spare[*at] = r
		*at++
	}
	t.all, t.spare = t.spare, t.all
}

// renumber gives rows the parents that news has for theirs, in the order of those.
func (t *attrTable) renumber(news []uint32) {
	for i := range t.all {
		t.all[i].parent = news[t.all[i].parent]
	}
	slices.SortStableFunc(t.all, func(a, b attrRow) int { return int(a.parent) - int(b.parent) })
}
