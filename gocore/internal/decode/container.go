package decode

import (
	"errors"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// All three signals share the outer shape, down to the field numbers:
// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/trace/v1/trace.proto
//
//	Request       { repeated ResourceSpans = 1 }
//	ResourceSpans { Resource = 1; repeated ScopeSpans = 2; string schema_url = 3 }
//	ScopeSpans    { InstrumentationScope = 1; repeated Span = 2; string schema_url = 3 }

const (
	tagResource  = 1<<3 | 2
	tagContained = 2<<3 | 2
	tagSchemaURL = 3<<3 | 2
)

// common is the columns of resource and scope, which every table has.
type common struct {
	table        *Table
	outer, inner level
	resource     part
	scope        part

	promoted                promoter // from the resource
	entities                column.List
	entityURL, entityType   column.Text
	idKeys, descriptionKeys column.List
	idKey, descriptionKey   column.Plain
	entitySize              int // of the present resource, in bytes

	scopeName, scopeVersion column.Text
	scopeNameAt, versionAt  int32
	duplicates              column.Text
}

// part is what resource and scope have alike; a row repeats it until the next one.
type part struct {
	attrs     attrs
	dropped   column.Fixed[uint32]
	url       column.Text
	droppedAt uint32
	urlAt     int32
	rows      int // rows of the present one
	hash      uint64
	hashed    bool // hash is the present one's identity
}

func (c *common) bind(t *Table, named *columns) {
	c.table = t
	named.attrs("resource_attributes", "resource_attribute_types", &c.resource.attrs)
	named.add("resource_dropped_attributes_count", &c.resource.dropped)
	named.add("resource_schema_url", &c.resource.url)
	c.idKeys.Children = []column.Column{&c.idKey}
	c.descriptionKeys.Children = []column.Column{&c.descriptionKey}
	c.entities.Children = []column.Column{&c.entityURL, &c.entityType, &c.idKeys, &c.descriptionKeys}
	named.add("resource_entity_refs", &c.entities)
	named.text(&c.entityURL)
	named.text(&c.entityType)
	named.add("scope_name", &c.scopeName)
	named.add("scope_version", &c.scopeVersion)
	named.attrs("scope_attributes", "scope_attribute_types", &c.scope.attrs)
	named.add("scope_dropped_attributes_count", &c.scope.dropped)
	named.add("scope_schema_url", &c.scope.url)
	named.add("duplicate_attributes", &c.duplicates)
	for _, p := range schema.Services() {
		c.promoted.add(named, p)
	}
}

// levels says what is done at both levels, once the item's function is known.
func (c *common) levels(path [3]string, item func([]byte) error) {
	c.outer = level{
		head: "resource", contained: path[1], part: &c.resource, read: c.readResource, end: c.endResource,
		each: func(b []byte) error { return c.table.container(&c.inner, b) },
	}
	c.inner = level{
		head: "scope", contained: path[2], part: &c.scope, read: c.readScope, end: c.endScope, each: item,
	}
}

// forget ends a request that was cut off in the middle.
func (c *common) forget() { c.resource.rows, c.scope.rows = 0, 0 }

func (t *Table) request(body []byte) error {
	c := wire.NewCursor(body)
	for i := 0; c.Next(); {
		if c.Tag() != tagResource {
			t.unknown()
			continue
		}
		if err := t.container(&t.common.outer, c.Bytes()); err != nil {
			return at(t.path[0], i, err)
		}
		i++
	}
	return c.Err()
}

// level is one of the two containers around items: what is in it, and what to do with that.
type level struct {
	head, contained string // the fields, for errors
	part            *part
	read            func(head []byte) error
	each            func(contained []byte) error
	end             func() error
}

// errLate asks for a second try in two passes, see container.
var errLate = errors.New("resource or scope behind its items, or given twice")

// container reads one level in one pass: every known client writes resource or scope before
// the items, which need it. Where it comes late or in parts, the request is begun again, and
// then each container is searched for it first: that is an extra touch of every item, which
// costs a tenth of all decoding.
func (t *Table) container(l *level, b []byte) error {
	seen := t.twoPasses
	if seen {
		if err := in(l.head, l.read(heads(b))); err != nil {
			return err
		}
	}
	var url []byte
	c := wire.NewCursor(b)
	for i := 0; c.Next(); {
		switch c.Tag() {
		case tagResource:
			if t.twoPasses {
				continue
			}
			if seen {
				return errLate
			}
			seen = true
			if err := in(l.head, l.read(c.Bytes())); err != nil {
				return err
			}
		case tagContained:
			if !seen {
				seen = true
				_ = l.read(nil) // nothing in it to be wrong
			}
			if err := l.each(c.Bytes()); err != nil {
				return at(l.contained, i, err)
			}
			i++
		case tagSchemaURL:
			url = t.later("schema_url", url, c.Bytes())
		default:
			t.unknown()
		}
	}
	if err := t.end(&c); err != nil {
		return err
	}
	if !seen {
		_ = l.read(nil)
	}
	return t.endContainer(l, url)
}

func (t *Table) endContainer(l *level, url []byte) (err error) {
	if l.part.urlAt, err = l.part.url.Index(url); err != nil {
		return in("schema_url", err)
	}
	return l.end()
}

// heads is the container's resource or scope, merged of all its parts.
func heads(b []byte) (head []byte) {
	c := wire.NewCursor(b)
	for had := false; c.Next(); {
		if c.Tag() == tagResource {
			head, had = merge(had, head, c.Bytes()), true
		}
	}
	return head // an error is met again by container
}

// row ends an item's row. Its resource and scope are only counted, against the request's
// growth too: their columns are filled for all their rows at once when they end.
func (t *Table) row() error {
	c := &t.common
	c.resource.rows++
	c.scope.rows++
	if err := t.duplicatesRow(); err != nil {
		return err
	}
	t.rows++
	return t.grow(rowCost + attrCost*(c.resource.attrs.size()+c.scope.attrs.size()) + c.entitySize)
}

// fill appends the part's columns for its n rows, or takes back what was read when it has none.
func (p *part) fill(t *Table) (n int) {
	n, p.rows = p.rows, 0
	p.attrs.closeN(n)
	p.dropped.AppendN(p.droppedAt, n)
	p.url.AppendIndexN(p.urlAt, n)
	if n == 0 {
		t.Stats.EmptyContainers++
	}
	return n
}

func (c *common) endResource() error {
	n := c.resource.rows
	if err := c.promoted.fill(&c.resource.attrs, n); err != nil {
		return err
	}
	c.resource.fill(c.table)
	c.fillEntities(n)
	return nil
}

func (c *common) endScope() error {
	n := c.scope.fill(c.table)
	c.scopeName.AppendIndexN(c.scopeNameAt, n)
	c.scopeVersion.AppendIndexN(c.versionAt, n)
	return nil
}

// readResource reads Resource { repeated KeyValue attributes = 1; uint32 dropped = 2; repeated EntityRef = 3 }.
func (c *common) readResource(b []byte) error {
	res := &c.resource
	res.attrs.begin()
	res.hashed = false
	res.droppedAt = 0
	c.entitySize = 0
	cur := wire.NewCursor(b)
	entity := 0
	for cur.Next() {
		switch cur.Tag() {
		case 1<<3 | 2:
			if err := res.attrs.add(cur.Bytes()); err != nil {
				return err
			}
		case 2 << 3:
			res.droppedAt = uint32(cur.Varint()) // protobuf truncates
		case 3<<3 | 2:
			if err := c.entity(cur.Bytes()); err != nil {
				return at("entity_refs", entity, err)
			}
			entity++
		default:
			c.table.unknown()
		}
	}
	if err := c.table.end(&cur); err != nil {
		return err
	}
	return res.attrs.finish(-1)
}

// readScope reads InstrumentationScope { name = 1; version = 2; repeated KeyValue attributes = 3; uint32 dropped = 4 }.
func (c *common) readScope(b []byte) error {
	scope, t := &c.scope, c.table
	scope.attrs.begin()
	scope.hashed = false
	scope.droppedAt = 0
	var name, version []byte
	cur := wire.NewCursor(b)
	for cur.Next() {
		switch cur.Tag() {
		case 1<<3 | 2:
			name = t.later("name", name, cur.Bytes())
		case 2<<3 | 2:
			version = t.later("version", version, cur.Bytes())
		case 3<<3 | 2:
			if err := scope.attrs.add(cur.Bytes()); err != nil {
				return err
			}
		case 4 << 3:
			scope.droppedAt = uint32(cur.Varint()) // protobuf truncates
		default:
			t.unknown()
		}
	}
	var err error
	c.scopeNameAt, err = c.scopeName.Index(name)
	t.check("name", err)
	c.versionAt, err = c.scopeVersion.Index(version)
	t.check("version", err)
	if err := t.end(&cur); err != nil {
		return err
	}
	return scope.attrs.finish(-1)
}
