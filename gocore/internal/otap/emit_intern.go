package otap

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// emitIntern numbers distinct values in the order of their coming. The values lie as Arrow
// wants a dictionary: one behind the other, with offsets where they differ in length. The
// hash table is open; a slot holds a value's number and one, and the upper half of its hash.
type emitIntern struct {
	width int // of each value; 0: they differ
	data  []byte
	offs  []byte // of n+1 int32, little endian; unused where width is set
	n     int
	slots []emitSlot
}

type emitSlot struct{ hash, code uint32 }

func newEmitIntern(width int) *emitIntern {
	in := &emitIntern{width: width, slots: make([]emitSlot, 64)}
	in.clear()
	return in
}

func (in *emitIntern) clear() {
	in.data, in.n = in.data[:0], 0
	in.offs = append(in.offs[:0], 0, 0, 0, 0)
	clear(in.slots)
}

// value is that of a number.
func (in *emitIntern) value(code uint32) []byte {
	if in.width > 0 {
		return in.data[int(code)*in.width:][:in.width]
	}
	at := in.offs[int(code)*4:]
	return in.data[binary.LittleEndian.Uint32(at):binary.LittleEndian.Uint32(at[4:])]
}

// size is that of the values from one on, without offsets.
func (in *emitIntern) size(from int) int {
	if in.width > 0 {
		return len(in.data) - from*in.width
	}
	return len(in.data) - int(binary.LittleEndian.Uint32(in.offs[from*4:]))
}

// code is a value's number, and whether it is new.
func (in *emitIntern) code(v []byte) (uint32, bool) {
	sum := xxh3.Hash(v)
	hash, mask := uint32(sum>>32), uint32(len(in.slots)-1)
	for i := uint32(sum) & mask; ; i = (i + 1) & mask {
		switch s := &in.slots[i]; {
		case s.code == 0:
			in.append(v)
			*s = emitSlot{hash, uint32(in.n)}
			if in.n*2 > len(in.slots) {
				in.grow()
			}
			return uint32(in.n - 1), true
		case s.hash == hash && bytes.Equal(in.value(s.code-1), v):
			return s.code - 1, false
		}
	}
}

func (in *emitIntern) append(v []byte) {
	in.data = append(in.data, v...)
	if in.width == 0 {
		in.offs = binary.LittleEndian.AppendUint32(in.offs, uint32(len(in.data)))
	}
	in.n++
}

func (in *emitIntern) grow() {
	in.slots = make([]emitSlot, 2*len(in.slots))
	mask := uint32(len(in.slots) - 1)
	for code := range uint32(in.n) {
		sum := xxh3.Hash(in.value(code))
		i := uint32(sum) & mask
		for in.slots[i].code != 0 {
			i = (i + 1) & mask
		}
		in.slots[i] = emitSlot{uint32(sum >> 32), code + 1}
	}
}

// keep leaves the values whose numbers codes has, renumbers codes, and tells how many remain.
func (in *emitIntern) keep(codes []uint32) {
	old := emitIntern{width: in.width, data: in.data, offs: in.offs}
	news := make([]uint32, in.n) // a number and one
	in.data, in.offs, in.n = nil, nil, 0
	clear(in.slots)
	in.offs = []byte{0, 0, 0, 0}
	for i, code := range codes {
		if code == noCode {
			continue
		}
		if news[code] == 0 {
			fresh, _ := in.code(old.value(code))
			news[code] = fresh + 1
		}
		codes[i] = news[code] - 1
	}
}
