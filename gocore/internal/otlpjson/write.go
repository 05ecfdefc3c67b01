package otlpjson

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// FromProto appends the JSON document of an Export request, on one line: lowerCamelCase
// names, ids in hex, enums as integers, 64-bit integers as strings. Unknown fields are left
// out, as is a scalar of value zero whose presence means nothing. The document is at most
// about sixteen times as long as the body (two bytes of an empty message become a name of
// twenty characters). Errors are *fault.Error of kind Invalid with the field's path, and dst is
// then returned as it was.
//
//	body ─> a message's fields, gathered by their place in the table ─> {"name":value,...}
//
// Protobuf lets the elements of a list lie apart and a field come twice, so a message is walked
// once to see what is there; each list is then walked from its first element to its last.
func FromProto(dst []byte, signal otlp.Signal, body []byte) ([]byte, error) {
	if signal >= otlp.Count {
		return dst, fault.New(fault.Internal, "encode JSON", "unknown %v", signal)
	}
	w := writer{out: dst}
	if err := w.message(roots[signal], body); err != nil {
		return dst, &fault.Error{Kind: fault.Invalid, Op: "encode JSON", Field: joinTrail(w.trail), Err: err}
	}
	return w.out, nil
}

var errNotUTF8 = errors.New("text that is not UTF-8")

// places has the place in a message's table by the field's number, one more than it; 0 for none.
var places = func() (all [messageCount][32]uint8) {
	for id, fields := range messages {
		for place, f := range fields {
			all[id][f.number] = uint8(place + 1)
		}
	}
	return all
}()

// found is what a message has of one field.
type found struct {
	from  int    // where the first element begins
	count int    // of the field's occurrences
	bits  uint64 // the last number
	bytes []byte // the last text, or the message
}

type writer struct {
	out    []byte
	found  []found // a stack: of each message around this place, its table's fields
	values int     // AnyValues around this place
	trail  []string
}

