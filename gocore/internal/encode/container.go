package encode

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// All three signals share the outer shape, down to the field numbers:
//
//	Request       { repeated ResourceSpans = 1 }
//	ResourceSpans { Resource = 1; repeated ScopeSpans = 2; string schema_url = 3 }
//	ScopeSpans    { InstrumentationScope = 1; repeated Span = 2; string schema_url = 3 }
//
// A metric is one more container, around its data points.

// container is a message around items, which neighbouring rows share if it is equal.
type container interface {
	// same tells whether a row and the one before it share the container.
	same(row int) bool
	open(b []byte, row int) []byte
	close(b []byte) []byte
}

// table is a batch whose columns have been found.
type table struct {
	fail       failure
	containers []container // outermost first
	item       func(b []byte, row int) []byte
	earlier    earlier
}

func newTable(signal otlp.Signal, batch arrow.RecordBatch) *table {
	t := &table{fail: failure{row: -1}}
	s := batchSource(batch, &t.fail)
	t.earlier.text = bindText(s, "duplicate_attributes")
	t.containers = []container{bindResource(t, s), bindScope(t, s)}
	switch signal {
	case otlp.Traces:
		t.item = bindSpans(t, s).span
	case otlp.Metrics:
		m := bindMetrics(t, s)
		t.containers = append(t.containers, m)
		t.item = m.point
	default:
		t.item = bindLogs(t, s).record
	}
	return t
}

// rows writes all rows, or up to the first fault.
func (t *table) rows(b []byte, count int) []byte {
	open := 0
	for row := range count {
		if t.fail.err != nil {
			return b
		}
		t.fail.row = row
		t.fault("duplicate_attributes", t.earlier.read(row))
		shared := t.shared(row)
		b = t.close(b, shared, open)
		for _, c := range t.containers[shared:] {
			b = c.open(b, row)
		}
		open = len(t.containers)
		b = t.item(b, row)
		t.fault("duplicate_attributes", t.earlier.left())
	}
	return t.close(b, 0, open)
}

// shared counts the containers that a row has in common with the one before it.
func (t *table) shared(row int) int {
	if row == 0 {
		return 0
	}
	for i, c := range t.containers {
		if !c.same(row) {
			return i
		}
	}
	return len(t.containers)
}

// close ends the containers [from, to), the innermost first.
func (t *table) close(b []byte, from, to int) []byte {
	for i := to - 1; i >= from; i-- {
		b = t.containers[i].close(b)
	}
	return b
}

// fault notes the first fault, with its column and the present row.
func (t *table) fault(column string, err error) { t.fail.set(column, err) }

// resource writes the outer container, with Resource { repeated KeyValue attributes = 1;
// uint32 dropped_attributes_count = 2; repeated EntityRef entity_refs = 3 }.
type resource struct {
	table    *table
	attrs    attributes
	dropped  column[uint32]
	url      text
	entities entities
	place    int
}

func bindResource(t *table, s source) *resource {
	return &resource{
		table:    t,
		attrs:    t.containerAttributes(s, "resource_attributes", "resource_attribute_types"),
		dropped:  bind[uint32](s, "resource_dropped_attributes_count"),
		url:      bindText(s, "resource_schema_url"),
		entities: bindEntities(s),
	}
}

func (r *resource) same(row int) bool {
	return r.attrs.same(row-1, row) && same(r.dropped, row-1, row) && r.url.same(row-1, row) &&
		r.entities.same(row-1, row) && r.table.earlier.same(r.attrs.column)
}

func (r *resource) open(b []byte, row int) []byte {
	b, r.place = wire.Begin(b, 1)
	b = appendText(b, 3, r.url.value(row))
	before := len(b)
	b, head := wire.Begin(b, 1)
	b = r.table.appendContainerAttributes(b, 1, r.attrs, row)
	b = appendUint(b, 2, uint64(r.dropped.value(row)))
	b = r.entities.append(b, 3, row)
	return endUnlessEmpty(b, before, head)
}

func (r *resource) close(b []byte) []byte { return wire.End(b, r.place) }

// endUnlessEmpty closes a message, or takes back one without fields: an absent and an
// empty Resource or scope are the same in the normal form.
func endUnlessEmpty(b []byte, before, place int) []byte {
	if len(b) == place {
		return b[:before]
	}
	return wire.End(b, place)
}

// scope writes the middle container, with InstrumentationScope { string name = 1; string
// version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4 }.
type scope struct {
	table         *table
	name, version text
	attrs         attributes
	dropped       column[uint32]
	url           text
	place         int
}

func bindScope(t *table, s source) *scope {
	return &scope{
		table:   t,
		name:    bindText(s, "scope_name"),
		version: bindText(s, "scope_version"),
		attrs:   t.containerAttributes(s, "scope_attributes", "scope_attribute_types"),
		dropped: bind[uint32](s, "scope_dropped_attributes_count"),
		url:     bindText(s, "scope_schema_url"),
	}
}

func (s *scope) same(row int) bool {
	return s.name.same(row-1, row) && s.version.same(row-1, row) && s.attrs.same(row-1, row) &&
		same(s.dropped, row-1, row) && s.url.same(row-1, row) && s.table.earlier.same(s.attrs.column)
}

func (s *scope) open(b []byte, row int) []byte {
	b, s.place = wire.Begin(b, 2)
	b = appendText(b, 3, s.url.value(row))
	before := len(b)
	b, head := wire.Begin(b, 1)
	b = appendText(b, 1, s.name.value(row))
	b = appendText(b, 2, s.version.value(row))
	b = s.table.appendContainerAttributes(b, 3, s.attrs, row)
	b = appendUint(b, 4, uint64(s.dropped.value(row)))
	return endUnlessEmpty(b, before, head)
}

func (s *scope) close(b []byte) []byte { return wire.End(b, s.place) }

// entities is the list column of entity references.
type entities struct {
	list
	url, kind             text
	idKeys, descriptionKs texts
}

func bindEntities(s source) entities {
	l, items := bindList(s, "resource_entity_refs")
	in := structSource("resource_entity_refs", items, s.fail)
	return entities{
		list:          l,
		url:           bindText(in, "schema_url"),
		kind:          bindText(in, "type"),
		idKeys:        bindTexts(in, "id_keys"),
		descriptionKs: bindTexts(in, "description_keys"),
	}
}

func (e entities) same(a, b int) bool {
	return sameLists(e.list, a, b, func(x, y int) bool {
		return e.url.same(x, y) && e.kind.same(x, y) && e.idKeys.same(x, y) && e.descriptionKs.same(x, y)
	})
}

// append writes EntityRef { string schema_url = 1; string type = 2; repeated string
// id_keys = 3; repeated string description_keys = 4 }.
func (e entities) append(b []byte, field uint32, row int) []byte {
	from, to := e.span(row)
	for i := from; i < to; i++ {
		var place int
		b, place = wire.Begin(b, field)
		b = appendText(b, 1, e.url.value(i))
		b = appendText(b, 2, e.kind.value(i))
		b = e.idKeys.append(b, 3, i)
		b = e.descriptionKs.append(b, 4, i)
		b = wire.End(b, place)
	}
	return b
}
