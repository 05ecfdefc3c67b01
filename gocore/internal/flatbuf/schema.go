package flatbuf

// Of a Message, and of a Schema and its Fields in apache/arrow format/Schema.fbs.
const (
	messageHeader  = 2
	schemaFields   = 1
	schemaMetadata = 2
	fieldChildren  = 5
	fieldMetadata  = 6
)

// SoundSchema tells whether no vector in a schema message's head is longer than there is room
// for, and whether its fields, some of which may be the same bytes many times, are not too many
// or too deep: arrow-go makes room for what it is told, and what is no memory ends the process.
func SoundSchema(head []byte, maxFields, maxDepth int) bool {
	r := New(head)
	at := r.Table(r.Field(r.Root(), messageHeader))
	r.Tables(r.Field(at, schemaMetadata))
	r.walk(r.Tables(r.Field(at, schemaFields)), &maxFields, maxDepth)
	return !r.bad
}

// walk looks at fields and at those below them.
func (r *Reader) walk(fields []int, left *int, depth int) {
	for _, field := range fields {
		if *left--; *left < 0 || depth == 0 {
			r.bad = true
		}
		if r.bad {
			return
		}
		r.Tables(r.Field(field, fieldMetadata))
		r.walk(r.Tables(r.Field(field, fieldChildren)), left, depth-1)
	}
}
