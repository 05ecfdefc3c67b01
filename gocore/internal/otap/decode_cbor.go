package otap

import (
	"errors"
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// Maps and slices come as CBOR (RFC 8949) and leave as the fields of an AnyValue. The two agree
// but in numbers beyond int64, keys that are no texts, and nested deeper than anyone does: those
// are refused. Tags are skipped.

var (
	errCBOR     = errors.New("CBOR that ends early, or is none")
	errCBORKey  = errors.New("a CBOR map with a key that is no text")
	errCBORInt  = errors.New("a CBOR integer beyond 64 bits")
	errCBORDeep = errors.New("CBOR nested too deeply")
)

const maxCBORDepth = 200 // OTLP's decoders take 100 values inside one another

// Major types, and what else the first byte may say.
const (
	cborUint     = 0
	cborNegative = 1
	cborBytes    = 2
	cborText     = 3
	cborArray    = 4
	cborMap      = 5
	cborTag      = 6
	cborSimple   = 7

	cborIndefinite = 31
	cborBreak      = 0xff
)

// cbor reads one item after the other.
type cbor struct {
	rest  []byte
	depth int
}

// appendCBOR writes the fields of the AnyValue that an item stands for.
func appendCBOR(out, item []byte) ([]byte, error) {
	c := cbor{rest: item}
	return c.value(out)
}

// head takes an item's first bytes: its major type, its argument, and whether that is missing.
func (c *cbor) head() (major byte, n uint64, indefinite bool, err error) {
	if len(c.rest) == 0 {
		return 0, 0, false, errCBOR
	}
	first := c.rest[0]
	c.rest = c.rest[1:]
	major, info := first>>5, first&31
	switch {
	case info < 24:
		return major, uint64(info), false, nil
	case info == cborIndefinite:
		return major, 0, true, nil
	case info > 27:
		return 0, 0, false, errCBOR
	}
	size := 1 << (info - 24)
	b, err := c.take(uint64(size))
	if err != nil {
		return 0, 0, false, err
	}
	for _, digit := range b {
		n = n<<8 | uint64(digit)
	}
	if major == cborSimple { // a float, whose width matters
		n = float(n, size)
	}
	return major, n, false, nil
}

// float is a float of so many bytes as the bits of a double. One byte is a simple value that
// nobody has defined.
func float(bits uint64, size int) uint64 {
	switch size {
	case 2:
		return math.Float64bits(half(uint16(bits)))
	case 4:
		return math.Float64bits(float64(math.Float32frombits(uint32(bits))))
	}
	return bits
}

func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	v := math.Ldexp(1024+fraction, exponent-25)
	switch {
	case exponent == 0:
		v = math.Ldexp(fraction, -24)
	case exponent == 31 && fraction == 0:
		v = math.Inf(1)
	case exponent == 31:
		v = math.NaN()
	}
	return math.Copysign(v, 1-2*float64(bits>>15))
}

func (c *cbor) take(n uint64) ([]byte, error) {
	if n > uint64(len(c.rest)) {
		return nil, errCBOR
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b, nil
}

// value writes an item as the fields of an AnyValue; null has none.
func (c *cbor) value(out []byte) ([]byte, error) {
	if len(c.rest) == 0 {
		return out, errCBOR
	}
	first := c.rest[0]
	major, n, indefinite, err := c.head()
	if err != nil {
		return out, err
	}
	switch major {
	case cborUint, cborNegative:
		if indefinite || n > math.MaxInt64 {
			return out, errCBORInt
		}
		return wire.AppendUint(out, 3, n^-uint64(major)), nil // a negative one is -1-n
	case cborText, cborBytes:
		b, err := c.string(major, n, indefinite)
		if err != nil {
			return out, err
		}
		if major == cborText {
			return wire.AppendBytes(out, 1, b), nil
		}
		return wire.AppendBytes(out, 7, b), nil
	case cborArray, cborMap, cborTag:
		return c.nested(out, major, n, indefinite)
	}
	return simple(out, first, n)
}

func simple(out []byte, first byte, n uint64) ([]byte, error) {
	switch first & 31 {
	case 20, 21:
		return wire.AppendUint(out, 2, n-20), nil
	case 22, 23: // null, undefined
		return out, nil
	case 25, 26, 27:
		return wire.AppendDouble(out, 4, math.Float64frombits(n)), nil
	}
	return out, errCBOR
}

// string gives a text or bytes, put together where it comes in pieces.
func (c *cbor) string(major byte, n uint64, indefinite bool) ([]byte, error) {
	if !indefinite {
		return c.take(n)
	}
	whole := []byte{}
	for !c.over() {
		kind, n, again, err := c.head()
		if err != nil || again || kind != major {
			return nil, errCBOR
		}
		piece, err := c.take(n)
		if err != nil {
			return nil, err
		}
		whole = append(whole, piece...)
	}
	return whole, nil
}

// over takes the end of what has no length, if it is there.
func (c *cbor) over() bool {
	if len(c.rest) > 0 && c.rest[0] == cborBreak {
		c.rest = c.rest[1:]
		return true
	}
	return false
}

func (c *cbor) nested(out []byte, major byte, n uint64, indefinite bool) (_ []byte, err error) {
	if c.depth++; c.depth > maxCBORDepth {
		return out, errCBORDeep
	}
	defer func() { c.depth-- }()
	if major == cborTag {
		if indefinite {
			return out, errCBOR
		}
		return c.value(out)
	}
	field, one := uint32(5), c.element
	if major == cborMap {
		field, one = 6, c.entry
	}
	out, place := wire.Begin(out, field)
	for i := uint64(0); indefinite || i < n; i++ {
		if indefinite && c.over() {
			break
		}
		if out, err = one(out); err != nil {
			return out, err
		}
	}
	return wire.End(out, place), nil
}

// element writes a value of an ArrayValue.
func (c *cbor) element(out []byte) ([]byte, error) {
	out, place := wire.Begin(out, 1)
	out, err := c.value(out)
	return wire.End(out, place), err
}

// entry writes a KeyValue of a KeyValueList.
func (c *cbor) entry(out []byte) ([]byte, error) {
	major, n, indefinite, err := c.head()
	if err != nil {
		return out, err
	}
	if major != cborText {
		return out, errCBORKey
	}
	key, err := c.string(major, n, indefinite)
	if err != nil {
		return out, err
	}
	out, place := wire.Begin(out, 1)
	out = wire.AppendBytes(out, 1, key)
	out, inner := wire.Begin(out, 2)
	out, err = c.value(out)
	return wire.End(wire.End(out, inner), place), err
}
