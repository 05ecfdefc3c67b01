// Package otlpjson turns OTLP's JSON into OTLP's protobuf, so that one decoder serves
// both encodings (ToProto), and back (FromProto, see there).
//
// What is read: one RFC 8259 object in UTF-8, mapped as ProtoJSON says with OTLP's
// exceptions: trace and span ids are hex in either case, enums are integers (their
// standard names are taken too). Names are lowerCamelCase; the original names are taken
// as well, since old writers send them. Unknown fields are checked for syntax and
// skipped. Null means absent, except in a list, where it is an error. A number given
// twice counts the last time; a message, list or oneof given twice is an error.
//
// What is written: an Export request in canonical lengths, fields in the order of the
// document. A scalar of value zero is left out unless its presence means something; a
// present empty message is written. The result is at most about four times as long as
// the document ("0," in a list of fixed64 becomes eight bytes), and as the Allowance says.
//
// Nothing is kept between calls: all functions are safe for concurrent use.
package otlpjson

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// maxValueDepth bounds AnyValues inside one another; they are the only messages that
// contain themselves, so this bounds all recursion.
const maxValueDepth = 200

var (
	errNull      = errors.New("null in a list")
	errDuplicate = errors.New("duplicate field")
)

// ToProto appends the Export request that document holds. Errors are *fault.Error: of kind
// Invalid with the path of the field, of kind TooLarge, or what the allowance said. dst is
// then returned as it was.
func ToProto(dst []byte, signal otlp.Signal, document []byte, allowance Allowance) ([]byte, error) {
	if signal >= otlp.Count {
		return dst, fault.New(fault.Internal, "decode JSON", "unknown %v", signal)
	}
	t := transcoder{scan: scanner{data: document}}
	t.out, t.begun, t.allowance = dst, len(dst), allowance
	message, err := t.transcode(roots[signal])
	if err == nil {
		return message, nil
	}
	if _, ours := errors.AsType[*fault.Error](err); !ours {
		err = &fault.Error{Kind: fault.Invalid, Op: "decode JSON", Field: joinTrail(t.trail), Err: err}
	}
	return dst, err
}

type transcoder struct {
	splicer
	scan   scanner
	spare  []byte   // the last string that had escapes
	values int      // AnyValues around this place
	trail  []string // where an error happened, the innermost name first
}