func (w *writer) message(id messageID, body []byte) error {
	if id == anyValueID {
		if w.values == maxValueDepth {
			return fmt.Errorf("more than %d values inside one another", maxValueDepth)
		}
		w.values++
		defer func() { w.values-- }()
	}
	base, fields := len(w.found), messages[id]
	for range fields {
		w.found = append(w.found, found{})
	}
	defer func() { w.found = w.found[:base] }()
	if err := w.gather(id, body, w.found[base:]); err != nil {
		return err
	}
	w.out = append(w.out, '{')
	first := true
	for place := range fields {
		f, got := &fields[place], w.found[base+place]
		if got.count == 0 || f.label == single && isZero(f.kind, got) {
			continue
		}
		w.name(f.name, first)
		first = false
		if err := w.field(f, got, body); err != nil {
			w.trail = append(w.trail, f.name)
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

// isZero tells a scalar that equals an absent one; a message's presence always means something.
func isZero(k kind, got found) bool {
	switch {
	case k == kindMessage:
		return false
	case k < kindMessage:
		return len(got.bytes) == 0
	case wireOf(k) == wireVarint && k != kindInt64 && k != kindUint64 && k != kindBool:
		return uint32(got.bits) == 0 // as it is written
	}
	return got.bits == 0
}

func (w *writer) name(name string, first bool) {
	if !first {
		w.out = append(w.out, ',')
	}
	w.out = append(w.out, '"')
	w.out = append(w.out, name...)
	w.out = append(w.out, '"', ':')
}

// gather notes what the message has of each field; what the table does not know is passed over.
func (w *writer) gather(id messageID, body []byte, into []found) error {
	chosen := -1
	c := wire.NewCursor(body)
	for at := 0; c.Next(); at = c.At() {
		place := placeOf(id, c.Tag())
		if place < 0 {
			continue
		}
		f, got := &messages[id][place], &into[place]
		if f.label == oneof {
			if chosen >= 0 && chosen != place { // the last one counts
				into[chosen] = found{}
			}
			chosen = place
		}
		if got.count++; got.count == 1 {
			got.from = at
		}
		switch {
		case f.label == list:
		case f.kind == kindMessage && got.count > 1: // parts of one message
			got.bytes = slices.Concat(got.bytes, c.Bytes())
		case f.kind <= kindMessage:
			got.bytes = c.Bytes()
		default:
			got.bits = c.Varint()
		}
	}
	return c.Err()
}

// placeOf is the place of a known field with a wire type that it may have, else -1.
func placeOf(id messageID, tag uint32) int {
	number := tag >> 3
	if number >= uint32(len(places[id])) || places[id][number] == 0 {
		return -1
	}
	place := int(places[id][number]) - 1
	f := &messages[id][place]
	got := uint64(tag & 7)
	if got == wireOf(f.kind) || f.label == list && got == wireBytes {
		return place
	}
	return -1
}

func (w *writer) field(f *field, got found, body []byte) error {
	switch {
	case f.label == list:
		return w.list(f, got, body)
	case f.kind <= kindMessage:
		return w.sized(f, got.bytes)
	}
	w.number(f.kind, got.bits)
	return nil
}

// list writes the elements of a list, whose first begins at got.from in the message.
func (w *writer) list(f *field, got found, body []byte) error {
	w.out = append(w.out, '[')
	c := wire.NewCursor(body[got.from:])
	n := 0
	for got.count > 0 && c.Next() {
		if c.Tag()>>3 != uint32(f.number) {
			continue
		}
		var err error
		switch typ := uint64(c.Tag() & 7); {
		case f.kind <= kindMessage && typ == wireBytes:
			n++
			w.comma(n)
			err = w.sized(f, c.Bytes())
		case f.kind > kindMessage && typ == wireBytes:
			n, err = w.packed(f.kind, c.Bytes(), n)
		case typ == wireOf(f.kind):
			n++
			w.comma(n)
			w.number(f.kind, c.Varint())
		default:
			continue // another wire type: an unknown field
		}
		got.count--
		if err != nil {
			w.trail = append(w.trail, "["+strconv.Itoa(n-1)+"]")
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

func (w *writer) comma(n int) {
	if n > 1 {
		w.out = append(w.out, ',')
	}
}

// packed writes numbers that share one field, of which n stand before; OTLP has only numbers of
// eight bytes and unsigned varints in lists.
func (w *writer) packed(k kind, numbers []byte, n int) (int, error) {
	add := func(bits uint64) bool {
		n++
		w.comma(n)
		w.number(k, bits)
		return true
	}
	if wireOf(k) == wireVarint {
		err := wire.Varints(numbers, add)
		return n, err
	}
	if err := wire.CheckFixed64s(numbers); err != nil {
		return n + 1, err
	}
	for at := 0; at < len(numbers); at += 8 {
		add(uint64(numbers[at]) | uint64(numbers[at+1])<<8 | uint64(numbers[at+2])<<16 | uint64(numbers[at+3])<<24 |
			uint64(numbers[at+4])<<32 | uint64(numbers[at+5])<<40 | uint64(numbers[at+6])<<48 | uint64(numbers[at+7])<<56)
	}
	return n, nil
}

// sized writes a value that has a length on the wire.
func (w *writer) sized(f *field, value []byte) error {
	switch f.kind {
	case kindMessage:
		return w.message(f.of, value)
	case kindString:
		if !utf8.Valid(value) {
			return errNotUTF8
		}
		w.text(value)
	case kindBytes:
		w.out = append(w.out, '"')
		w.out = base64.StdEncoding.AppendEncode(w.out, value)
		w.out = append(w.out, '"')
	default:
		if err := checkID(f.kind, len(value)); err != nil {
			return err
		}
		w.out = append(w.out, '"')
		w.out = hex.AppendEncode(w.out, value)
		w.out = append(w.out, '"')
	}
	return nil
}

// checkID refuses what our own reader would.
func checkID(k kind, size int) error {
	want := 0
	switch k {
	case kindTraceID:
		want = 16
	case kindSpanID:
		want = 8
	}
	if want > 0 && size != want && size != 0 {
		return fmt.Errorf("%d bytes, want 0 or %d", size, want)
	}
	return nil
}

const hexDigits = "0123456789abcdef"

// text writes a JSON string: what has to be escaped and no more.
func (w *writer) text(value []byte) {
	w.out = append(w.out, '"')
	from := 0
	for i, c := range value {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.out = append(w.out, value[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			w.out = append(w.out, '\\', c)
		case '\n':
			w.out = append(w.out, '\\', 'n')
		case '\r':
			w.out = append(w.out, '\\', 'r')
		case '\t':
			w.out = append(w.out, '\\', 't')
		default:
			w.out = append(w.out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	w.out = append(w.out, value[from:]...)
	w.out = append(w.out, '"')
}

// number writes a bool or number from its bits on the wire.
func (w *writer) number(k kind, bits uint64) {
	switch k {
	case kindBool:
		w.out = strconv.AppendBool(w.out, bits != 0)
	case kindEnum, kindInt32:
		w.out = strconv.AppendInt(w.out, int64(int32(bits)), 10)
	case kindSint32:
		w.out = strconv.AppendInt(w.out, int64(int32(uint32(bits)>>1)^-int32(bits&1)), 10)
	case kindUint32, kindFixed32:
		w.out = strconv.AppendUint(w.out, uint64(uint32(bits)), 10)
	case kindInt64, kindSfixed64:
		w.out = append(strconv.AppendInt(append(w.out, '"'), int64(bits), 10), '"')
	case kindUint64, kindFixed64:
		w.out = append(strconv.AppendUint(append(w.out, '"'), bits, 10), '"')
	default:
		w.double(math.Float64frombits(bits))
	}
}

// double writes the shortest text that reads back as the same number.
func (w *writer) double(v float64) {
	switch {
	case math.IsNaN(v):
		w.out = append(w.out, `"NaN"`...)
	case math.IsInf(v, 1):
		w.out = append(w.out, `"Infinity"`...)
	case math.IsInf(v, -1):
		w.out = append(w.out, `"-Infinity"`...)
	default:
		w.out = strconv.AppendFloat(w.out, v, 'g', -1, 64)
	}
}
