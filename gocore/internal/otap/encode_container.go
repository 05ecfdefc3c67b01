package otap

import (
	"unicode/utf8"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// The fields of ResourceX, ScopeX, Resource and InstrumentationScope are the same numbers for
// every signal.
var (
	rootField     = wire.Tag(1, wire.Bytes) // resource_spans and its like
	headField     = wire.Tag(1, wire.Bytes) // resource, scope
	insideField   = wire.Tag(2, wire.Bytes) // scope_spans, spans
	urlField      = wire.Tag(3, wire.Bytes)
	resourceAttrs = wire.Tag(1, wire.Bytes)
	resourceDrops = wire.Tag(2, wire.Varint)
	resourceRefs  = wire.Tag(3, wire.Bytes)
	scopeName     = wire.Tag(1, wire.Bytes)
	scopeVersion  = wire.Tag(2, wire.Bytes)
	scopeAttrs    = wire.Tag(3, wire.Bytes)
	scopeDrops    = wire.Tag(4, wire.Varint)
)

// rowsPerBatch is how many items, and so ids of 16 bits, one batch has room for.
const rowsPerBatch = 1 << 16

// rootCols are what the root tables of all signals begin with.
type rootCols struct {
	id, resource, scope, url              *emitCol
	resourceID, resourceURL, resourceDrop *emitCol
	scopeID, name, version, scopeDrop     *emitCol
}

func newRootCols() rootCols {
	r := rootCols{
		id: plainCol("id", tU16), url: dictCol("schema_url", tText, indexU8),
		resourceID: plainCol("id", tU16), resourceURL: dictCol("schema_url", tText, indexU8),
		resourceDrop: plainCol("dropped_attributes_count", tU32),
		scopeID:      plainCol("id", tU16), name: dictCol("name", tText, indexU8), version: dictCol("version", tText, indexU8),
		scopeDrop: plainCol("dropped_attributes_count", tU32),
	}
	r.resource = structCol("resource", r.resourceID, r.resourceURL, r.resourceDrop)
	r.scope = structCol("scope", r.scopeID, r.name, r.version, r.scopeDrop)
	return r
}

func (r *rootCols) cols() []*emitCol { return []*emitCol{r.id, r.resource, r.scope, r.url} }

// container is a ResourceX or a ScopeX: its head and what it holds.
type container struct{ head, url, message []byte }

func readContainer(b []byte, lost *Lost) (container, error) {
	out := container{message: b}
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case headField:
			out.head = joined(out.head, c.Bytes())
		case urlField:
			out.url = c.Bytes()
		case insideField:
		default:
			lost.UnknownFields++
		}
	}
	if !utf8.Valid(out.url) {
		return out, under("schema_url", errNotUTF8)
	}
	return out, c.Err()
}

// inside hands over the index and the bytes of each message that a container holds.
func (c container) inside(visit func(int, []byte) error) error {
	cursor, i := wire.NewCursor(c.message), 0
	for cursor.Next() {
		if cursor.Tag() == insideField {
			if err := visit(i, cursor.Bytes()); err != nil {
				return err
			}
			i++
		}
	}
	return cursor.Err()
}

type headFields struct {
	name, version []byte
	dropped       uint32
}

// place is where the encoder is: the containers around the next item, numbered anew in
// every batch.
type place struct {
	resource, scope         container
	resourceHead, scopeHead headFields
	resourceID, scopeID     int // -1: not in this batch yet
	resources, scopes       int // of this batch
	prevResource, prevScope uint16
	nextID, prevID          uint32
}

// body walks an Export request down to its items.
func (e *encoder) body(b []byte) error {
	c, i := wire.NewCursor(b), 0
	for c.Next() {
		if c.Tag() != rootField {
			e.lost.UnknownFields++
			continue
		}
		if err := e.resource(c.Bytes()); err != nil {
			return underAt(e.names.resource, i, err)
		}
		i++
	}
	return c.Err()
}

func (e *encoder) resource(b []byte) (err error) {
	if e.at.resource, err = readContainer(b, e.lost); err != nil {
		return err
	}
	e.at.resourceID = -1
	return e.at.resource.inside(func(i int, b []byte) error { return underAt(e.names.scope, i, e.scope(b)) })
}

func (e *encoder) scope(b []byte) (err error) {
	if e.at.scope, err = readContainer(b, e.lost); err != nil {
		return err
	}
	e.at.scopeID = -1
	return e.at.scope.inside(func(i int, b []byte) error {
		if e.root.rows == e.opts.MaxRows {
			e.flush()
		}
		return underAt(e.names.item, i, e.item(b))
	})
}

