package otap

import (
	"errors"
	"fmt"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
)

// column is a field of a table's schema, and what the batch in work has of it.
type column struct {
	name     string
	path     string // with the table's and the structs' names, for errors
	encoding string // of ids, as the field's metadata says
	typ      valueType
	index    valueType   // of a dictionary's indices
	dict     *dictionary // nil: plain
	children []column
	slots    int // buffers in a record

	from  *record
	rows  int
	nulls bool
	parts [3]extent // of the record's body
}

// record is a record batch as it came.
type record struct {
	rows  int
	body  []byte
	codec byte // how its parts are compressed
}

// extent is where a buffer lies in a record's body. A slice in each column instead would keep the
// garbage collector busy.
type extent struct{ at, size int }

// valueType is a type as far as OTAP tells types apart.
type valueType struct {
	kind   byte // fbInt and so on
	width  int  // bytes of a value that has a fixed size, else 0
	signed bool
	unit   byte // of times
}

// The types that the encoder has no use for. Columns of further ones have no place in OTAP.
const (
	fbNull        = 1
	fbUnion       = 14
	fbFixedList   = 16
	fbMap         = 17
	fbLargeBinary = 19
	fbLargeUtf8   = 20
	fbLargeList   = 21
	fbRunEnds     = 22
)

var errEndian = errors.New("a schema of another byte order than little-endian")

// typeNames are by kind.
var typeNames = [...]string{
	fbNull: "null", fbInt: "int", fbFloat: "float", fbBinary: "binary", fbUtf8: "utf8", fbBool: "bool", 7: "decimal",
	8: "date", 9: "time", fbTimestamp: "timestamp", 11: "interval", fbList: "list", fbStruct: "struct", fbUnion: "union",
	fbFixedBinary: "fixed_size_binary", fbFixedList: "fixed_size_list", fbMap: "map", fbDuration: "duration",
	fbLargeBinary: "large_binary", fbLargeUtf8: "large_utf8", fbLargeList: "large_list", fbRunEnds: "run_end_encoded",
}

func (t valueType) String() string {
	if int(t.kind) >= len(typeNames) {
		return "unknown"
	}
	name := typeNames[t.kind]
	switch {
	case t.kind == fbInt && !t.signed:
		return fmt.Sprintf("u%s%d", name, 8*t.width)
	case t.kind == fbInt, t.kind == fbFloat:
		return fmt.Sprintf("%s%d", name, 8*t.width)
	case t.kind == fbFixedBinary:
		return fmt.Sprintf("%s[%d]", name, t.width)
	case t.kind == fbTimestamp && t.unit != fbNanosecond, t.kind == fbDuration && t.unit != fbNanosecond && t.unit != fbMillisecond:
		return name + " of another unit than nanoseconds"
	}
	return name
}

// layout is how many buffers a column of a type has in a record.
func (t valueType) layout(unionMode uint16) (buffers int, known bool) {
	switch t.kind {
	case fbNull, fbRunEnds:
		return 0, true
	case fbStruct, fbFixedList:
		return 1, true
	case fbUnion:
		return 1 + int(unionMode&1), true // sparse: 0, dense: 1
	case fbBinary, fbUtf8, fbLargeBinary, fbLargeUtf8:
		return 3, true
	}
	return 2, t.kind > 0 && t.kind <= fbRunEnds
}

// Fields of the tables in apache/arrow format/Schema.fbs and Message.fbs.
const (
	messageHeader = 2

	schemaEndianness = 0
	schemaFields     = 1

	fieldName       = 0
	fieldTypeKind   = 2
	fieldType       = 3
	fieldDictionary = 4
	fieldChildren   = 5
	fieldMetadata   = 6

	dictionaryID    = 0
	dictionaryIndex = 1
)

// columnBytes is about what a column costs, its names aside.
const columnBytes = 512

