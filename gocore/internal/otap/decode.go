package otap

import (
	"math"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// decoder turns one batch's tables into OTLP. Its first error stays.
type decoder struct {
	tables  [payloadTypes]*columns // nil: not there, or without rows
	own     [payloadTypes]columns  // what tables point to
	in      *inflater
	limit   int64
	most    int // the limit, and below any length once there is an error
	budget  Budget
	out     output // the body
	written output // attributes
	words   slab[uint64]
	widths  widths
	err     error

	expected int64 // bytes of the body, before there was one
}

// output is bytes that grow piece by piece.
type output struct {
	b    []byte
	held int64 // of the budget
}

// widths are how many bytes the last lengths of such messages took.
type widths struct{ resource, scope, item, data, point int }

func (d *decoder) reset(limit int64, budget Budget, in *inflater) {
	d.shrink(keepBytes)
	*d = decoder{limit: limit, most: int(min(limit, math.MaxInt)), budget: budget, in: in, out: d.out, written: d.written, words: d.words, widths: d.widths, expected: d.expected}
}

// begin takes room for a body of the expected size where there is none.
func (d *decoder) begin() error {
	if cap(d.out.b) > 0 {
		return nil
	}
	if err := d.budget.Take(d.expected); err != nil {
		return err
	}
	d.out = output{make([]byte, 0, d.expected), d.expected}
	return nil
}

// shrink empties buffers, and lets go of those larger than that.
func (d *decoder) shrink(keep int) {
	d.words.reset(keep)
	for _, o := range []*output{&d.out, &d.written} {
		o.b = o.b[:0]
		if cap(o.b) > keep {
			o.b = nil
		}
		if left := int64(cap(o.b)); left < o.held {
			d.budget.Give(o.held - left)
			o.held = left
		}
	}
}

func (d *decoder) fail(field string, err error) { d.failed(inColumn(field, err)) }

func (d *decoder) failed(err error) {
	if d.err == nil {
		d.err, d.most = err, -1
	}
}

// some gives room for n numbers, with anything in it, until the next reset.
func (d *decoder) some(n int) []uint64 {
	some, err := d.words.take(n)
	if err != nil {
		d.failed(err)
		panic(err)
	}
	return some
}

// room is asked between pieces of the body, each of which is bounded by its record, and is false
// when the batch has to end.
func (d *decoder) room(out []byte) bool {
	return int64(cap(out)) <= d.out.held && len(out) <= d.most || d.covers(&d.out, out)
}

// covers makes sure that the budget covers an output of these bytes.
func (d *decoder) covers(o *output, out []byte) bool {
	if d.err != nil {
		return false
	}
	if more := int64(cap(out)) - o.held; more > 0 {
		if err := d.budget.Take(more); err != nil {
			d.failed(err)
			return false
		}
		o.held += more
	}
	if int64(len(out)) > d.limit {
		d.failed(fault.New(fault.TooLarge, op, "the batch is larger than %d bytes as OTLP", d.limit))
		return false
	}
	return true
}

// The functions below write fields, most of them unless they are empty. The output goes from
// one to the other by value: kept in the decoder, each write would be one to the heap, which the
// garbage collector wants to know of. That took a fifth of all.

// text writes a text or bytes field unless it is empty.
func text(out []byte, field uint32, v []byte) []byte {
	if len(v) > 0 {
		out = wire.AppendBytes(out, field, v)
	}
	return out
}

// id writes an id unless it is all zeros, which says that there is none.
func id(out []byte, field uint32, v []byte) []byte {
	for _, b := range v {
		if b != 0 {
			return wire.AppendBytes(out, field, v)
		}
	}
	return out
}

// number writes a varint field unless it is 0. Enums are signed: they come extended to 64 bits,
// as protobuf wants them.
func number(out []byte, field uint32, v uint64) []byte {
	if v != 0 {
		out = wire.AppendUint(out, field, v)
	}
	return out
}

// zigzag writes a sint32 field unless it is 0.
func zigzag(out []byte, field uint32, v uint64) []byte {
	if v != 0 {
		out = wire.AppendSint32(out, field, int32(v)) // from an int32 column, or cut to it
	}
	return out
}

// fixed64 writes a fixed64 field unless it is 0.
func fixed64(out []byte, field uint32, v uint64) []byte {
	if v != 0 {
		out = wire.AppendFixed64(out, field, v)
	}
	return out
}

// fixed32 writes a fixed32 field unless it is 0.
func fixed32(out []byte, field uint32, v uint64) []byte {
	if v != 0 {
		out = wire.AppendFixed32(out, field, uint32(v))
	}
	return out
}

// given writes a fixed64 field when the row has a number, be it 0.
func given(out []byte, field uint32, n *numbers, row int) []byte {
	if n.has(row) {
		out = wire.AppendFixed64(out, field, n.v[row])
	}
	return out
}
