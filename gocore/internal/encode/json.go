package encode

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// Arrays and kvlists are texts in JSON:
//
//	"x"  true  7  7.0        string, bool, int, double (with point or exponent)
//	null                     an empty AnyValue
//	[v, v]                   array
//	{"k": v, "l": v}         kvlist, in this order
//	{"$bytes": "aGk="}       bytes
//	{"$double": "NaN"}       NaN, Infinity, -Infinity
//	{"$kvlist": [["k", v], ["l"]]}   kvlist whose keys repeat, begin with $ or lack a value
//
// encoding/json would lose the order of keys or, as a stream of tokens, cost an
// allocation for each. The reader writes as it goes.

// maxDepth bounds the stack against texts that are not ours; protobuf readers stop earlier.
const maxDepth = 1000

var (
	errEnd      = errors.New("the JSON ends too early")
	errTrailing = errors.New("text after the JSON's end")
	errDeep     = fmt.Errorf("the JSON nests more than %d deep", maxDepth)
)

// reader stands before the next character of a text.
type reader struct {
	text  string
	pos   int
	depth int
}

// appendJSON writes the oneof field of an AnyValue whose text is an array or a kvlist.
func appendJSON(b []byte, letter byte, text string) ([]byte, error) {
	r := reader{text: text}
	b, got, err := r.value(b)
	if err != nil {
		return b, fmt.Errorf("%w (byte %d)", err, r.pos)
	}
	if got != letter {
		return b, fmt.Errorf("the JSON is of type %q, want %q", got, letter)
	}
	if r.peek() != 0 || r.pos < len(text) {
		return b, errTrailing
	}
	return b, nil
}

// peek skips white space and gives the next character, 0 at the end.
func (r *reader) peek() byte {
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take passes the next character if it is this one.
func (r *reader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

func (r *reader) want(c byte) error {
	if r.take(c) {
		return nil
	}
	if r.pos >= len(r.text) {
		return errEnd
	}
	return fmt.Errorf("%q in the JSON where %q belongs", r.text[r.pos], c)
}

// value reads one value, writes the oneof field of its AnyValue and gives its letter.
func (r *reader) value(b []byte) ([]byte, byte, error) {
	if r.depth++; r.depth > maxDepth {
		return b, 0, errDeep
	}
	defer func() { r.depth-- }()
	switch r.peek() {
	case '"':
		s, err := r.string()
		return wire.AppendBytes(b, anyString, s), letterString, err
	case '[':
		return r.array(b)
	case '{':
		return r.object(b)
	default:
		return r.bare(b)
	}
}

// bare reads a number or one of true, false and null.
func (r *reader) bare(b []byte) ([]byte, byte, error) {
	rest := r.text[r.pos:]
	end := strings.IndexAny(rest, " \t\r\n,]}")
	if end < 0 {
		end = len(rest)
	}
	word := rest[:end]
	r.pos += end
	letter := byte(letterInt)
	switch {
	case word == "":
		return b, 0, errEnd
	case word == "null":
		return b, letterEmpty, nil
	case word == "true" || word == "false":
		letter = letterBool
	case !strings.ContainsRune("-0123456789", rune(word[0])):
		return b, 0, fmt.Errorf("%q is no JSON", word)
	case strings.ContainsAny(word, ".eE"):
		letter = letterDouble
	}
	b, err := appendOneof(b, letter, word)
	return b, letter, err
}

// string reads a string; only one with escapes is copied.
func (r *reader) string() (s string, err error) {
	if err := r.want('"'); err != nil {
		return "", err
	}
	from := r.pos
	end, escaped := stringEnd(r.text[from:])
	if end < 0 {
		r.pos = len(r.text)
		return "", errEnd
	}
	r.pos = from + end + 1
	if !escaped {
		return r.text[from : from+end], nil
	}
	err = json.Unmarshal([]byte(r.text[from-1:r.pos]), &s)
	return s, err
}

// stringEnd finds the quote that ends a string and tells whether it has escapes.
func stringEnd(text string) (end int, escaped bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return -1, escaped
}

// list reads the elements between brackets, and the commas; the opening one has been passed.
func (r *reader) list(closing byte, element func() error) error {
	if r.take(closing) {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if r.take(closing) {
			return nil
		}
		if err := r.want(','); err != nil {
			return err
		}
	}
}

// array writes ArrayValue { repeated AnyValue values = 1 }.
func (r *reader) array(b []byte) ([]byte, byte, error) {
	b, open := wire.Begin(b, anyArray)
	r.pos++
	err := r.list(']', func() (err error) {
		b, err = r.nested(b, 1)
		return err
	})
	return wire.End(b, open), letterArray, err
}

// nested reads a value and writes it as an AnyValue field.
func (r *reader) nested(b []byte, field uint32) ([]byte, error) {
	b, open := wire.Begin(b, field)
	b, _, err := r.value(b)
	return wire.End(b, open), err
}

// object reads a kvlist, or one of the forms whose only key begins with $.
func (r *reader) object(b []byte) ([]byte, byte, error) {
	r.pos++
	if r.peek() == '"' {
		from := r.pos
		key, err := r.string()
		if err != nil {
			return b, 0, err
		}
		if strings.HasPrefix(key, "$") {
			return r.special(b, key)
		}
		r.pos = from
	}
	b, open := wire.Begin(b, anyKvlist)
	err := r.list('}', func() (err error) {
		b, err = r.member(b)
		return err
	})
	return wire.End(b, open), letterKvlist, err
}

// member reads "key": value and writes it as a KeyValue.
func (r *reader) member(b []byte) ([]byte, error) {
	key, err := r.string()
	if err != nil {
		return b, err
	}
	if err := r.want(':'); err != nil {
		return b, err
	}
	b, open := wire.Begin(b, 1)
	b = appendText(b, 1, key)
	b, err = r.nested(b, 2)
	return wire.End(b, open), err
}

// special reads what follows a key that begins with $, to the object's end.
func (r *reader) special(b []byte, key string) ([]byte, byte, error) {
	err := r.want(':')
	if err != nil {
		return b, 0, err
	}
	var letter byte
	switch key {
	case "$bytes":
		letter = letterBytes
		b, err = r.quoted(b, letter)
	case "$double":
		letter = letterDouble
		b, err = r.quoted(b, letter)
	case "$kvlist":
		letter = letterKvlist
		b, err = r.pairs(b)
	default:
		err = fmt.Errorf("a key %q outside $kvlist", key)
	}
	if err != nil {
		return b, 0, err
	}
	return b, letter, r.want('}')
}

// quoted reads a string that holds the text of another type.
func (r *reader) quoted(b []byte, letter byte) ([]byte, error) {
	s, err := r.string()
	if err != nil {
		return b, err
	}
	return appendOneof(b, letter, s)
}

// pairs reads [["key", value], ["key without value"]].
func (r *reader) pairs(b []byte) ([]byte, error) {
	if err := r.want('['); err != nil {
		return b, err
	}
	b, open := wire.Begin(b, anyKvlist)
	err := r.list(']', func() (err error) {
		b, err = r.pair(b)
		return err
	})
	return wire.End(b, open), err
}

func (r *reader) pair(b []byte) ([]byte, error) {
	if err := r.want('['); err != nil {
		return b, err
	}
	key, err := r.string()
	if err != nil {
		return b, err
	}
	b, open := wire.Begin(b, 1)
	b = appendText(b, 1, key)
	if r.take(',') {
		if b, err = r.nested(b, 2); err != nil {
			return b, err
		}
	}
	return wire.End(b, open), r.want(']')
}
