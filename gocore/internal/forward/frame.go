package forward

import (
	"slices"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// level is a message on the way from a request to its items: its fields that hold the next level.
// What else is in it belongs to all of them, and goes with each part.
//
//	request ─1─> resource ─2─> scope ─2─> span, log record
//	                                 ─2─> metric ─5,7,9,10,11─> gauge, sum, ... ─1─> data point
type level []uint32

var levels = [otlp.Count][]level{
	otlp.Traces:  {{1}, {2}, {2}},
	otlp.Metrics: {{1}, {2}, {2}, {5, 7, 9, 10, 11}, {1}},
	otlp.Logs:    {{1}, {2}, {2}},
}

func (l level) holds(c *wire.Cursor) bool {
	tag := c.Tag()
	return wire.Type(tag&7) == wire.Bytes && slices.Contains(l, tag>>3)
}

// Items counts the items of a request by its framing.
func Items(signal otlp.Signal, body []byte) int { return count(levels[signal], body) }

func count(below []level, message []byte) (n int) {
	for c := wire.NewCursor(message); c.Next(); {
		switch {
		case !below[0].holds(&c):
		case len(below) == 1:
			n++
		default:
			n += count(below[1:], c.Bytes())
		}
	}
	return n
}

// First is a request cut down to its first n items.
func First(signal otlp.Signal, body []byte, n int) []byte {
	kept, _ := first(levels[signal], body, n)
	return kept
}

// first keeps of a message what is not of the next level, and n items; left is how many more there
// could have been. What is not well framed stays whole, to be refused.
func first(below []level, message []byte, n int) (kept []byte, left int) {
	c, from := wire.NewCursor(message), 0
	for c.Next() {
		place := c.At()
		switch tag := c.Tag(); {
		case !below[0].holds(&c):
			kept = append(kept, message[from:place]...)
		case len(below) > 1:
			var child []byte
			child, n = first(below[1:], c.Bytes(), n)
			kept = wire.AppendBytes(kept, tag>>3, child)
		case n > 0:
			kept, n = append(kept, message[from:place]...), n-1
		}
		from = place
	}
	if c.Err() != nil {
		return message, n
	}
	return kept, n
}

// limits bound a request.
type limits struct{ bytes, items int }

func (l limits) fit(bytes, items int) bool {
	return bytes <= l.bytes && (l.items == 0 || items <= l.items)
}

// overhead is at most what a message's tag and length take.
const overhead = 12

// split makes of a request those that are within the limits, in order. An item that is too large alone
// has a request of its own. What is not well framed, which nobody acknowledges, stays whole.
func split(signal otlp.Signal, body []byte, most limits) [][]byte {
	return divide(levels[signal], body, most)
}

// divide splits a message. Each part begins with what all of it has in common.
func divide(below []level, message []byte, most limits) [][]byte {
	if most.fit(len(message), count(below, message)) {
		return [][]byte{message}
	}
	common, ok := commonOf(below[0], message)
	if !ok {
		return [][]byte{message}
	}
	p := packing{common: common, most: most}
	inner := limits{max(most.bytes-len(common)-overhead, 1), most.items}
	for c := wire.NewCursor(message); c.Next(); {
		if !below[0].holds(&c) {
			continue
		}
		field := c.Tag() >> 3
		if len(below) == 1 {
			p.add(field, c.Bytes(), 1)
			continue
		}
		for _, child := range divide(below[1:], c.Bytes(), inner) {
			p.add(field, child, count(below[1:], child))
		}
	}
	return p.finish()
}

// commonOf is the fields of a message that are not of the next level.
func commonOf(children level, message []byte) (common []byte, ok bool) {
	c, from := wire.NewCursor(message), 0
	for c.Next() {
		end := c.At()
		if !children.holds(&c) {
			common = append(common, message[from:end]...)
		}
		from = end
	}
	return common, c.Err() == nil
}

// packing fills parts one after the other.
type packing struct {
	common []byte
	most   limits
	parts  [][]byte
	part   []byte // nil: none is begun
	items  int
}

func (p *packing) add(field uint32, child []byte, items int) {
	if p.part != nil && !p.most.fit(len(p.part)+len(child)+overhead, p.items+items) {
		p.end()
	}
	if p.part == nil {
		p.part = append(make([]byte, 0, len(p.common)+len(child)+overhead), p.common...)
	}
	p.part = wire.AppendBytes(p.part, field, child)
	p.items += items
}

func (p *packing) end() {
	p.parts = append(p.parts, p.part)
	p.part, p.items = nil, 0
}

func (p *packing) finish() [][]byte {
	if p.part != nil {
		p.end()
	}
	return p.parts
}
