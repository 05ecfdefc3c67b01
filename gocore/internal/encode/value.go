package encode

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// The letters of attribute_types.
const (
	letterString = 's'
	letterInt    = 'i'
	letterDouble = 'd'
	letterBool   = 'b'
	letterBytes  = 'y'
	letterArray  = 'a'
	letterKvlist = 'k'
	letterEmpty  = 'n'
	letterNone   = '-'
)

// Field numbers of AnyValue's oneof.
const (
	anyString = 1
	anyBool   = 2
	anyInt    = 3
	anyDouble = 4
	anyArray  = 5
	anyKvlist = 6
	anyBytes  = 7
)

var (
	errNullValue = errors.New("the value is null, which its type does not allow")
	errNotNull   = errors.New("the value has a text, which its type does not allow")
)

// appendAnyValue writes an AnyValue field from letter and text; '-' is no field at all.
func appendAnyValue(b []byte, field uint32, letter byte, value optionalText) ([]byte, error) {
	wantNull := letter == letterEmpty || letter == letterNone
	if value.valid == wantNull {
		if wantNull {
			return b, errNotNull
		}
		return b, errNullValue
	}
	if letter == letterNone {
		return b, nil
	}
	b, open := wire.Begin(b, field)
	b, err := appendOneof(b, letter, value.text)
	return wire.End(b, open), err
}

// appendOneof writes the one field that an AnyValue has, or none if it is empty.
func appendOneof(b []byte, letter byte, text string) ([]byte, error) {
	switch letter {
	case letterString:
		return wire.AppendBytes(b, anyString, text), nil
	case letterInt:
		v, err := strconv.ParseInt(text, 10, 64)
		return wire.AppendUint(b, anyInt, uint64(v)), err // two's complement
	case letterDouble:
		v, err := parseDouble(text)
		return wire.AppendDouble(b, anyDouble, v), err
	case letterBool:
		return appendBool(b, text)
	case letterBytes:
		return appendBase64(b, text)
	case letterArray, letterKvlist:
		return appendJSON(b, letter, text)
	case letterEmpty:
		return b, nil
	}
	return b, fmt.Errorf("unknown attribute type %q", letter)
}

func appendBool(b []byte, text string) ([]byte, error) {
	switch text {
	case "true":
		return wire.AppendUint(b, anyBool, 1), nil
	case "false":
		return wire.AppendUint(b, anyBool, 0), nil
	}
	return b, fmt.Errorf("%q is neither true nor false", text)
}

func appendBase64(b []byte, text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	return wire.AppendBytes(b, anyBytes, raw), err
}

func parseDouble(text string) (float64, error) {
	switch text {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	return strconv.ParseFloat(text, 64)
}
