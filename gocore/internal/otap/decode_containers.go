package otap

import (
	"fmt"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// containers are the resource and the scope of each row of a root table. Rows that follow one
// another with the same ones are together.
type containers struct {
	resource entity
	scope    entity
}

// entity is a resource or a scope.
type entity struct {
	ids     numbers
	dropped numbers
	name    texts // of a scope
	version texts // of a scope
	url     texts
	attrs   *attrs
	changes []uint64 // a 1 for each row whose entity is not that of the row before it
}

func (d *decoder) containers(root *columns) containers {
	resource, scope := d.group(root, "resource"), d.group(root, "scope")
	of := containers{
		resource: entity{
			ids: d.ids(resource, "id"), dropped: d.numbers(resource, "dropped_attributes_count", integers),
			url: d.texts(resource, "schema_url", 0), attrs: d.attrs(ResourceAttrs, 1),
		},
		scope: entity{
			ids: d.ids(scope, "id"), dropped: d.numbers(scope, "dropped_attributes_count", integers),
			name: d.texts(scope, "name", 0), version: d.texts(scope, "version", 0),
			url: d.texts(root, "schema_url", 0), attrs: d.attrs(ScopeAttrs, 3),
		},
	}
	of.resource.changes, of.scope.changes = d.changes(&of.resource, root.rows), d.changes(&of.scope, root.rows)
	return of
}

// changes has a 1 for each row whose entity is not that of the row before it.
func (d *decoder) changes(e *entity, rows int) []uint64 {
	changes := d.some(rows)
	clear(changes)
	for _, n := range []*numbers{&e.ids, &e.dropped} {
		for row := 1; row < rows && n.v != nil; row++ {
			if !n.same(row) {
				changes[row] = 1
			}
		}
	}
	for _, t := range []*texts{&e.name, &e.version, &e.url} {
		for row := 1; row < rows && t.spans != nil; row++ {
			if !t.same(row) {
				changes[row] = 1
			}
		}
	}
	return changes
}

// root writes a root table: item writes what a row is, as the fields of a message.
func (d *decoder) root(c *columns, item func(out []byte, row int) []byte) {
	of, out := d.containers(c), d.out.b
	for row := 0; row < c.rows && d.room(out); {
		var place int
		first, width := row, d.widths.resource
		out, place = wire.BeginWide(out, 1, width)
		out = d.resource(out, &of.resource, row)
		for first == row || row < c.rows && of.resource.changes[row] == 0 {
			out, row = d.scopeItems(out, &of, c.rows, row, item)
			if !d.room(out) {
				d.out.b = out
				return
			}
		}
		out = text(out, 3, of.resource.url.at(first))
		out, d.widths.resource = wire.EndWide(out, place, width)
	}
	d.out.b = out
}

// scopeItems writes a scope and its items, and gives the row behind them.
func (d *decoder) scopeItems(out []byte, of *containers, rows, row int, item func(out []byte, row int) []byte) ([]byte, int) {
	var scope, place int
	first, width, itemWidth := row, d.widths.scope, d.widths.item
	out, scope = wire.BeginWide(out, 2, width)
	out = d.scope(out, &of.scope, row)
	for {
		out, place = wire.BeginWide(out, 2, itemWidth)
		out = item(out, row)
		out, itemWidth = wire.EndWide(out, place, itemWidth)
		row++
		if row == rows || !d.room(out) || of.resource.changes[row]|of.scope.changes[row] != 0 {
			break
		}
	}
	out = text(out, 3, of.scope.url.at(first))
	out, d.widths.scope = wire.EndWide(out, scope, width)
	d.widths.item = itemWidth
	return out, row
}

func (d *decoder) resource(out []byte, e *entity, row int) []byte {
	var place int
	out, place = wire.Begin(out, 1)
	out = d.attributes(out, e.attrs, &e.ids, row)
	out = number(out, 2, e.dropped.at(row))
	out = wire.End(out, place)
	return out
}

func (d *decoder) scope(out []byte, e *entity, row int) []byte {
	var place int
	out, place = wire.Begin(out, 1)
	out = text(out, 1, e.name.at(row))
	out = text(out, 2, e.version.at(row))
	out = d.attributes(out, e.attrs, &e.ids, row)
	out = number(out, 4, e.dropped.at(row))
	out = wire.End(out, place)
	return out
}

// rootOf is a signal's root table, nil for a batch without items.
func (d *decoder) rootOf(p PayloadType) *columns {
	root := d.tables[p]
	if root != nil {
		return root
	}
	for other, table := range d.tables {
		if table != nil {
			d.fail(PayloadType(other).String(), fmt.Errorf("has rows, and there is no %s", p))
		}
	}
	return nil
}
