package otap

// valueCols are the columns of an AnyValue: a kind, and a column for each sort of value.
type valueCols struct {
	kind, str, int, double, bool, bytes, ser *emitCol
	byKind                                   [sentKinds]*emitCol // where a kind's values lie; nil for those that have none
	cbor                                     cborWriter
}

func newValueCols(lost *Lost) valueCols {
	v := valueCols{
		kind: plainCol("type", tU8).must(), str: dictCol("str", tText, index16), int: dictCol("int", tI64, index16),
		double: plainCol("double", tF64), bool: plainCol("bool", tBool), bytes: dictCol("bytes", tBinary, index16),
		ser: dictCol("ser", tBinary, index16), cbor: cborWriter{lost: lost},
	}
	v.byKind = [sentKinds]*emitCol{kindStr: v.str, kindInt: v.int, kindDouble: v.double, kindBool: v.bool, kindBytes: v.bytes,
		kindMap: v.ser, kindSlice: v.ser}
	return v
}

func (v *valueCols) cols() []*emitCol {
	return []*emitCol{v.kind, v.str, v.int, v.double, v.bool, v.bytes, v.ser}
}

// serial is an array or a kvlist in CBOR, valid until the next call.
func (v *valueCols) serial(value anyValue) ([]byte, error) {
	v.cbor.b = v.cbor.b[:0]
	err := v.cbor.nested(value, 1)
	return v.cbor.b, err
}

// put sets a row's value.
func (v *valueCols) put(row int, value anyValue) error {
	v.kind.u8(row, value.kind)
	switch value.kind {
	case kindStr:
		return required(v.str, row, value.bytes)
	case kindInt:
		v.int.u64(row, value.num)
	case kindDouble:
		v.double.u64(row, value.num)
	case kindBool:
		v.bool.bool(row, value.num != 0)
	case kindBytes:
		v.bytes.raw(row, value.bytes)
	case kindMap, kindSlice:
		b, err := v.serial(value)
		if err != nil {
			return err
		}
		v.ser.raw(row, b)
	}
	return nil
}
