package otap

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// maxSentDepth is how deep the reference's CBOR reader goes; deeper it refuses the batch.
const maxSentDepth = 32

const (
	outCBORUint   = 0 << 5
	outCBORNeg    = 1 << 5
	outCBORBytes  = 2 << 5
	outCBORText   = 3 << 5
	outCBORArray  = 0x9f // of indefinite length: the items are not counted before
	outCBORMap    = 0xbf
	outCBORFalse  = 0xf4
	outCBORTrue   = 0xf5
	outCBORNull   = 0xf6
	outCBORDouble = 0xfb
	outCBORBreak  = 0xff
)

// The fields of AnyValue and KeyValue.
var (
	anyString = wire.Tag(1, wire.Bytes)
	anyBool   = wire.Tag(2, wire.Varint)
	anyInt    = wire.Tag(3, wire.Varint)
	anyDouble = wire.Tag(4, wire.Fixed64)
	anyArray  = wire.Tag(5, wire.Bytes)
	anyKvlist = wire.Tag(6, wire.Bytes)
	anyBytes  = wire.Tag(7, wire.Bytes)

	keyField   = wire.Tag(1, wire.Bytes)
	valueField = wire.Tag(2, wire.Bytes)
	itemField  = wire.Tag(1, wire.Bytes)
)

// anyValue is an AnyValue's last member: that is the one that counts.
type anyValue struct {
	kind  uint8
	num   uint64
	bytes []byte // of text, bytes, or the message of an array or a kvlist
}

// readAny leaves it to the caller to check texts, which are mostly known ones.
func readAny(b []byte, lost *Lost) (anyValue, error) {
	var v anyValue
	if len(b) >= 2 && b[0] == byte(anyString) && int(b[1]) == len(b)-2 && b[1] < 0x80 { // most are
		return anyValue{kind: kindStr, bytes: b[2:]}, nil
	}
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case anyString:
			v = anyValue{kind: kindStr, bytes: c.Bytes()}
		case anyBool:
			v = anyValue{kind: kindBool, num: c.Varint()}
		case anyInt:
			v = anyValue{kind: kindInt, num: c.Varint()}
		case anyDouble:
			v = anyValue{kind: kindDouble, num: c.Fixed64()}
		case anyArray:
			v = anyValue{kind: kindSlice, bytes: v.joined(kindSlice, c.Bytes())}
		case anyKvlist:
			v = anyValue{kind: kindMap, bytes: v.joined(kindMap, c.Bytes())}
		case anyBytes:
			v = anyValue{kind: kindBytes, bytes: c.Bytes()}
		default:
			lost.UnknownFields++
		}
	}
	return v, c.Err()
}

// joined is a message that came in two parts, which protobuf merges.
func (v anyValue) joined(kind uint8, more []byte) []byte {
	if v.kind != kind {
		return more
	}
	return joined(v.bytes, more)
}

func joined(a, b []byte) []byte {
	if len(a) == 0 {
		return b
	}
	return append(a[:len(a):len(a)], b...)
}

func readKeyValue(b []byte, lost *Lost) (key, value []byte, err error) {
	if key, value, ok := plainKeyValue(b); ok {
		return key, value, nil
	}
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case keyField:
			key = c.Bytes()
		case valueField:
			value = joined(value, c.Bytes())
		default:
			lost.UnknownFields++
		}
	}
	return key, value, c.Err()
}

// plainKeyValue takes apart what nearly all senders write: a key, a value, both short.
func plainKeyValue(b []byte) (key, value []byte, ok bool) {
	if len(b) < 4 || b[0] != byte(keyField) || b[1] >= 0x80 {
		return nil, nil, false
	}
	at := 2 + int(b[1])
	if at+2 > len(b) || b[at] != byte(valueField) || b[at+1] >= 0x80 || int(b[at+1]) != len(b)-at-2 {
		return nil, nil, false
	}
	return b[2:at:at], b[at+2:], true
}