// schema takes a schema message's head, which SoundSchema has found sound.
func (r *reader) schema(table string, head []byte, s *store) error {
	if err := r.hold(s, int64(len(head))); err != nil {
		return err
	}
	f := flatbuf.New(head)
	at := f.Table(f.Field(f.Root(), messageHeader))
	if f.Short(f.Field(at, schemaEndianness)) != 0 {
		return errEndian
	}
	var err error
	if r.columns, err = r.fields(f, f.Field(at, schemaFields), table, false, s); err == nil && f.Bad() {
		err = errSchema
	}
	return err
}

// fields reads those of a table, a struct or a list; a list's item goes by the list's name.
func (r *reader) fields(f *flatbuf.Reader, vector int, of string, inList bool, s *store) ([]column, error) {
	all := f.Tables(vector)
	if err := r.hold(s, int64(len(all))*columnBytes); err != nil {
		return nil, err
	}
	columns := make([]column, len(all))
	for i, at := range all {
		columns[i].from = &r.record
		columns[i].name = f.Text(f.Field(at, fieldName))
		columns[i].path = of + "." + columns[i].name
		if inList {
			columns[i].path = of
		}
		if err := r.field(f, at, &columns[i], s); err != nil {
			return nil, err
		}
	}
	return columns, nil
}

func (r *reader) field(f *flatbuf.Reader, at int, c *column, s *store) (err error) {
	c.encoding = f.LookUp(f.Field(at, fieldMetadata), encodingKey)
	kind, body := f.Byte(f.Field(at, fieldTypeKind)), f.Table(f.Field(at, fieldType))
	c.typ = typeOf(f, kind, body)
	var known bool
	if c.slots, known = c.typ.layout(f.Short(f.Field(body, 0))); !known {
		return fmt.Errorf("column %.64q is of a type that OTAP has no place for", c.name)
	}
	if c.children, err = r.fields(f, f.Field(at, fieldChildren), c.path, kind == fbList, s); err != nil {
		return err
	}
	if encoding := f.Field(at, fieldDictionary); encoding != 0 {
		return r.coded(f, f.Table(encoding), c)
	}
	return nil
}

// coded makes a column one of indices. Columns may share a dictionary.
func (r *reader) coded(f *flatbuf.Reader, encoding int, c *column) error {
	c.index = valueType{kind: fbInt, width: 4, signed: true} // where nothing is said
	if index := f.Field(encoding, dictionaryIndex); index != 0 {
		c.index = typeOf(f, fbInt, f.Table(index))
	}
	if c.index.width == 0 {
		return errSchema
	}
	id := f.Word(f.Field(encoding, dictionaryID))
	if c.dict = r.dictionary(id); c.dict == nil {
		c.dict = &dictionary{id: id, values: *c}
		c.dict.values.from = &c.dict.record
		r.dicts = append(r.dicts, c.dict)
	} else if c.dict.values.typ != c.typ || len(c.children) > 0 {
		return fmt.Errorf("columns of different types share dictionary %d", id)
	}
	c.children, c.slots = nil, 2
	return nil
}

// dictionary gives the stream's dictionary with an id, nil where the schema has none.
func (r *reader) dictionary(id uint64) *dictionary {
	for _, d := range r.dicts {
		if d.id == id {
			return d
		}
	}
	return nil
}

// typeOf reads a type's table.
func typeOf(f *flatbuf.Reader, kind byte, at int) valueType {
	t := valueType{kind: kind}
	switch kind {
	case fbInt:
		t.signed = f.Byte(f.Field(at, 1)) != 0
		switch bits := f.Int(f.Field(at, 0)); bits {
		case 8, 16, 32, 64:
			t.width = bits / 8
		}
	case fbFloat:
		t.width = 2 << min(f.Short(f.Field(at, 0)), 2) // half, single, double
	case fbFixedBinary:
		t.width = max(f.Int(f.Field(at, 0)), 0)
	case fbTimestamp, fbDuration:
		t.width, t.unit = 8, byte(f.Short(f.Field(at, 0)))
		if kind == fbDuration && f.Field(at, 0) == 0 {
			t.unit = fbMillisecond // the schema's default
		}
	}
	return t
}
