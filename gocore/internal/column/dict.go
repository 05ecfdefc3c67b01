package column

import (
	"bytes"
	"errors"
	"hash/maphash"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"
)

// ErrUTF8 says that a text is not valid UTF-8, which protobuf asks of strings.
var ErrUTF8 = errors.New("invalid UTF-8")

// Dict is the distinct texts of a column in the order they came, found through an
// open-addressed table. A text is checked for UTF-8 only when it is new.
//
//	slots:   [ 3 | . | 1 | 2 ]   entry + 1 in the low bits, of the hash in the high ones
//	hashes:  [ h0 h1 h2 ]        kept for growing; seeded, so that no sender can make them collide
//	offsets: [ 0 a b c ]  data: "text0text1text2"
//
// A slot is free at 0; probing is linear. Slots are small because looking at one is mostly a
// cache miss, and the bits of the hash spare most looks at other texts.
type Dict struct {
	// Grown, if set, is increased by what each new text takes, in bytes.
	Grown *int
	// Stable keeps a hash of each text that is the same in every process, see Hash.
	Stable bool

	slots   []uint32 // 2^n of them, at most half in use
	seed    maphash.Seed
	hashes  []uint64
	stable  []uint64 // xxh3
	offsets []int32
	data    []byte
	cuts    uint32
}

// entryCost is about what a text takes beside its bytes: slots, hashes, offset.
const entryCost = 32

// ErrFull says that the texts of a column do not fit Arrow's 32-bit offsets.
var ErrFull = errors.New("more than 2 GiB of text in a column")

// Cuts counts how often texts were taken out: an index remembered before is good as long as
// it stays the same.
func (d *Dict) Cuts() uint32 { return d.cuts }

// Len is the number of texts.
func (d *Dict) Len() int { return len(d.hashes) }

// Text is the i-th text; it is good until the next change.
func (d *Dict) Text(i int32) []byte { return d.data[d.offsets[i]:d.offsets[i+1]] }

// Hash is the i-th text's xxh3, the same in every process; only if Stable is set.
func (d *Dict) Hash(i int32) uint64 { return d.stable[i] }

// Index finds or adds a text.
func (d *Dict) Index(text []byte) (int32, error) {
	if len(d.slots) == 0 {
		d.begin(leastSlots)
	}
	h := maphash.Bytes(d.seed, text)
	mask := uint32(len(d.slots) - 1)
	at, wanted := uint32(h)&mask, uint32(h>>32)&^mask
	for slot := d.slots[at]; slot != 0; slot = d.slots[at] {
		if i := int32(slot&mask) - 1; slot&^mask == wanted && bytes.Equal(d.Text(i), text) { // below half of the slots
			return i, nil
		}
		at = (at + 1) & mask
	}
	if !utf8.Valid(text) {
		return 0, ErrUTF8
	}
	if len(d.data)+len(text) > math.MaxInt32 {
		return 0, ErrFull
	}
	return d.add(text, h, at), nil
}

const leastSlots = 256

// begin makes an empty table of slots, 2^n of them.
func (d *Dict) begin(slots int) {
	d.slots, d.offsets, d.seed = make([]uint32, max(slots, leastSlots)), append(d.offsets, 0), maphash.MakeSeed()
}

func (d *Dict) add(text []byte, h uint64, at uint32) int32 {
	push(&d.hashes, h)
	if d.Stable {
		push(&d.stable, xxh3.Hash(text))
	}
	if d.Grown != nil {
		*d.Grown += entryCost + len(text)
	}
	pushAll(&d.data, text)
	push(&d.offsets, int32(len(d.data))) // checked by Index
	n := len(d.hashes)
	d.slots[at] = d.slot(h, n-1)
	if n*2 > len(d.slots) {
		d.grow()
	}
	return int32(n - 1) // there are fewer than bytes
}

// grow places the entries in their order again, so that Truncate can take the last ones out.
func (d *Dict) grow() {
	d.slots = make([]uint32, len(d.slots)*2)
	mask := uint32(len(d.slots) - 1)
	for i, h := range d.hashes {
		at := uint32(h) & mask
		for d.slots[at] != 0 {
			at = (at + 1) & mask
		}
		d.slots[at] = d.slot(h, i)
	}
}

// slot joins an entry and the bits of its hash that have room beside it.
func (d *Dict) slot(h uint64, i int) uint32 {
	mask := uint32(len(d.slots) - 1)
	return uint32(h>>32)&^mask | uint32(i+1)
}

// Truncate keeps the first n texts. Entries leave in the reverse of the order in which
// they came, so no probe of an older one ever crosses a freed slot.
func (d *Dict) Truncate(n int) {
	mask := uint32(len(d.slots) - 1)
	for i := len(d.hashes) - 1; i >= n; i-- {
		at := uint32(d.hashes[i]) & mask
		for d.slots[at]&mask != uint32(i)+1 { // there are fewer than 2^31
			at = (at + 1) & mask
		}
		d.slots[at] = 0
	}
	if n < len(d.hashes) {
		d.cuts++
		d.hashes = d.hashes[:n]
		d.stable = d.stable[:min(n, len(d.stable))]
		d.offsets = d.offsets[:n+1]
		d.data = d.data[:d.offsets[n]]
	}
}

// Reset forgets all texts and keeps the memory.
func (d *Dict) Reset() {
	if len(d.slots) == 0 {
		return
	}
	d.cuts++
	clear(d.slots)
	d.hashes, d.stable, d.offsets, d.data = d.hashes[:0], d.stable[:0], d.offsets[:1], d.data[:0]
}

// array is the dictionary as Arrow utf8 data.
func (d *Dict) array() arrow.ArrayData {
	offsets := d.offsets
	if len(offsets) == 0 {
		offsets = []int32{0}
	}
	buffers := []*memory.Buffer{nil, buffer(offsets), buffer(d.data)}
	return array.NewData(arrow.BinaryTypes.String, d.Len(), buffers, nil, 0, 0)
}
