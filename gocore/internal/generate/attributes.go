package generate

import "github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"

// The fields of KeyValue and AnyValue.
const (
	keyField    = 1
	valueField  = 2
	stringValue = 1
	intValue    = 3
)

// text appends an attribute to the message that has them under field.
func text(b []byte, field uint32, key, value string) []byte {
	b, outer := wire.Begin(b, field)
	b = wire.AppendBytes(b, keyField, key)
	b, inner := wire.Begin(b, valueField)
	b = wire.AppendBytes(b, stringValue, value)
	return wire.End(wire.End(b, inner), outer)
}

func number(b []byte, field uint32, key string, value int) []byte {
	b, outer := wire.Begin(b, field)
	b = wire.AppendBytes(b, keyField, key)
	b, inner := wire.Begin(b, valueField)
	b = wire.AppendUint(b, intValue, uint64(value))
	return wire.End(wire.End(b, inner), outer)
}
