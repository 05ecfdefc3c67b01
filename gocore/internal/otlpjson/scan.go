package otlpjson

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxSkipDepth bounds arrays and objects inside one another where no field is known.
const maxSkipDepth = 500

var errEnd = errors.New("the document ends too early")

// scanner reads RFC 8259 text strictly. Each method skips the space before what it
// reads and stops right behind it.
type scanner struct {
	data []byte
	pos  int
}

// peek is the next byte that is no space, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.pos++
	}
	return 0
}

// unexpected tells what was wanted and what stands there instead.
func (s *scanner) unexpected(want string) error {
	c := s.peek()
	if s.pos >= len(s.data) {
		return errEnd
	}
	return fmt.Errorf("want %s, found %s at byte %d", want, describe(c), s.pos)
}

func describe(c byte) string {
	switch {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '-' || isDigit(c):
		return "a number"
	case c > ' ' && c < utf8.RuneSelf:
		return fmt.Sprintf("'%c'", c)
	}
	return fmt.Sprintf("byte 0x%02X", c)
}

// open takes the bracket that begins an object or array.
func (s *scanner) open(bracket byte) error {
	if s.peek() == bracket {
		s.pos++
		return nil
	}
	if bracket == '{' {
		return s.unexpected("an object")
	}
	return s.unexpected("an array")
}

// more takes what stands before the next element: nothing before the first, then a
// comma. It is false once it took the closing bracket.
func (s *scanner) more(bracket byte, first bool) (bool, error) {
	c := s.peek()
	if c == bracket {
		s.pos++
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, s.unexpected(fmt.Sprintf("',' or '%c'", bracket))
	}
	s.pos++
	return true, nil
}

// colon takes what parts a key from its value.
func (s *scanner) colon() error {
	if s.peek() != ':' {
		return s.unexpected("':'")
	}
	s.pos++
	return nil
}

// literal takes one of the three words if it stands next.
func (s *scanner) literal(word string) bool {
	if s.peek() != word[0] || !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return false
	}
	s.pos += len(word)
	return true
}

// number takes a number and gives its text.
func (s *scanner) number(want string) ([]byte, error) {
	s.peek()
	n := numberLength(s.data[s.pos:])
	if n == 0 {
		return nil, s.unexpected(want)
	}
	text := s.data[s.pos : s.pos+n]
	s.pos += n
	return text, nil
}

// numberLength is how many bytes of a number text begins with, 0 for none.
func numberLength(text []byte) int {
	n := 0
	if n < len(text) && text[n] == '-' {
		n++
	}
	whole := digits(text[n:])
	if whole == 0 {
		return 0
	}
	if text[n] == '0' {
		whole = 1 // what follows a leading zero is no part of the number
	}
	n += whole
	if n < len(text) && text[n] == '.' {
		fraction := digits(text[n+1:])
		if fraction == 0 {
			return 0
		}
		n += 1 + fraction
	}
	if n < len(text) && text[n]|0x20 == 'e' {
		return exponentEnd(text, n+1)
	}
	return n
}

func exponentEnd(text []byte, n int) int {
	if n < len(text) && (text[n] == '+' || text[n] == '-') {
		n++
	}
	d := digits(text[n:])
	if d == 0 {
		return 0
	}
	return n + d
}

func digits(text []byte) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// plain marks the bytes of a string that need no closer look.
var plain = func() (table [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// text takes a string whose escapes and UTF-8 are good. It gives the bytes between the
// quotes, and whether unescape has work to do on them.
func (s *scanner) text(want string) (raw []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.unexpected(want)
	}
	data, start := s.data, s.pos+1
	ascii := true
	for i := start; i < len(data); i++ {
		c := data[i]
		if plain[c] {
			continue
		}
		switch {
		case c == '"':
			raw, s.pos = data[start:i], i+1
			if !ascii && !utf8.Valid(raw) {
				return nil, false, fmt.Errorf("the string at byte %d is not UTF-8", start-1)
			}
			return raw, escaped, nil
		case c == '\\':
			n, err := escapeLength(data[i:])
			if err != nil {
				return nil, false, fmt.Errorf("%w at byte %d", err, i)
			}
			escaped, i = true, i+n-1
		case c < 0x20:
			return nil, false, fmt.Errorf("control character 0x%02X in a string at byte %d", c, i)
		default:
			ascii = false
		}
	}
	return nil, false, errEnd
}

var (
	errEscape    = errors.New("unknown escape")
	errSurrogate = errors.New("surrogate without its other half")
)

// escapeLength checks the escape that text begins with; a surrogate pair counts as one.
func escapeLength(text []byte) (int, error) {
	if len(text) < 2 {
		return 0, errEnd
	}
	if text[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), text[1]) < 0 {
			return 0, errEscape
		}
		return 2, nil
	}
	r := hexRune(text)
	if r < 0 {
		return 0, errEscape
	}
	if !utf16.IsSurrogate(r) {
		return 6, nil
	}
	if utf16.DecodeRune(r, hexRune(text[6:])) == utf8.RuneError {
		return 0, errSurrogate
	}
	return 12, nil
}

// hexRune reads the escape \uXXXX; -1 where there is none.
func hexRune(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range text[2:6] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// unescape appends what text, which was checked, stands for.
func unescape(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(dst, text...)
		}
		dst, text = append(dst, text[:i]...), text[i:]
		n, _ := escapeLength(text)
		dst, text = appendEscape(dst, text[:n]), text[n:]
	}
}

func appendEscape(dst, escape []byte) []byte {
	switch c := escape[1]; c {
	case 'b':
		return append(dst, '\b')
	case 'f':
		return append(dst, '\f')
	case 'n':
		return append(dst, '\n')
	case 'r':
		return append(dst, '\r')
	case 't':
		return append(dst, '\t')
	case 'u':
		r := hexRune(escape)
		if len(escape) == 12 {
			r = utf16.DecodeRune(r, hexRune(escape[6:]))
		}
		return utf8.AppendRune(dst, r)
	default:
		return append(dst, c)
	}
}

// skip takes any value and checks its syntax only.
func (s *scanner) skip(depth int) error {
	switch c := s.peek(); c {
	case '"':
		_, _, err := s.text("")
		return err
	case '{', '[':
		if depth >= maxSkipDepth {
			return fmt.Errorf("more than %d levels inside an unknown field", maxSkipDepth)
		}
		s.pos++
		return s.skipElements(c, depth+1)
	case 't', 'f', 'n':
		if s.literal("true") || s.literal("false") || s.literal("null") {
			return nil
		}
	}
	_, err := s.number("a value")
	return err
}

func (s *scanner) skipElements(bracket byte, depth int) error {
	for first := true; ; first = false {
		more, err := s.more(bracket+2, first) // ASCII: '{'+2 is '}', '['+2 is ']'
		if err != nil || !more {
			return err
		}
		if bracket == '{' {
			if _, _, err := s.text("a key"); err != nil {
				return err
			}
			if err := s.colon(); err != nil {
				return err
			}
		}
		if err := s.skip(depth); err != nil {
			return err
		}
	}
}