// begin sets an item's containers in its row, and sends theirs where they are new in this batch.
func (e *encoder) begin(row int) error {
	at, r := &e.at, e.rootCols
	if err := e.enter(); err != nil {
		return err
	}
	r.resource.mark(row)
	r.resourceID.u16(row, uint16(at.resourceID)-at.prevResource)
	at.prevResource = uint16(at.resourceID)
	setText(r.resourceURL, row, at.resource.url)
	count(r.resourceDrop, row, at.resourceHead.dropped)
	r.scope.mark(row)
	r.scopeID.u16(row, uint16(at.scopeID)-at.prevScope)
	at.prevScope = uint16(at.scopeID)
	setText(r.name, row, at.scopeHead.name)
	setText(r.version, row, at.scopeHead.version)
	count(r.scopeDrop, row, at.scopeHead.dropped)
	setText(r.url, row, at.scope.url)
	return nil
}

// enter numbers the containers. A batch has at least as many rows as containers.
func (e *encoder) enter() (err error) {
	at := &e.at
	if at.resourceID < 0 {
		at.resourceID, at.scopeID = at.resources, -1
		at.resources++
		if at.resourceHead, err = e.resourceHead(at.resource.head); err != nil {
			return under("resource", err)
		}
	}
	if at.scopeID < 0 {
		at.scopeID = at.scopes
		at.scopes++
		if at.scopeHead, err = e.scopeHead(at.scope.head); err != nil {
			return under("scope", err)
		}
	}
	return nil
}

func (e *encoder) resourceHead(b []byte) (h headFields, err error) {
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case resourceAttrs:
		case resourceDrops:
			h.dropped = uint32(c.Varint())
		case resourceRefs:
			e.lost.EntityRefs++
		default:
			e.lost.UnknownFields++
		}
	}
	if _, err := e.resourceAttrs.addAll(uint32(e.at.resourceID), b, resourceAttrs); err != nil {
		return h, err
	}
	return h, c.Err()
}

func (e *encoder) scopeHead(b []byte) (h headFields, err error) {
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case scopeName:
			h.name = c.Bytes()
		case scopeVersion:
			h.version = c.Bytes()
		case scopeAttrs:
		case scopeDrops:
			h.dropped = uint32(c.Varint())
		default:
			e.lost.UnknownFields++
		}
	}
	if !utf8.Valid(h.name) || !utf8.Valid(h.version) {
		return h, under("name", errNotUTF8)
	}
	if _, err := e.scopeAttrs.addAll(uint32(e.at.scopeID), b, scopeAttrs); err != nil {
		return h, err
	}
	return h, c.Err()
}

// rootID sets the id of a row that others refer to, as a step from the last.
func (e *encoder) rootID(row int) {
	e.rootCols.id.u16(row, uint16(e.at.nextID-e.at.prevID))
	e.at.prevID = e.at.nextID
	e.at.nextID++
}

// setText sets a text that is known to be UTF-8; empty is null.
func setText(c *emitCol, row int, v []byte) {
	if len(v) > 0 {
		c.raw(row, v)
	}
}

// checked is setText for one that is not known to be. One that the dictionary has was checked then.
func checked(c *emitCol, row int, v []byte) error {
	if len(v) > 0 && c.raw(row, v) && !utf8.Valid(v) {
		return under(c.name, errNotUTF8)
	}
	return nil
}

// count sets a number; 0 is null.
func count(c *emitCol, row int, v uint32) {
	if v != 0 {
		c.u32(row, v)
	}
}

func moment(c *emitCol, row int, v uint64) {
	if v != 0 {
		c.u64(row, v)
	}
}

// id sets an id of a known size; one of another size, or of zeros, is null.
func (e *encoder) id(c *emitCol, row int, v []byte) {
	switch {
	case len(v) == 0:
	case len(v) != c.typ.width():
		e.lost.IllSizedIDs++
	case !zeros(v):
		c.raw(row, v)
	}
}

func zeros(v []byte) bool {
	for _, b := range v {
		if b != 0 {
			return false
		}
	}
	return true
}

var noID [16]byte

// idOrZeros sets an id that no row may lack, as otel-arrow/go up to v0.24.0 refuses null: none,
// or one of another size, is zeros.
func (e *encoder) idOrZeros(c *emitCol, row int, v []byte) {
	if w := c.typ.width(); len(v) != w {
		if len(v) > 0 {
			e.lost.IllSizedIDs++
		}
		v = noID[:w]
	}
	c.raw(row, v)
}

// requiredID is idOrZeros where an id of another size is an error.
func (e *encoder) requiredID(c *emitCol, row int, v []byte) error {
	if w := c.typ.width(); len(v) > 0 && len(v) != w {
		return under(c.name, fault.New(fault.Invalid, "", "%d bytes: want 0 or %d", len(v), w))
	}
	e.idOrZeros(c, row, v)
	return nil
}
