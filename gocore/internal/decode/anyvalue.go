package decode

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// maxDepth bounds AnyValues inside one another, twice what any client is known to send.
const maxDepth = 200

var (
	errDeep = errors.New("more than 200 AnyValues inside one another")
	errLong = errors.New("a text too long for what the request may become")
)

// The tags of AnyValue's oneof:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/common/v1/common.proto
const (
	anyString  = 1<<3 | 2
	anyBool    = 2 << 3
	anyInt     = 3 << 3
	anyDouble  = 4<<3 | 1
	anyArray   = 5<<3 | 2
	anyKvlist  = 6<<3 | 2
	anyBytes   = 7<<3 | 2
	anyStrRef  = 8 << 3
	fieldOne   = 1<<3 | 2
	hexDigits  = "0123456789abcdef"
	nullText   = "null"
	lowestText = 0x20
)

// value is an AnyValue taken apart: its type letter and what it holds.
type value struct {
	kind   byte // s i d b y a k, n for empty
	bytes  []byte
	number uint64
}

// anyValue reads the oneof: the last field wins, and a message given twice in a row merges.
func (s *Stats) anyValue(b []byte) (v value, err error) {
	v.kind = 'n'
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case anyString:
			err = v.become(value{kind: 's', bytes: c.Bytes()})
		case anyBool:
			err = v.become(value{kind: 'b', number: c.Varint()})
		case anyInt:
			err = v.become(value{kind: 'i', number: c.Varint()})
		case anyDouble:
			err = v.become(value{kind: 'd', number: c.Fixed64()})
		case anyArray:
			err = v.become(value{kind: 'a', bytes: c.Bytes()})
		case anyKvlist:
			err = v.become(value{kind: 'k', bytes: c.Bytes()})
		case anyBytes:
			err = v.become(value{kind: 'y', bytes: c.Bytes()})
		case anyStrRef: // an index into a profile's string table: no value outside of one
			err = v.become(value{kind: 'n'})
			s.unknown()
		default:
			s.unknown()
		}
		if err != nil {
			return v, err
		}
	}
	return v, c.Err()
}

// become replaces the value by a later one, which for arrays and kvlists of one kind is merging.
// protobuf also checks a value that does not count.
func (v *value) become(later value) error {
	switch {
	case v.kind == later.kind && (v.kind == 'a' || v.kind == 'k'):
		v.bytes = merge(true, v.bytes, later.bytes)
		return nil
	case v.kind == 's' || v.kind == 'a' || v.kind == 'k':
		trial := jsonWriter{stats: &Stats{}, limit: math.MaxInt}
		if err := trial.value(*v, 1); err != nil {
			return err
		}
	}
	*v = later
	return nil
}

// textOf is the value as an attribute's text; docs/format.md tells the forms. It is good until
// the next call.
func (t *Table) textOf(v value) (text []byte, err error) {
	switch v.kind {
	case 's':
		return v.bytes, nil
	case 'y':
		t.scratch = base64.StdEncoding.AppendEncode(t.scratch[:0], v.bytes)
	case 'd':
		t.scratch = appendDouble(t.scratch[:0], v.double())
	default:
		w := jsonWriter{stats: &t.Stats, out: t.scratch[:0], limit: t.MaxGrowth - t.growth}
		err = w.value(v, 1)
		t.scratch = w.out
		if err == errLong { //nolint:errorlint // made below and never wrapped
			err = t.tooLarge()
		}
	}
	return t.scratch, err
}

func (v value) double() float64 { return math.Float64frombits(v.number) }

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }

// appendDouble writes the shortest text that reads back the same, always with a point or
// an exponent so that it cannot be taken for an integer.
func appendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if f == math.Trunc(f) {
		b = append(b, ".0"...)
	}
	return b
}

// jsonWriter writes arrays and kvlists as the JSON that docs/format.md describes.
type jsonWriter struct {
	stats *Stats
	out   []byte
	limit int // bytes that out may have
}

