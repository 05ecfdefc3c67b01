package otap

import (
	"encoding/binary"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/klauspost/compress/zstd"
)

// Arrow's IPC format, as far as OTAP needs it: each message is
//
//	ff ff ff ff | int32: length of the next | flatbuffer Message | padding to 8 | body
//
// and a body is the buffers one behind the other, each padded to 8 bytes. A compressed
// buffer begins with its inflated length as an int64, -1 where it is stored as it is.
// Written by hand, since arrow-go makes a compressor for each batch, compares dictionaries
// value by value and stores small buffers larger than they are.

const (
	metadataV5       = 4
	headerSchema     = 1
	headerDictionary = 2
	headerRecords    = 3

	fbInt         = 2
	fbFloat       = 3
	fbBinary      = 4
	fbUtf8        = 5
	fbBool        = 6
	fbTimestamp   = 10
	fbList        = 12
	fbStruct      = 13
	fbFixedBinary = 15
	fbDuration    = 18

	fbMillisecond = 1
	fbNanosecond  = 3
	fbDouble      = 2
	fbZstd        = 1
)

// minCompressed is the size from which a buffer is worth a zstd frame.
const minCompressed = 32

// minBody is the size from which a body is worth the eight bytes that each buffer then gets.
const minBody = 160

// emitIPC writes messages. It belongs to one goroutine.
type emitIPC struct {
	fb      *flatbuffers.Builder
	zstd    [2]*zstd.Encoder // for small buffers and for large ones
	body    []byte
	raw     bool       // a body so small that compression costs more than it spares
	nodes   [][2]int64 // length, nulls
	buffers [][2]int64 // offset, length
	scratch []byte
	packed  []byte
}

func newEmitIPC() (*emitIPC, error) {
	w := &emitIPC{fb: flatbuffers.NewBuilder(1 << 10)}
	for i, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault} {
		var err error
		w.zstd[i], err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(level),
			zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true), zstd.WithAllLitEntropyCompression(level != zstd.SpeedFastest))
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// largeFrom is the size from which a buffer is worth the default level, whose tables of 1.3 MB drive
// others out of the processor's caches, and worth coding bytes where none of them repeat: offsets
// lose a third.
const largeFrom = 1 << 10

func (w *emitIPC) encoder(size int) *zstd.Encoder {
	if size < largeFrom {
		return w.zstd[0]
	}
	return w.zstd[1]
}

// buffer adds one to the body; tries are those of its kind before.
func (w *emitIPC) buffer(b []byte, tries *emitTries) {
	w.packed = w.packed[:0]
	if !w.raw && len(b) >= minCompressed {
		w.pack(b, tries)
	}
	if n := len(w.packed); n > 0 && n < len(b) {
		w.add(uint64(len(b)), w.packed)
		return
	}
	w.stored(b)
}

// pack compresses a buffer; nothing is there where it is not tried.
func (w *emitIPC) pack(b []byte, tries *emitTries) {
	if w.packed = repeated(w.packed, b); len(w.packed) > 0 {
		return
	}
	if w.packed = runs(w.packed, b); len(w.packed) == 0 && tries.again() {
		w.packed = w.encoder(len(b)).EncodeAll(b, w.packed)
		tries.gave(len(b), len(w.packed))
	}
}

// emitTries says whether a buffer is worth a try at compression: where one gave next to nothing,
// the next ones of its kind are not tried, each time twice as many.
type emitTries struct{ wait, vain uint8 }

// mostVain bounds how many are not tried: 2^5-1.
const mostVain = 5

func (t *emitTries) again() bool {
	if t.wait == 0 {
		return true
	}
	t.wait--
	return false
}

func (t *emitTries) gave(before, after int) {
	if after < before-before/16 {
		t.vain = 0
		return
	}
	t.vain = min(t.vain+1, mostVain)
	t.wait = 1<<t.vain - 1
}

// stored adds a buffer as it is.
func (w *emitIPC) stored(b []byte) { w.add(1<<64-1, b) } // -1

func (w *emitIPC) add(inflated uint64, b []byte) {
	from := len(w.body)
	if !w.raw && len(b) > 0 {
		w.body = binary.LittleEndian.AppendUint64(w.body, inflated)
	}
	w.body = append(w.body, b...)
	w.buffers = append(w.buffers, [2]int64{int64(from), int64(len(w.body) - from)})
	w.body = pad(w.body)
}

