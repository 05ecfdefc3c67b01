package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
)

// forwardGrace is how long destinations that take requests may take them after all was written. It is not
// waited for one that does not.
const forwardGrace = 10 * time.Second

// makeForward opens what the destinations need. Nothing is sent yet, but journals of the dead can be taken.
func (n *Node) makeForward(writer string) (err error) {
	c := &n.Config
	if len(c.Forwarding) == 0 {
		return nil
	}
	options := forward.Options{
		Disk: n.disk, Root: journals(c.OutputDir), Writer: writer, Mode: c.Files.Permissions(), Sync: c.Durability == config.Fsync,
		Log: n.log, Now: time.Now,
	}
	if c.Durability == config.Memory {
		options.Writer = ""
	}
	n.forward, err = forward.New(options, "forwarding", c.Forwarding, c.Queue.MaxBytes)
	return err
}

// openRing is for a node without a journal: what destinations have not had is in memory.
func (n *Node) openRing() (ingest.Journal, error) {
	if n.forward == nil {
		return nil, nil
	}
	ring := forward.NewRing(n.Config.Queue.MaxBytes / 2)
	return ring, n.startForward(ring)
}

func (n *Node) startForward(store forward.Store) error {
	if n.forward == nil {
		return nil
	}
	if err := n.forward.Start(store); err != nil {
		return &fault.Error{Kind: fault.IO, Op: "start forwarding", Err: err}
	}
	return nil
}

func (n *Node) stopForward() {
	if n.forward == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), forwardGrace)
	defer cancel()
	n.forward.Shutdown(ctx)
}

// errWanted is why a journal was not removed.
var errWanted = errors.New("destinations of forwarding still want it; the next start of the service sends it")

// take leaves a journal that is in files to those who still want it.
func (r adopter) take(in *forward.Inventory, reader *journal.Reader, gone func() error) (bool, error) {
	switch names := in.Wanting(); {
	case r.forward != nil:
		return r.forward.Adopt(in, reader, gone), nil
	case len(names) > 0 && !r.alone:
		r.log.Warn("what destinations had not had is given up, since nothing is forwarded any more", "destinations", names)
	case len(names) > 0:
		return false, fmt.Errorf("%s: %w", strings.Join(names, ", "), errWanted)
	}
	return false, nil
}

// removeCursors forgets all cursors of a writer, once its journal is gone.
func removeCursors(disk fsys.FS, root, writer string) error {
	return errors.Join(files.RemoveCursors(disk, root, writer), forward.RemoveCursors(disk, root, writer))
}

// forwardTroubles are those of destinations. They are no reason not to take requests.
func (n *Node) forwardTroubles(h *Health) {
	if n.forward == nil {
		return
	}
	for _, t := range n.forward.Troubles() {
		h.add(false, "destination %s takes nothing at present: %v", t.Destination, t.Failure)
	}
}

func (n *Node) ofForward() []obs.Family {
	each := func(name string, kind obs.Kind, help string, value func(s forward.Stats) float64) obs.Family {
		return obs.Family{Name: "exporter_" + name, Kind: kind, Help: help, Labels: []string{"destination", "signal"}, Values: func(tell tell) {
			for _, s := range n.forward.Stats() {
				tell(value(s), s.Destination, s.Signal.String())
			}
		}}
	}
	given := func(what, help string, value func(s forward.Stats, r forward.Reason) uint64) obs.Family {
		return obs.Family{Name: "exporter_given_up_" + what + "_total", Help: help, Labels: []string{"destination", "signal", "reason"}, Values: func(tell tell) {
			for _, s := range n.forward.Stats() {
				for r := range forward.Reasons {
					tell(float64(value(s, r)), s.Destination, s.Signal.String(), r.String())
				}
			}
		}}
	}
	return []obs.Family{
		each("sent_items_total", obs.Counter, "Items that a destination took, or of which it told that it rejected them.", func(s forward.Stats) float64 { return float64(s.Sent.Items) }),
		each("sent_bytes_total", obs.Counter, "Bytes of these, as uncompressed protobuf.", func(s forward.Stats) float64 { return float64(s.Sent.Bytes) }),
		each("rejected_items_total", obs.Counter, "Items that a destination took the request of, and not them.", func(s forward.Stats) float64 { return float64(s.Rejected) }),
		each("requests_total", obs.Counter, "Requests that were sent, each try counted.", func(s forward.Stats) float64 { return float64(s.Calls) }),
		each("failed_requests_total", obs.Counter, "Requests that a destination did not take and may take later.", func(s forward.Stats) float64 { return float64(s.Failed) }),
		given("items", "Items that a destination does not get, by the reason.", func(s forward.Stats, r forward.Reason) uint64 { return s.GivenUp[r].Items }),
		given("bytes", "Bytes of these, as uncompressed protobuf.", func(s forward.Stats, r forward.Reason) uint64 { return s.GivenUp[r].Bytes }),
		each("queue_size_bytes", obs.Gauge, "Bytes of requests that wait for a destination, or are in flight.", func(s forward.Stats) float64 { return float64(s.Queued.Bytes) }),
		each("queue_items", obs.Gauge, "Items of these.", func(s forward.Stats) float64 { return float64(s.Queued.Items) }),
		each("queue_capacity_bytes", obs.Gauge, "The size of the queue from which on the oldest are given up.", func(s forward.Stats) float64 { return float64(s.Capacity) }),
		each("circuit_open", obs.Gauge, "1 while nothing is sent because of failures.", func(s forward.Stats) float64 { return float64(truth(s.Open)) }),
		gauge("journal_kept_bytes", "Bytes of the journal that only destinations want.", n.keptBytes),
	}
}

func (n *Node) keptBytes() int64 {
	if n.journal == nil {
		return 0
	}
	return n.journal.KeptBytes()
}
