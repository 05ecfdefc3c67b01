package otlpjson

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

var errDeep = errors.New("nested too deeply")

// maxFormatDepth is beyond what the decoder lets in: 100 AnyValues, each of three messages.
const maxFormatDepth = 400

// FromProto appends an Export request as OTLP JSON: ids in hex, enums as numbers, 64-bit integers as text,
// no unknown fields. It fails where the framing is broken, which nobody acknowledges.
func FromProto(dst []byte, signal otlp.Signal, body []byte) ([]byte, error) {
	f := formatter{out: dst}
	err := f.message(roots[signal], body, 0)
	return f.out, err
}

// formatter writes JSON. Of a message it finds out first what is in it, since lists may be mixed with
// other fields, and of a oneof the last counts.
type formatter struct{ out []byte }

// is tells whether a tag is the field's; a field of another wire type is an unknown one.
func (f *field) is(tag uint32) bool {
	typ := uint64(tag & 7)
	return tag>>3 == uint32(f.number) && (typ == wireOf(f.kind) || f.label == list && typ == wireBytes)
}

// contents are the rows of a message's table that are present, and the last row of its oneof.
func contents(fields []field, body []byte) (present uint32, oneofs int, err error) {
	oneofs = -1
	c := wire.NewCursor(body)
	for c.Next() {
		for i := range fields {
			if !fields[i].is(c.Tag()) {
				continue
			}
			present |= 1 << i
			if fields[i].label == oneof {
				oneofs = i
			}
		}
	}
	return present, oneofs, c.Err()
}

func (f *formatter) message(id messageID, body []byte, depth int) error {
	if depth > maxFormatDepth {
		return errDeep
	}
	fields := messages[id]
	present, last, err := contents(fields, body)
	if err != nil {
		return err
	}
	f.out = append(f.out, '{')
	for i := range fields {
		row := &fields[i]
		if present&(1<<i) == 0 || row.label == oneof && i != last {
			continue
		}
		if err := f.field(row, body, depth); err != nil {
			return err
		}
	}
	f.out = append(f.out, '}')
	return nil
}

// field writes a field of a message with its name, unless it stands for its absence.
func (f *formatter) field(row *field, body []byte, depth int) error {
	before := len(f.out)
	if f.out[before-1] != '{' {
		f.out = append(f.out, ',')
	}
	f.out = append(f.out, '"')
	f.out = append(append(f.out, row.name...), '"', ':')
	if row.label == list {
		return f.list(row, body, depth)
	}
	if row.kind == kindMessage {
		return f.message(row.of, merged(row, body), depth+1)
	}
	v := value{}
	for c := wire.NewCursor(body); c.Next(); {
		if row.is(c.Tag()) {
			v.read(&c)
		}
	}
	if row.label == single && v.zero() {
		f.out = f.out[:before]
		return nil
	}
	f.scalar(row.kind, v)
	return nil
}

// merged is a message field's bytes: of several, one after the other, which is how they merge.
func merged(row *field, body []byte) (all []byte) {
	for c := wire.NewCursor(body); c.Next(); {
		if !row.is(c.Tag()) {
			continue
		}
		if all == nil {
			all = c.Bytes()
		} else {
			all = append(all, c.Bytes()...)
		}
	}
	return all
}

func (f *formatter) list(row *field, body []byte, depth int) error {
	f.out = append(f.out, '[')
	for c := wire.NewCursor(body); c.Next(); {
		if !row.is(c.Tag()) {
			continue
		}
		if err := f.element(row, &c, depth); err != nil {
			return err
		}
	}
	f.out = append(f.out, ']')
	return nil
}

func (f *formatter) element(row *field, c *wire.Cursor, depth int) error {
	packed := wire.Type(c.Tag()&7) == wire.Bytes
	switch {
	case row.kind == kindMessage:
		f.comma()
		return f.message(row.of, c.Bytes(), depth+1)
	case packed && row.kind != kindString:
		return f.packed(row.kind, c.Bytes())
	}
	v := value{}
	v.read(c)
	f.comma()
	f.scalar(row.kind, v)
	return nil
}

// packed writes the numbers of a packed list.
func (f *formatter) packed(k kind, numbers []byte) error {
	if k != kindFixed64 && k != kindDouble {
		return wire.Varints(numbers, func(n uint64) bool {
			f.comma()
			f.scalar(k, value{number: n})
			return true
		})
	}
	if err := wire.CheckFixed64s(numbers); err != nil {
		return err
	}
	for ; len(numbers) > 0; numbers = numbers[8:] {
		f.comma()
		f.scalar(k, value{number: binary.LittleEndian.Uint64(numbers)})
	}
	return nil
}

func (f *formatter) comma() {
	if f.out[len(f.out)-1] != '[' {
		f.out = append(f.out, ',')
	}
}

// value is a field's, a number or bytes.
type value struct {
	number uint64
	bytes  []byte
}

func (v *value) read(c *wire.Cursor) {
	if wire.Type(c.Tag()&7) == wire.Bytes {
		v.bytes = c.Bytes()
		return
	}
	v.number = c.Varint()
}

func (v value) zero() bool { return v.number == 0 && len(v.bytes) == 0 }

func (f *formatter) scalar(k kind, v value) {
	switch k {
	case kindString:
		f.out = appendQuoted(f.out, v.bytes)
	case kindBytes:
		f.out = append(base64.StdEncoding.AppendEncode(append(f.out, '"'), v.bytes), '"')
	case kindTraceID, kindSpanID, kindAnyID:
		f.out = append(hex.AppendEncode(append(f.out, '"'), v.bytes), '"')
	case kindBool:
		f.out = strconv.AppendBool(f.out, v.number != 0)
	case kindEnum, kindInt32:
		f.out = strconv.AppendInt(f.out, int64(int32(v.number)), 10) // protobuf cuts to 32 bits
	case kindSint32:
		n := uint32(v.number)
		f.out = strconv.AppendInt(f.out, int64(int32(n>>1)^-int32(n&1)), 10)
	case kindUint32, kindFixed32:
		f.out = strconv.AppendUint(f.out, uint64(uint32(v.number)), 10)
	case kindInt64, kindSfixed64:
		f.out = append(strconv.AppendInt(append(f.out, '"'), int64(v.number), 10), '"')
	case kindUint64, kindFixed64:
		f.out = append(strconv.AppendUint(append(f.out, '"'), v.number, 10), '"')
	case kindDouble:
		f.out = appendDouble(f.out, math.Float64frombits(v.number))
	}
}

// appendDouble writes the shortest text that reads back the same; what JSON has no number for is text.
func appendDouble(dst []byte, d float64) []byte {
	switch {
	case math.IsNaN(d):
		return append(dst, `"NaN"`...)
	case math.IsInf(d, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(d, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, d, 'g', -1, 64)
}

// appendQuoted writes a text; bytes that are no UTF-8 become U+FFFD.
func appendQuoted(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(text[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}
