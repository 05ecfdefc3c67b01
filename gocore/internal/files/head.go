package files

import (
	"encoding/binary"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Of apache/arrow format/Message.fbs and Schema.fbs.
const (
	metadataV5  = 4
	nodeBytes   = 16
	extentBytes = 16
)

// headWriter makes the heads of messages.
type headWriter struct {
	builder *flatbuffers.Builder
	codec   int8
}

// pair is an entry of our own metadata, left out where its value is empty.
type pair struct{ key, value string }

// batch is the head of a record batch's message with its body, and our own metadata.
func (h *headWriter) batch(rows int, b *body, pairs ...pair) []byte {
	f := h.builder
	f.Reset()
	meta := h.metadata(pairs)
	return h.message(kindBatch, h.recordBatch(rows, b), b.size(), meta)
}

// dictionary is the head of a message that replaces a dictionary.
func (h *headWriter) dictionary(id int64, rows int, b *body, pairs ...pair) []byte {
	f := h.builder
	f.Reset()
	meta := h.metadata(pairs)
	data := h.recordBatch(rows, b)
	f.StartObject(3)
	f.PrependInt64Slot(0, id, 0)
	f.PrependUOffsetTSlot(1, data, 0)
	return h.message(kindDictionary, f.EndObject(), b.size(), meta)
}

func (h *headWriter) recordBatch(rows int, b *body) flatbuffers.UOffsetT {
	f := h.builder
	f.StartVector(nodeBytes, len(b.nodes), 8)
	for i := len(b.nodes) - 1; i >= 0; i-- {
		f.PrependInt64(int64(b.nodes[i].nulls))
		f.PrependInt64(int64(b.nodes[i].length))
	}
	nodes := f.EndVector(len(b.nodes))
	f.StartVector(extentBytes, len(b.buffers), 8)
	for i := len(b.buffers) - 1; i >= 0; i-- {
		f.PrependInt64(int64(b.buffers[i].length))
		f.PrependInt64(int64(b.buffers[i].offset))
	}
	buffers := f.EndVector(len(b.buffers))
	compression := h.compression()
	f.StartObject(4)
	f.PrependInt64Slot(0, int64(rows), 0)
	f.PrependUOffsetTSlot(1, nodes, 0)
	f.PrependUOffsetTSlot(2, buffers, 0)
	f.PrependUOffsetTSlot(3, compression, 0)
	return f.EndObject()
}

// compression is absent where nothing is compressed.
func (h *headWriter) compression() flatbuffers.UOffsetT {
	if h.codec < 0 {
		return 0
	}
	h.builder.StartObject(2)
	h.builder.PrependInt8Slot(0, h.codec, 0)
	return h.builder.EndObject()
}

// metadata is a vector of KeyValues, or none.
func (h *headWriter) metadata(pairs []pair) flatbuffers.UOffsetT {
	f := h.builder
	var made []flatbuffers.UOffsetT
	for _, one := range pairs {
		if one.value == "" {
			continue
		}
		k, v := f.CreateString(one.key), f.CreateString(one.value)
		f.StartObject(2)
		f.PrependUOffsetTSlot(0, k, 0)
		f.PrependUOffsetTSlot(1, v, 0)
		made = append(made, f.EndObject())
	}
	if made == nil {
		return 0
	}
	return f.CreateVectorOfTables(made)
}

// message wraps a header, and gives it with its framing, filled up to a multiple of eight.
func (h *headWriter) message(kind byte, header flatbuffers.UOffsetT, bodyLength int, meta flatbuffers.UOffsetT) []byte {
	f := h.builder
	f.StartObject(5)
	f.PrependInt16Slot(0, metadataV5, 0)
	f.PrependByteSlot(1, kind, 0)
	f.PrependUOffsetTSlot(2, header, 0)
	f.PrependInt64Slot(3, int64(bodyLength), 0)
	f.PrependUOffsetTSlot(4, meta, 0)
	f.Finish(f.EndObject())
	made := f.FinishedBytes()
	framed := make([]byte, framing, framing+len(made)+framing)
	framed = pad(append(framed, made...))
	binary.LittleEndian.PutUint32(framed, continuation)
	binary.LittleEndian.PutUint32(framed[4:], uint32(len(framed)-framing))
	return framed
}
