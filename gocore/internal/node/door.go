package node

import (
	"context"
	"sync/atomic"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// door is a transport's way into ingest. It counts what comes through: that costs three atomic
// additions a request, in memory that no other transport writes to.
type door struct {
	transport string
	ingest    *ingest.Ingest
	signals   [otlp.Count]traffic
}

type traffic struct {
	requests, items, bytes atomic.Uint64
	refused                [fault.Kinds]atomic.Uint64
}

func (n *Node) door(transport string) *door {
	d := &door{transport: transport, ingest: n.ingest}
	n.doors = append(n.doors, d)
	return d
}

// Accept is of receive.Acceptor.
func (d *door) Accept(ctx context.Context, signal otlp.Signal, body []byte) error {
	items, err := d.ingest.Take(ctx, signal, body)
	if err != nil {
		return err
	}
	t := &d.signals[signal]
	t.requests.Add(1)
	t.items.Add(uint64(items))
	t.bytes.Add(uint64(len(body)))
	return nil
}

// Refused is of receive.Acceptor.
func (d *door) Refused(signal otlp.Signal, kind fault.Kind) {
	if signal < otlp.Count {
		d.signals[signal].refused[kind].Add(1)
	}
}