// cborWriter writes arrays and kvlists.
type cborWriter struct {
	b    []byte
	lost *Lost
}

func (w *cborWriter) head(major byte, n uint64) {
	switch {
	case n < 24:
		w.b = append(w.b, major|byte(n))
	case n <= math.MaxUint8:
		w.b = append(w.b, major|24, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, major|25), uint16(n))
	case n <= math.MaxUint32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, major|26), uint32(n))
	default:
		w.b = binary.BigEndian.AppendUint64(append(w.b, major|27), n)
	}
}

func (w *cborWriter) value(v anyValue, depth int) error {
	switch v.kind {
	case kindStr:
		if !utf8.Valid(v.bytes) {
			return errNotUTF8
		}
		w.head(outCBORText, uint64(len(v.bytes)))
		w.b = append(w.b, v.bytes...)
	case kindBytes:
		w.head(outCBORBytes, uint64(len(v.bytes)))
		w.b = append(w.b, v.bytes...)
	case kindInt:
		if n := int64(v.num); n < 0 {
			w.head(outCBORNeg, uint64(^n))
		} else {
			w.head(outCBORUint, v.num)
		}
	case kindDouble:
		w.b = binary.BigEndian.AppendUint64(append(w.b, outCBORDouble), v.num)
	case kindBool:
		w.b = append(w.b, map[bool]byte{false: outCBORFalse, true: outCBORTrue}[v.num != 0])
	case kindSlice, kindMap:
		return w.nested(v, depth)
	default:
		w.b = append(w.b, outCBORNull)
	}
	return nil
}

func (w *cborWriter) nested(v anyValue, depth int) error {
	if depth >= maxSentDepth {
		w.lost.DeepValues++
		w.b = append(w.b, outCBORNull)
		return nil
	}
	if v.kind == kindSlice {
		return under("array_value", w.array(v.bytes, depth))
	}
	return under("kvlist_value", w.kvlist(v.bytes, depth))
}

func (w *cborWriter) array(b []byte, depth int) error {
	w.b = append(w.b, outCBORArray)
	c := wire.NewCursor(b)
	for i := 0; c.Next(); {
		if c.Tag() != itemField {
			w.lost.UnknownFields++
			continue
		}
		v, err := readAny(c.Bytes(), w.lost)
		if err == nil {
			err = w.value(v, depth+1)
		}
		if err != nil {
			return underAt("values", i, err)
		}
		i++
	}
	w.b = append(w.b, outCBORBreak)
	return c.Err()
}

// kvlist writes each key once, with its last value: a key twice makes CBOR invalid.
func (w *cborWriter) kvlist(b []byte, depth int) error {
	pairs, last, err := w.pairs(b)
	if err != nil {
		return err
	}
	w.b = append(w.b, outCBORMap)
	for i, p := range pairs {
		if last[string(p[0])] != i {
			w.lost.DuplicateKeys++
			continue
		}
		w.head(outCBORText, uint64(len(p[0])))
		w.b = append(w.b, p[0]...)
		v, err := readAny(p[1], w.lost)
		if err == nil {
			err = w.value(v, depth+1)
		}
		if err != nil {
			return underAt("values", i, under("value", err))
		}
	}
	w.b = append(w.b, outCBORBreak)
	return nil
}

func (w *cborWriter) pairs(b []byte) (pairs [][2][]byte, last map[string]int, err error) {
	last = map[string]int{}
	c := wire.NewCursor(b)
	for c.Next() {
		if c.Tag() != itemField {
			w.lost.UnknownFields++
			continue
		}
		key, value, err := readKeyValue(c.Bytes(), w.lost)
		if err == nil && !utf8.Valid(key) {
			err = under("key", errNotUTF8)
		}
		if err != nil {
			return nil, nil, underAt("values", len(pairs), err)
		}
		last[string(key)] = len(pairs)
		pairs = append(pairs, [2][]byte{key, value})
	}
	return pairs, last, c.Err()
}