// joinTrail makes a path of it: resourceSpans[0].scopeSpans[1].schemaUrl.
func joinTrail(trail []string) string {
	var b strings.Builder
	for _, part := range slices.Backward(trail) {
		if b.Len() > 0 && part[0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String()
}

// usualShare: most messages have a little less than half of their document's length.
const usualShare = 2

func (t *transcoder) transcode(root messageID) ([]byte, error) {
	usual := len(t.scan.data) / usualShare
	if limit := t.allowance.Limit; limit > 0 {
		usual = int(min(int64(usual), limit))
	}
	if err := t.room(usual); err != nil {
		return nil, err
	}
	if err := t.document(root); err != nil {
		return nil, err
	}
	return t.finish()
}

func (t *transcoder) document(root messageID) error {
	if err := checkEncoding(t.scan.data); err != nil {
		return err
	}
	if err := t.object(root); err != nil {
		return err
	}
	if t.scan.peek(); t.scan.pos < len(t.scan.data) {
		return fmt.Errorf("text after the document at byte %d", t.scan.pos)
	}
	return nil
}

// checkEncoding gives the usual non-UTF-8 documents an error that says so.
func checkEncoding(data []byte) error {
	for _, start := range []string{"\xFE\xFF", "\xFF\xFE", "\x00{", "{\x00"} {
		if bytes.HasPrefix(data, []byte(start)) {
			return errors.New("the document is not UTF-8")
		}
	}
	if bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")) {
		return errors.New("the document begins with a byte-order mark")
	}
	return nil
}

// object transcodes the members of one message, without tag and length.
func (t *transcoder) object(id messageID) error {
	if id == anyValueID {
		if t.values == maxValueDepth {
			return fmt.Errorf("more than %d values inside one another", maxValueDepth)
		}
		t.values++
		defer func() { t.values-- }()
	}
	if err := t.scan.open('{'); err != nil {
		return err
	}
	p := partial{fields: messages[id], chosen: -1}
	for first := true; ; first = false {
		more, err := t.scan.more('}', first)
		if err != nil || !more {
			return err
		}
		if err := t.member(&p); err != nil {
			return err
		}
	}
}

// partial is what is known of a message while its members are read.
type partial struct {
	fields []field
	next   int    // where the search for a name begins
	seen   uint32 // one bit per field
	chosen int    // the oneof's field, -1 for none
}

// member transcodes a key and its value.
func (t *transcoder) member(p *partial) error {
	key, err := t.text("a key")
	if err != nil {
		return err
	}
	if err := t.scan.colon(); err != nil {
		return err
	}
	i := find(p.fields, key, p.next)
	if i < 0 {
		return t.scan.skip(0)
	}
	p.next = i + 1
	if t.scan.literal("null") {
		return nil
	}
	f := &p.fields[i]
	again, err := p.admit(i)
	if err == nil {
		err = t.room(scalarRoom)
	}
	if err == nil {
		err = t.value(f, again)
	}
	if err != nil {
		t.trail = append(t.trail, f.name)
	}
	return err
}

// admit notes that a field has a value, and tells whether it had one before.
func (p *partial) admit(i int) (again bool, err error) {
	f := &p.fields[i]
	again = p.seen>>i&1 != 0
	p.seen |= 1 << i
	if again && (f.kind == kindMessage || f.label == list || f.label == oneof) {
		return again, errDuplicate
	}
	if f.label == oneof {
		if p.chosen >= 0 {
			return again, fmt.Errorf("%s is given already, only one of them may be", p.fields[p.chosen].name)
		}
		p.chosen = i
	}
	return again, nil
}

// value transcodes what stands behind a key. again keeps a zero that overrules the
// field's earlier value.
func (t *transcoder) value(f *field, again bool) error {
	switch {
	case f.label == list:
		return t.list(f)
	case f.kind >= kindBool:
		bits, err := t.scalar(f)
		if err == nil && (bits != 0 || again || f.label != single) {
			t.tag(f, wireOf(f.kind))
			t.out = appendBits(t.out, f.kind, bits)
		}
		return err
	case f.kind == kindMessage:
		return t.message(f)
	}
	return t.textField(f, again || f.label != single)
}

func (t *transcoder) message(f *field) error {
	t.tag(f, wireBytes)
	m := t.begin()
	if err := t.object(f.of); err != nil {
		return err
	}
	return t.end(m)
}

// list transcodes an array: numbers packed into one field, all else one by one.
func (t *transcoder) list(f *field) error {
	if err := t.scan.open('['); err != nil {
		return err
	}
	packed := f.kind >= kindBool
	var m mark
	for n := 0; ; n++ {
		more, err := t.scan.more(']', n == 0)
		if err != nil {
			return err
		}
		if !more {
			if packed && n > 0 {
				return t.end(m)
			}
			return nil
		}
		if packed && n == 0 {
			t.tag(f, wireBytes)
			m = t.begin()
		}
		if err := t.element(f); err != nil {
			t.trail = append(t.trail, "["+strconv.Itoa(n)+"]")
			return err
		}
	}
}

func (t *transcoder) element(f *field) error {
	if t.scan.literal("null") {
		return errNull
	}
	if err := t.room(scalarRoom); err != nil {
		return err
	}
	switch {
	case f.kind == kindMessage:
		return t.message(f)
	case f.kind < kindMessage:
		return t.textField(f, true)
	}
	bits, err := t.scalar(f)
	t.out = appendBits(t.out, f.kind, bits)
	return err
}

// textField transcodes a field whose value is a string in JSON.
func (t *transcoder) textField(f *field, keepEmpty bool) error {
	text, err := t.text("a string")
	if err != nil || len(text) == 0 && !keepEmpty {
		return err
	}
	if err := t.room(textSize(f.kind, text) + scalarRoom); err != nil {
		return err
	}
	t.tag(f, wireBytes)
	out, err := appendText(t.out, f.kind, text)
	if err != nil {
		return err
	}
	t.out = out
	return nil
}

// text takes a string; the result is good until the next call.
func (t *transcoder) text(want string) ([]byte, error) {
	raw, escaped, err := t.scan.text(want)
	if !escaped || err != nil {
		return raw, err
	}
	if cap(t.spare) < len(raw) { // it gets no longer
		capacity := max(2*cap(t.spare), len(raw))
		if err := t.allowance.take(capacity); err != nil {
			return nil, err
		}
		t.spare = make([]byte, 0, capacity)
	}
	t.spare = unescape(t.spare[:0], raw)
	return t.spare, nil
}

// scalar reads a bool or number as the bits that appendBits takes.
func (t *transcoder) scalar(f *field) (uint64, error) {
	switch f.kind {
	case kindBool:
		return t.boolean()
	case kindEnum:
		if t.scan.peek() == '"' {
			text, err := t.text("")
			if err != nil {
				return 0, err
			}
			return parseEnum(f.of, text)
		}
	}
	text, err := t.numberText()
	if err != nil {
		return 0, err
	}
	if len(text) > longNumber {
		if err := t.allowance.take(2 * len(text)); err != nil { // once to read it, once for its fault
			return 0, err
		}
	}
	bits, err := parseNumber(f.kind, text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", quote(text), err)
	}
	return bits, nil
}

// longNumber is a number's text whose copies are worth counting.
const longNumber = 1 << 10

func parseNumber(k kind, text []byte) (uint64, error) {
	if k == kindDouble {
		if bits, ok := parseWord(text); ok {
			return bits, nil
		}
	}
	if n := numberLength(text); n == 0 || n != len(text) {
		return 0, errors.New("not a number")
	}
	if k == kindDouble {
		return parseDouble(text)
	}
	return parseInteger(k, text)
}

// numberText takes a number, or a string that should hold one.
func (t *transcoder) numberText() ([]byte, error) {
	if t.scan.peek() == '"' {
		return t.text("")
	}
	return t.scan.number("a number")
}

func (t *transcoder) boolean() (uint64, error) {
	if t.scan.literal("true") {
		return 1, nil
	}
	if t.scan.literal("false") {
		return 0, nil
	}
	return 0, t.scan.unexpected("true or false")
}

// The wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func wireOf(k kind) uint64 {
	switch k {
	case kindFixed32:
		return wireFixed32
	case kindFixed64, kindSfixed64, kindDouble:
		return wireFixed64
	case kindBool, kindEnum, kindInt32, kindInt64, kindUint32, kindUint64, kindSint32:
		return wireVarint
	default:
		return wireBytes
	}
}

func (t *transcoder) tag(f *field, wire uint64) {
	t.out = binary.AppendUvarint(t.out, uint64(f.number)<<3|wire)
}