func pad(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// begin starts a message with a body of so many bytes.
func (w *emitIPC) begin(size int) {
	w.body, w.nodes, w.buffers = w.body[:0], w.nodes[:0], w.buffers[:0]
	w.raw = size < minBody
}

// array adds a column's node and buffers, then its children's.
func (w *emitIPC) array(c *emitCol) {
	w.nodes = append(w.nodes, [2]int64{int64(c.rows), int64(c.rows - c.set)})
	if c.set == c.rows {
		w.stored(nil)
	} else {
		w.buffer(c.valid, &c.tries[0])
	}
	switch {
	case c.coded():
		w.scratch = c.indices(w.scratch[:0])
		w.buffer(w.scratch, &c.tries[1])
	case c.typ == tText || c.typ == tBinary:
		w.offsets(c, len(c.data))
		w.buffer(c.data, &c.tries[2])
	case c.typ == tList:
		w.offsets(c, c.children[0].rows)
	case c.noise:
		w.stored(c.data)
	case c.typ != tStruct:
		w.buffer(c.data, &c.tries[1])
	}
	for _, child := range c.children {
		if child.seen {
			w.array(child)
		}
	}
}

// offsets ends those of a column with the end of its last row.
func (w *emitIPC) offsets(c *emitCol, end int) {
	w.scratch = append(w.scratch[:0], c.offs...)
	w.scratch = binary.LittleEndian.AppendUint32(w.scratch, uint32(end))
	w.buffer(w.scratch, &c.tries[1])
}

// dictionary writes the values of a column from one on.
func (w *emitIPC) dictionary(b []byte, c *emitCol, id int64) []byte {
	d := c.dict
	in, from := d.in, max(d.sent, 0)
	w.begin(in.size(from))
	w.nodes = append(w.nodes, [2]int64{int64(in.n - from), 0})
	w.stored(nil)
	if in.width > 0 {
		w.buffer(in.data[from*in.width:], &d.tries[0])
	} else {
		base := binary.LittleEndian.Uint32(in.offs[from*4:])
		w.scratch = w.scratch[:0]
		for at := from; at <= in.n; at++ {
			w.scratch = binary.LittleEndian.AppendUint32(w.scratch, binary.LittleEndian.Uint32(in.offs[at*4:])-base)
		}
		w.buffer(w.scratch, &d.tries[0])
		w.buffer(in.data[base:], &d.tries[1])
	}
	data := w.recordBatch(in.n - from)
	w.fb.StartObject(3)
	w.fb.PrependInt64Slot(0, id, 0)
	w.fb.PrependUOffsetTSlot(1, data, 0)
	w.fb.PrependBoolSlot(2, from > 0, false)
	d.sent = in.n
	return w.message(b, headerDictionary, w.fb.EndObject())
}

// records writes a batch of the columns that the schema has.
func (w *emitIPC) records(b []byte, cols []*emitCol, rows int) []byte {
	w.begin(minBody)
	for _, c := range cols {
		if c.seen {
			w.array(c)
		}
	}
	return w.message(b, headerRecords, w.recordBatch(rows))
}

func (w *emitIPC) recordBatch(rows int) flatbuffers.UOffsetT {
	w.fb.Reset()
	var compression flatbuffers.UOffsetT
	if !w.raw {
		w.fb.StartObject(2)
		w.fb.PrependInt8Slot(0, fbZstd, 0)
		compression = w.fb.EndObject()
	}
	nodes, buffers := w.pairs(w.nodes), w.pairs(w.buffers)
	w.fb.StartObject(5)
	w.fb.PrependInt64Slot(0, int64(rows), 0)
	w.fb.PrependUOffsetTSlot(1, nodes, 0)
	w.fb.PrependUOffsetTSlot(2, buffers, 0)
	w.fb.PrependUOffsetTSlot(3, compression, 0)
	return w.fb.EndObject()
}

func (w *emitIPC) pairs(all [][2]int64) flatbuffers.UOffsetT {
	w.fb.StartVector(16, len(all), 8)
	for i := len(all) - 1; i >= 0; i-- {
		w.fb.Prep(8, 16)
		w.fb.PrependInt64(all[i][1])
		w.fb.PrependInt64(all[i][0])
	}
	return w.fb.EndVector(len(all))
}

// message ends the flatbuffer and appends it with its frame and its body.
func (w *emitIPC) message(b []byte, kind byte, header flatbuffers.UOffsetT) []byte {
	w.fb.StartObject(5)
	w.fb.PrependInt16Slot(0, metadataV5, 0)
	w.fb.PrependByteSlot(1, kind, 0)
	w.fb.PrependUOffsetTSlot(2, header, 0)
	w.fb.PrependInt64Slot(3, int64(len(w.body)), 0)
	w.fb.Finish(w.fb.EndObject())
	meta := w.fb.FinishedBytes()
	fill := (8 - len(meta)%8) % 8
	b = binary.LittleEndian.AppendUint32(b, 0xffffffff)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(meta)+fill))
	b = append(b, meta...)
	b = append(b, make([]byte, fill)...)
	return append(b, w.body...)
}
