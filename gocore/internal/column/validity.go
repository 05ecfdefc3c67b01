package column

import "github.com/apache/arrow-go/v18/arrow/memory"

// bitmap is one bit per value; those at and beyond len are zero in the last byte.
type bitmap struct {
	bits []byte
	len  int
}

func (m *bitmap) push(set bool) {
	if m.len%8 == 0 {
		push(&m.bits, 0)
	}
	if set {
		m.bits[m.len/8] |= 1 << (m.len % 8)
	}
	m.len++
}

// pushN fills up the last byte, and then whole ones.
func (m *bitmap) pushN(set bool, n int) {
	from := m.len
	m.len += n
	whole := byte(0)
	if set {
		whole = 0xff
		if from%8 != 0 {
			m.bits[from/8] |= whole << (from % 8)
		}
	}
	m.bits = appendN(m.bits, whole, (m.len+7)/8-len(m.bits))
	m.clip()
}

// clip clears what lies beyond the end in the last byte.
func (m *bitmap) clip() {
	if rest := m.len % 8; rest > 0 {
		m.bits[m.len/8] &= 1<<rest - 1
	}
}

func (m *bitmap) get(i int) bool { return m.bits[i/8]&(1<<(i%8)) != 0 }

func (m *bitmap) truncate(n int) {
	m.len = n
	m.bits = m.bits[:(n+7)/8]
	m.clip()
}

func (m *bitmap) reset() { m.bits, m.len = m.bits[:0], 0 }

// validity is the bitmap of a column's nulls, which is only kept from the first null on: the
// methods are told how many values the column had before, and valid ones cost next to nothing
// until then.
type validity struct {
	bitmap
	active bool // the bitmap is kept
	nulls  int
}

func (v *validity) valid() {
	if v.active {
		v.push(true)
	}
}

func (v *validity) validN(n int) {
	if v.active {
		v.pushN(true, n)
	}
}

func (v *validity) null(before int) {
	v.activate(before)
	v.push(false)
	v.nulls++
}

func (v *validity) nullN(before, n int) {
	if n > 0 {
		v.activate(before)
		v.pushN(false, n)
		v.nulls += n
	}
}

func (v *validity) activate(before int) {
	if !v.active {
		v.active = true
		v.bitmap.reset()
		v.pushN(true, before)
	}
}

func (v *validity) isNull(i int) bool { return v.active && !v.get(i) }

func (v *validity) set(i int, valid bool) {
	if valid {
		v.bits[i/8] |= 1 << (i % 8)
		v.nulls--
	} else {
		v.bits[i/8] &^= 1 << (i % 8)
		v.nulls++
	}
}

// repeat adds the values [from, to) once more.
func (v *validity) repeat(from, to int) {
	for i := from; i < to && v.active; i++ {
		null := v.isNull(i)
		v.push(!null)
		if null {
			v.nulls++
		}
	}
}

func (v *validity) truncate(n int) {
	if !v.active {
		return
	}
	for i := n; i < v.len && v.nulls > 0; i++ {
		if v.isNull(i) {
			v.nulls--
		}
	}
	v.bitmap.truncate(n)
}

// reset keeps the memory, which the next null takes into use.
func (v *validity) reset() { v.active, v.nulls = false, 0 }

// buffer is nil where nothing is null: Arrow takes that as all valid.
func (v *validity) buffer() *memory.Buffer {
	if v.nulls == 0 {
		return nil
	}
	return memory.NewBufferBytes(v.bits)
}
