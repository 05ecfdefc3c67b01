package otap

import flatbuffers "github.com/google/flatbuffers/go"

// schema writes the message that begins a stream. Dictionaries are numbered in the order in
// which walk meets them.
func (w *emitIPC) schema(b []byte, cols []*emitCol) []byte {
	w.begin(0)
	w.fb.Reset()
	next := int64(0)
	fields := w.fields(cols, &next)
	w.fb.StartObject(4)
	w.fb.PrependUOffsetTSlot(1, fields, 0)
	return w.message(b, headerSchema, w.fb.EndObject())
}

func (w *emitIPC) fields(cols []*emitCol, next *int64) flatbuffers.UOffsetT {
	var at []flatbuffers.UOffsetT
	for _, c := range cols {
		if c.seen {
			at = append(at, w.field(c, next))
		}
	}
	return w.refs(at)
}

func (w *emitIPC) refs(at []flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	w.fb.StartVector(4, len(at), 4)
	for i := len(at) - 1; i >= 0; i-- {
		w.fb.PrependUOffsetT(at[i])
	}
	return w.fb.EndVector(len(at))
}

func (w *emitIPC) field(c *emitCol, next *int64) flatbuffers.UOffsetT {
	var encoding flatbuffers.UOffsetT
	if c.coded() {
		encoding = w.encoding(c, *next)
		*next++
	}
	children := w.fields(c.children, next)
	name := w.fb.CreateString(c.name)
	kind, typ := w.typ(c.typ)
	w.fb.StartObject(7)
	w.fb.PrependUOffsetTSlot(0, name, 0)
	w.fb.PrependBoolSlot(1, !c.required, false)
	w.fb.PrependByteSlot(2, kind, 0)
	w.fb.PrependUOffsetTSlot(3, typ, 0)
	w.fb.PrependUOffsetTSlot(4, encoding, 0)
	w.fb.PrependUOffsetTSlot(5, children, 0)
	return w.fb.EndObject()
}

func (w *emitIPC) encoding(c *emitCol, id int64) flatbuffers.UOffsetT {
	index := w.integer(int32(c.dict.width)*8, false)
	w.fb.StartObject(4)
	w.fb.PrependInt64Slot(0, id, 0)
	w.fb.PrependUOffsetTSlot(1, index, 0)
	return w.fb.EndObject()
}

func (w *emitIPC) integer(bits int32, signed bool) flatbuffers.UOffsetT {
	w.fb.StartObject(2)
	w.fb.PrependInt32Slot(0, bits, 0)
	w.fb.PrependBoolSlot(1, signed, false)
	return w.fb.EndObject()
}

func (w *emitIPC) empty() flatbuffers.UOffsetT {
	w.fb.StartObject(0)
	return w.fb.EndObject()
}

func (w *emitIPC) typ(t emitType) (byte, flatbuffers.UOffsetT) {
	switch t {
	case tU8, tU16, tU32, tU64:
		return fbInt, w.integer(int32(t.width())*8, false)
	case tI32, tI64:
		return fbInt, w.integer(int32(t.width())*8, true)
	case tF64:
		w.fb.StartObject(1)
		w.fb.PrependInt16Slot(0, fbDouble, 0)
		return fbFloat, w.fb.EndObject()
	case tTime:
		w.fb.StartObject(2)
		w.fb.PrependInt16Slot(0, fbNanosecond, 0)
		return fbTimestamp, w.fb.EndObject()
	case tDuration:
		w.fb.StartObject(1)
		w.fb.PrependInt16Slot(0, fbNanosecond, 1)
		return fbDuration, w.fb.EndObject()
	case tID16, tID8:
		w.fb.StartObject(1)
		w.fb.PrependInt32Slot(0, int32(t.width()), 0)
		return fbFixedBinary, w.fb.EndObject()
	case tBool:
		return fbBool, w.empty()
	case tText:
		return fbUtf8, w.empty()
	case tBinary:
		return fbBinary, w.empty()
	case tList:
		return fbList, w.empty()
	default:
		return fbStruct, w.empty()
	}
}

// walk hands over every column that the schema has, those inside others too, in its order.
func walk(cols []*emitCol, visit func(*emitCol)) {
	for _, c := range cols {
		if c.seen {
			visit(c)
			walk(c.children, visit)
		}
	}
}
