package column

import "github.com/apache/arrow-go/v18/arrow/memory"

// validity is a bitmap, one bit per value, that is only made at the first null.
type validity struct {
	bits  []byte
	len   int
	nulls int
}

func (v *validity) valid() {
	if v.bits != nil {
		v.push(true)
	}
	v.len++
}

func (v *validity) null() {
	if v.bits == nil {
		v.fill()
	}
	v.push(false)
	v.len++
	v.nulls++
}

// fill makes the bitmap for the values that came before the first null.
func (v *validity) fill() {
	v.bits = make([]byte, 0, max(64, v.len/4))
	for range v.len / 8 {
		v.bits = append(v.bits, 0xff)
	}
	if rest := v.len % 8; rest > 0 {
		v.bits = append(v.bits, 1<<rest-1)
	}
}

func (v *validity) push(set bool) {
	if v.len%8 == 0 {
		v.bits = append(v.bits, 0)
	}
	if set {
		v.bits[v.len/8] |= 1 << (v.len % 8)
	}
}

func (v *validity) isNull(i int) bool {
	return v.bits != nil && v.bits[i/8]&(1<<(i%8)) == 0
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
	if v.bits == nil {
		return
	}
	v.bits = v.bits[:(n+7)/8]
	if rest := n % 8; rest > 0 {
		v.bits[n/8] &= 1<<rest - 1
	}
}

func (v *validity) reset() {
	v.len, v.nulls = 0, 0
	if v.bits != nil {
		v.bits = v.bits[:0]
	}
}

// buffer is nil where nothing is null: Arrow takes that as all valid.
func (v *validity) buffer() *memory.Buffer {
	if v.nulls == 0 {
		return nil
	}
	return memory.NewBufferBytes(v.bits)
}
