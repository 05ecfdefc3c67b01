package ingest

import (
	"sync/atomic"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Stats is how a signal stands.
type Stats struct {
	Pending int64        // bytes sealed and not yet written
	Full    bool         // the request that was refused last would be refused again
	Failure error        // why writing does not go on at present, nil when it does
	Dropped decode.Stats // what the normal form left out of what was accepted
}

// Stats is how a signal stands now.
func (in *Ingest) Stats(s otlp.Signal) Stats {
	l := in.lanes[s]
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Pending: l.bytes, Full: l.lacking > 0 && l.fullLocked(l.lacking), Failure: l.failure, Dropped: l.drops.stats(),
	}
}

// drops sums up decode.Stats, which end with their table.
type drops struct{ unknownFields, illSizedIDs, emptyContainers atomic.Uint64 }

func (d *drops) add(before, after decode.Stats) {
	d.unknownFields.Add(after.UnknownFields - before.UnknownFields)
	d.illSizedIDs.Add(after.IllSizedIDs - before.IllSizedIDs)
	d.emptyContainers.Add(after.EmptyContainers - before.EmptyContainers)
}

func (d *drops) stats() decode.Stats {
	return decode.Stats{
		UnknownFields: d.unknownFields.Load(), IllSizedIDs: d.illSizedIDs.Load(), EmptyContainers: d.emptyContainers.Load(),
	}
}
