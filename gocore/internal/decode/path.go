package decode

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// pathError is a fault with the path of the field where it is.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// in puts a field before an error's path; nil stays nil.
func in(field string, err error) error {
	if err == nil {
		return nil
	}
	if _, whole := err.(*fault.Error); whole || err == errLate { //nolint:errorlint // of the whole request, never wrapped
		return err
	}
	var deeper *pathError
	if errors.As(err, &deeper) {
		deeper.path = field + "." + deeper.path
		return err
	}
	return &pathError{path: field, err: err}
}

// at is in for an element of a repeated field.
func at(field string, index int, err error) error {
	if err == nil {
		return nil
	}
	return in(field+"["+strconv.Itoa(index)+"]", err)
}

func asFault(op string, err error) error {
	if whole := new(fault.Error); errors.As(err, &whole) {
		whole.Op = op
		return whole
	}
	kind := fault.Invalid
	if errors.Is(err, column.ErrFull) {
		kind = fault.TooLarge
	}
	var deep *pathError
	if errors.As(err, &deep) {
		return &fault.Error{Kind: kind, Op: op, Field: deep.path, Err: deep.err}
	}
	return &fault.Error{Kind: kind, Op: op, Err: err}
}

// check keeps the first fault of a leaf until the message ends, see end.
func (t *Table) check(field string, err error) {
	if err != nil && t.bad == nil {
		t.bad = in(field, err)
	}
}

// end is a message's result: the cursor's fault, else the first of a leaf.
func (t *Table) end(c *wire.Cursor) error {
	if err := c.Err(); err != nil {
		return err
	}
	err := t.bad
	t.bad = nil
	return err
}

// unknown counts a field that the normal form leaves out; the cursor has passed it.
func (s *Stats) unknown() { s.UnknownFields++ }

func (t *Table) unknown() { t.Stats.unknown() }

// merge joins two encodings of one singular message: their concatenation is, by the
// protobuf encoding's rules, the merged message. A cursor's bytes have no capacity behind
// them, so the first append copies, and a thousand fragments cost no more than their bytes.
func merge(had bool, first, second []byte) []byte {
	if !had {
		return second
	}
	return append(first, second...)
}

// later is the value of a text that may be given twice; protobuf also checks the one that
// does not count.
func (t *Table) later(field string, earlier, text []byte) []byte {
	if len(earlier) > 0 {
		t.superseded(field, earlier)
	}
	return text
}

func (t *Table) superseded(field string, text []byte) {
	if !utf8.Valid(text) {
		t.check(field, column.ErrUTF8)
	}
}