func (w *jsonWriter) value(v value, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	switch v.kind {
	case 's':
		return w.text(v.bytes)
	case 'b':
		w.out = strconv.AppendBool(w.out, v.number != 0)
	case 'i':
		w.out = appendInt(w.out, int64(v.number)) // int64 on the wire
	case 'd':
		w.double(v.double())
	case 'y':
		w.out = append(w.out, `{"$bytes":"`...)
		w.out = base64.StdEncoding.AppendEncode(w.out, v.bytes)
		w.out = append(w.out, `"}`...)
	case 'a':
		return w.array(v.bytes, depth)
	case 'k':
		return w.kvlist(v.bytes, depth)
	default:
		w.out = append(w.out, nullText...)
	}
	return nil
}

func (w *jsonWriter) double(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.out = append(w.out, `{"$double":"`...)
		w.out = appendDouble(w.out, f)
		w.out = append(w.out, `"}`...)
		return
	}
	w.out = appendDouble(w.out, f)
}

// array writes ArrayValue { repeated AnyValue values = 1 }.
func (w *jsonWriter) array(b []byte, depth int) error {
	w.out = append(w.out, '[')
	c := wire.NewCursor(b)
	for i := 0; c.Next(); {
		if c.Tag() != fieldOne {
			w.stats.unknown()
			continue
		}
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.encoded(c.Bytes(), depth+1); err != nil {
			return err
		}
		i++
	}
	w.out = append(w.out, ']')
	return c.Err()
}

func (w *jsonWriter) encoded(b []byte, depth int) error {
	v, err := w.stats.anyValue(b)
	if err != nil {
		return err
	}
	return w.value(v, depth)
}

// kvlist writes KeyValueList { repeated KeyValue values = 1 }.
func (w *jsonWriter) kvlist(b []byte, depth int) error {
	object, err := w.isObject(b)
	if err != nil {
		return err
	}
	opening, closing := `{"$kvlist":[`, "]}"
	if object {
		opening, closing = "{", "}"
	}
	w.out = append(w.out, opening...)
	c := wire.NewCursor(b)
	for i := 0; c.Next(); {
		if c.Tag() != fieldOne {
			continue
		}
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.entry(c.Bytes(), object, depth); err != nil {
			return err
		}
		i++
	}
	w.out = append(w.out, closing...)
	return c.Err()
}

func (w *jsonWriter) entry(b []byte, object bool, depth int) error {
	key, val, has, err := w.stats.keyValue(b)
	if err != nil {
		return err
	}
	if !object {
		w.out = append(w.out, '[')
	}
	if err := w.text(key); err != nil {
		return err
	}
	if has {
		separator := byte(',')
		if object {
			separator = ':'
		}
		w.out = append(w.out, separator)
		if err := w.encoded(val, depth+1); err != nil {
			return err
		}
	}
	if !object {
		w.out = append(w.out, ']')
	}
	return nil
}

// isObject tells whether a kvlist can be a plain JSON object: keys that differ, do not
// begin with $, and all have a value.
func (w *jsonWriter) isObject(b []byte) (bool, error) {
	keys := map[string]struct{}{}
	var stats Stats // what is unknown counts when it is written
	c := wire.NewCursor(b)
	for c.Next() {
		if c.Tag() != fieldOne {
			continue
		}
		key, _, has, err := stats.keyValue(c.Bytes())
		if err != nil {
			return false, err
		}
		if _, twice := keys[string(key)]; twice || !has || len(key) > 0 && key[0] == '$' {
			return false, nil
		}
		keys[string(key)] = struct{}{}
	}
	return true, c.Err()
}

// text writes a JSON string; only what JSON demands is escaped.
func (w *jsonWriter) text(s []byte) error {
	if !utf8.Valid(s) {
		return column.ErrUTF8
	}
	w.out = append(w.out, '"')
	for len(s) > 0 && len(w.out) <= w.limit {
		n := min(len(s), 1<<16)
		w.out, s = appendJSONEscaped(w.out, s[:n]), s[n:]
	}
	w.out = append(w.out, '"')
	if len(w.out) > w.limit {
		return errLong
	}
	return nil
}

func appendJSONText(b, s []byte) []byte {
	return append(appendJSONEscaped(append(b, '"'), s), '"')
}

func appendJSONEscaped(b, s []byte) []byte {
	for _, ch := range s {
		switch {
		case ch == '"' || ch == '\\':
			b = append(b, '\\', ch)
		case ch < lowestText:
			b = append(b, '\\', 'u', '0', '0', hexDigits[ch>>4], hexDigits[ch&15])
		default:
			b = append(b, ch)
		}
	}
	return b
}
