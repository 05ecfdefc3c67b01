package otlpjson

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

var (
	errInteger = errors.New("not an integer")
	errRange   = errors.New("out of range")
)

// quote shows the beginning of a client's text.
func quote(text []byte) string {
	const shown = 40
	if len(text) > shown {
		return fmt.Sprintf("%q...", text[:shown])
	}
	return fmt.Sprintf("%q", text)
}

// limits are the magnitudes that a kind of integer reaches below and above zero.
type limits struct{ below, above uint64 }

func limitsOf(k kind) limits {
	switch k {
	case kindEnum, kindInt32, kindSint32:
		return limits{1 << 31, math.MaxInt32}
	case kindInt64, kindSfixed64:
		return limits{1 << 63, math.MaxInt64}
	case kindUint32, kindFixed32:
		return limits{0, math.MaxUint32}
	default:
		return limits{0, math.MaxUint64}
	}
}

// parseInteger reads a number's text as a kind's two's complement. 1e3 and 7.0 are
// integers too; no float64 is involved, so all 64 bits are exact.
func parseInteger(k kind, text []byte) (uint64, error) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	magnitude, err := parseMagnitude(text)
	if err != nil {
		return 0, err
	}
	limit := limitsOf(k)
	if negative {
		if magnitude > limit.below {
			return 0, errRange
		}
		return -magnitude, nil
	}
	if magnitude > limit.above {
		return 0, errRange
	}
	return magnitude, nil
}

// parseMagnitude reads a number without its sign. Up to 19 digits cannot overflow.
func parseMagnitude(text []byte) (uint64, error) {
	if len(text) > 19 {
		return parseLongMagnitude(text)
	}
	var v uint64
	for _, c := range text {
		if !isDigit(c) {
			return parseLongMagnitude(text)
		}
		v = v*10 + uint64(c-'0')
	}
	return v, nil
}

// parseLongMagnitude moves the decimal point to the end of the significant digits and
// then multiplies by what remains of the exponent.
func parseLongMagnitude(text []byte) (uint64, error) {
	exponent := 0
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		exponent = parseExponent(text[i+1:])
		text = text[:i]
	}
	whole, fraction, _ := bytes.Cut(text, []byte{'.'})
	fraction = bytes.TrimRight(fraction, "0")
	exponent -= len(fraction)
	if len(fraction) == 0 {
		trimmed := bytes.TrimRight(whole, "0")
		exponent += len(whole) - len(trimmed)
		whole = trimmed
	}
	var v uint64
	for _, part := range [][]byte{whole, fraction} {
		for _, c := range part {
			if v > (math.MaxUint64-uint64(c-'0'))/10 {
				return 0, overflowOrFraction(exponent)
			}
			v = v*10 + uint64(c-'0')
		}
	}
	return scale(v, exponent)
}

// overflowOrFraction names the fault of more digits than 64 bits hold.
func overflowOrFraction(exponent int) error {
	if exponent < 0 {
		return errInteger
	}
	return errRange
}

func scale(v uint64, exponent int) (uint64, error) {
	if v == 0 {
		return 0, nil
	}
	if exponent < 0 {
		return 0, errInteger
	}
	for ; exponent > 0; exponent-- {
		if v > math.MaxUint64/10 {
			return 0, errRange
		}
		v *= 10
	}
	return v, nil
}

// parseExponent stops counting where every number is 0, too large or a fraction.
func parseExponent(text []byte) int {
	const enough = math.MaxInt32 // more than a document has digits
	negative := text[0] == '-'
	v := 0
	for _, c := range text {
		if isDigit(c) {
			v = min(v*10+int(c-'0'), enough)
		}
	}
	if negative {
		return -v
	}
	return v
}

// parseDouble reads a number's text.
func parseDouble(text []byte) (uint64, error) {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, errRange
	}
	return math.Float64bits(v), nil
}

// parseWord reads the three doubles that JSON has no numbers for.
func parseWord(text []byte) (uint64, bool) {
	switch string(text) {
	case "NaN":
		return math.Float64bits(math.NaN()), true
	case "Infinity":
		return math.Float64bits(math.Inf(1)), true
	case "-Infinity":
		return math.Float64bits(math.Inf(-1)), true
	}
	return 0, false
}

// parseEnum reads an enum's standard name.
func parseEnum(id enumID, text []byte) (uint64, error) {
	name, ok := strings.CutPrefix(string(text), enums[id].prefix)
	for number, known := range enums[id].names {
		if ok && name == known {
			return uint64(number), nil
		}
	}
	return 0, fmt.Errorf("unknown name %s", quote(text))
}

// appendBits appends what a scalar looks like on the wire, without its tag.
func appendBits(dst []byte, k kind, bits uint64) []byte {
	switch wireOf(k) {
	case wireFixed64:
		return binary.LittleEndian.AppendUint64(dst, bits)
	case wireFixed32:
		return binary.LittleEndian.AppendUint32(dst, uint32(bits))
	}
	if k == kindSint32 {
		bits = uint64(uint32(bits)<<1 ^ uint32(int32(bits)>>31))
	}
	return binary.AppendUvarint(dst, bits)
}

// appendText appends the length-delimited value that a string stands for.
func appendText(dst []byte, k kind, text []byte) ([]byte, error) {
	switch k {
	case kindString:
		return append(binary.AppendUvarint(dst, uint64(len(text))), text...), nil
	case kindBytes:
		return appendBase64(dst, text)
	case kindTraceID:
		return appendHex(dst, text, 16)
	case kindSpanID:
		return appendHex(dst, text, 8)
	default:
		return appendHex(dst, text, 0)
	}
}

// textSize is how many bytes a string stands for, at most two more than it does.
func textSize(k kind, text []byte) int {
	switch k {
	case kindString:
		return len(text)
	case kindBytes:
		return base64.RawStdEncoding.DecodedLen(len(text))
	default:
		return len(text) / 2
	}
}

// appendHex decodes an id of size bytes, 0 for any size. Empty means unset.
func appendHex(dst, text []byte, size int) ([]byte, error) {
	if len(text)%2 != 0 || size > 0 && len(text) != 2*size && len(text) != 0 {
		return nil, fmt.Errorf("want %s hexadecimal digits, found %d characters", digitsWanted(size), len(text))
	}
	dst, err := hex.AppendDecode(binary.AppendUvarint(dst, uint64(len(text)/2)), text)
	if err != nil {
		return nil, fmt.Errorf("%s is not hexadecimal", quote(text))
	}
	return dst, nil
}

func digitsWanted(size int) string {
	if size == 0 {
		return "an even number of"
	}
	return strconv.Itoa(2 * size)
}

// appendBase64 decodes either alphabet, padded or not.
func appendBase64(dst, text []byte) ([]byte, error) {
	body := text
	for range 2 {
		body = bytes.TrimSuffix(body, []byte{'='})
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(body, "-_") {
		encoding = base64.RawURLEncoding
	}
	padded := len(body) < len(text)
	dst = binary.AppendUvarint(dst, uint64(encoding.DecodedLen(len(body))))
	dst, err := encoding.AppendDecode(dst, body)
	// The library skips line breaks; in JSON there are none to skip.
	if err != nil || padded && len(text)%4 != 0 || bytes.ContainsAny(body, "\r\n") {
		return nil, fmt.Errorf("%s is not base64", quote(text))
	}
	return dst, nil
}
