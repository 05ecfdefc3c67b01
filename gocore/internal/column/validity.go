package column

import "github.com/apache/arrow-go/v18/arrow/memory"

// validity is a bitmap, one bit per value, that is only made at the first null. Bits at
// and beyond len are zero in the last byte.
type validity struct {
	bits   []byte
	active bool // bits are in use
	len    int
	nulls  int
}

func (v *validity) valid() {
	if v.active {
		v.push(true)
	}
	v.len++
}

func (v *validity) validN(n int) {
	if v.active {
		for i := range n {
			v.pushAt(v.len+i, true)
		}
	}
	v.len += n
}

func (v *validity) null() { v.nullN(1) }

func (v *validity) nullN(n int) {
	if n == 0 {
		return
	}
	if !v.active {
		v.fill()
	}
	for need := (v.len + n + 7) / 8; len(v.bits) < need; {
		v.bits = append(v.bits, 0)
	}
	v.len += n
	v.nulls += n
}

// fill makes the bitmap for the values that came before the first null.
func (v *validity) fill() {
	v.active = true
	v.bits = v.bits[:0]
	for range v.len / 8 {
		v.bits = append(v.bits, 0xff)
	}
	if rest := v.len % 8; rest > 0 {
		v.bits = append(v.bits, 1<<rest-1)
	}
}

func (v *validity) push(set bool) { v.pushAt(v.len, set) }

func (v *validity) pushAt(i int, set bool) {
	if i%8 == 0 {
		v.bits = append(v.bits, 0)
	}
	if set {
		v.bits[i/8] |= 1 << (i % 8)
	}
}

func (v *validity) isNull(i int) bool {
	return v.active && v.bits[i/8]&(1<<(i%8)) == 0
}

func (v *validity) set(i int, valid bool) {
	if valid {
		v.bits[i/8] |= 1 << (i % 8)
		v.nulls--
	} else {
		v.bits[i/8] &^= 1 << (i % 8)
		v.nulls++
	}
}

func (v *validity) truncate(n int) {
	for i := n; i < v.len && v.nulls > 0; i++ {
		if v.isNull(i) {
			v.nulls--
		}
	}
	v.len = n
	if !v.active {
		return
	}
	v.bits = v.bits[:(n+7)/8]
	if rest := n % 8; rest > 0 {
		v.bits[n/8] &= 1<<rest - 1
	}
}

// reset keeps the memory, which the next null takes into use.
func (v *validity) reset() { v.len, v.nulls, v.active = 0, 0, false }

// buffer is nil where nothing is null: Arrow takes that as all valid.
func (v *validity) buffer() *memory.Buffer {
	if v.nulls == 0 {
		return nil
	}
	return memory.NewBufferBytes(v.bits)
}
