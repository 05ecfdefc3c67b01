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

var errDeep = errors.New("more than 200 AnyValues inside one another")

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
func (s *Stats) anyValue(b []byte) (value, error) {
	v := value{kind: 'n'}
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case anyString:
			v = value{kind: 's', bytes: c.Bytes()}
		case anyBool:
			v = value{kind: 'b', number: c.Varint()}
		case anyInt:
			v = value{kind: 'i', number: c.Varint()}
		case anyDouble:
			v = value{kind: 'd', number: c.Fixed64()}
		case anyArray:
			v = value{kind: 'a', bytes: merge(v.kind == 'a', v.bytes, c.Bytes())}
		case anyKvlist:
			v = value{kind: 'k', bytes: merge(v.kind == 'k', v.bytes, c.Bytes())}
		case anyBytes:
			v = value{kind: 'y', bytes: c.Bytes()}
		case anyStrRef: // an index into a profile's string table: no value outside of one
			v = value{kind: 'n'}
			s.unknown()
		default:
			s.unknown()
		}
	}
	return v, c.Err()
}

// appendText writes the value as an attribute's text; docs/format.md tells the forms.
func (v value) appendText(b []byte, stats *Stats) ([]byte, error) {
	switch v.kind {
	case 's':
		return append(b, v.bytes...), nil
	case 'y':
		return base64.StdEncoding.AppendEncode(b, v.bytes), nil
	case 'd':
		return appendDouble(b, v.double()), nil
	default:
		w := jsonWriter{stats: stats, out: b}
		err := w.value(v, 1)
		return w.out, err
	}
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
	w.out = append(w.out, openKvlist[object]...)
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
	w.out = append(w.out, closeKvlist[object]...)
	return c.Err()
}

var (
	openKvlist  = map[bool]string{true: "{", false: `{"$kvlist":[`}
	closeKvlist = map[bool]string{true: "}", false: "]}"}
)

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
		w.out = append(w.out, map[bool]byte{true: ':', false: ','}[object])
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
	w.out = appendJSONText(w.out, s)
	return nil
}

func appendJSONText(b, s []byte) []byte {
	b = append(b, '"')
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
	return append(b, '"')
}
