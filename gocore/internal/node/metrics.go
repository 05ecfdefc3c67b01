package node

import (
	"runtime"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// tell takes a series' value with its labels' values.
type tell = func(value float64, labels ...string)

// reasons are the kinds of fault that a request can be refused for.
var reasons = [...]fault.Kind{
	fault.Invalid, fault.TooLarge, fault.Unsupported, fault.Unauthenticated, fault.Overloaded, fault.Closed, fault.Timeout,
	fault.IO, fault.Internal,
}

// families are all metrics of a node that runs; docs/operations.md lists the same.
func (n *Node) families() []obs.Family {
	all := append(n.ofReceivers(), n.ofIngest()...)
	all = append(all, n.ofFiles()...)
	if n.journal != nil {
		all = append(all, n.ofJournal()...)
	}
	if n.forward != nil {
		all = append(all, n.ofForward()...)
	}
	if n.Config.Arrow.Enabled {
		all = append(all, n.ofFlight()...)
	}
	return append(all, n.ofNode()...)
}

func (n *Node) ofReceivers() []obs.Family {
	accepted := func(what, help string, value func(t *traffic) uint64) obs.Family {
		return obs.Family{Name: "receiver_accepted_" + what + "_total", Help: help, Labels: []string{"signal", "transport"}, Values: func(tell tell) {
			for _, d := range n.doors {
				for _, s := range otlp.Signals {
					tell(float64(value(&d.signals[s])), s.String(), d.transport)
				}
			}
		}}
	}
	return []obs.Family{
		accepted("requests", "Requests that were acknowledged.", func(t *traffic) uint64 { return t.requests.Load() }),
		accepted("items", "Spans, log records and data points of acknowledged requests.", func(t *traffic) uint64 { return t.items.Load() }),
		accepted("bytes", "Bytes of acknowledged requests, as uncompressed protobuf.", func(t *traffic) uint64 { return t.bytes.Load() }),
		{Name: "receiver_refused_requests_total", Help: "Requests that were answered with an error, by its reason.",
			Labels: []string{"signal", "transport", "reason"}, Values: n.refused},
		gauge("receiver_inflight_bytes", "Bytes of requests that are being received.", func() int64 { return n.admission.Held() }),
		gauge("receiver_inflight_capacity_bytes", "The most bytes of requests that are received at a time.", func() int64 { return n.Config.Limits.MaxInflightBytes }),
	}
}

func (n *Node) refused(tell tell) {
	for _, d := range n.doors {
		for _, s := range otlp.Signals {
			for _, kind := range reasons {
				tell(float64(d.signals[s].refused[kind].Load()), s.String(), d.transport, kind.String())
			}
		}
	}
}

func (n *Node) ofIngest() []obs.Family {
	return []obs.Family{
		{Name: "queue_size_bytes", Kind: obs.Gauge, Help: "Bytes in memory that are sealed and not yet written.", Labels: []string{"signal"},
			Values: bySignal(func(s otlp.Signal) float64 { return float64(n.ingest.Stats(s).Pending) })},
		{Name: "queue_capacity_bytes", Kind: obs.Gauge, Help: "The size of the queue from which on requests are refused.", Labels: []string{"signal"},
			Values: bySignal(func(otlp.Signal) float64 { return float64(n.Config.Queue.MaxBytes) })},
		{Name: "decoder_dropped_total", Help: "What the normal form leaves out: unknown fields, ids of a wrong length, and containers without items.",
			Labels: []string{"signal", "what"}, Values: func(tell tell) {
				for _, s := range otlp.Signals {
					d := n.ingest.Stats(s).Dropped
					tell(float64(d.UnknownFields), s.String(), "unknown_fields")
					tell(float64(d.IllSizedIDs), s.String(), "ill_sized_ids")
					tell(float64(d.EmptyContainers), s.String(), "empty_containers")
				}
			}},
	}
}

func (n *Node) ofFiles() []obs.Family {
	count := func(name, help string, value func(s otlp.Signal) uint64) obs.Family {
		return obs.Family{Name: "files_" + name + "_total", Help: help, Labels: []string{"signal"},
			Values: bySignal(func(s otlp.Signal) float64 { return float64(value(s)) })}
	}
	histogram := func(name, help string, of func(s otlp.Signal) *obs.Histogram) obs.Family {
		return obs.Family{Name: "files_" + name, Kind: obs.Histograms, Help: help, Labels: []string{"signal"}, Buckets: func(tell func(b obs.Buckets, labels ...string)) {
			for _, s := range otlp.Signals {
				tell(of(s).Buckets(), s.String())
			}
		}}
	}
	w := &n.written
	return []obs.Family{
		count("written_items", "Rows that were written.", func(s otlp.Signal) uint64 { return w[s].items.Load() }),
		count("written_batches", "Record batches that were written.", func(s otlp.Signal) uint64 { return w[s].batches.Load() }),
		count("written_bytes", "Bytes of batches that were written, compressed.", func(s otlp.Signal) uint64 { return n.counts[s].Bytes.Load() }),
		count("write_failures", "Writes that failed and were tried again or set aside.", func(s otlp.Signal) uint64 { return w[s].failures.Load() }),
		count("opened", "Data files that were begun.", func(s otlp.Signal) uint64 { return n.counts[s].Files.Load() }),
		count("rotations", "Data files that were closed for their size or age, or because they were moved or removed.", func(s otlp.Signal) uint64 { return n.counts[s].Rotations.Load() }),
		count("set_aside_requests", "Requests that were kept below aside because they could not be written as Arrow.", func(s otlp.Signal) uint64 { return w[s].aside.Load() }),
		histogram("batch_rows", "Rows of a batch.", func(s otlp.Signal) *obs.Histogram { return w[s].rows }),
		histogram("write_seconds", "Time to encode and write what was sealed at a time, with the syncs of durability fsync.", func(s otlp.Signal) *obs.Histogram { return w[s].seconds }),
	}
}

func (n *Node) ofJournal() []obs.Family {
	j := n.journal
	return []obs.Family{
		gauge("journal_size_bytes", "Bytes of the journal, without the files that are kept to be written over.", j.Size),
		gauge("journal_capacity_bytes", "The most bytes of the journal; beyond it requests are refused.", j.Capacity),
		gauge("journal_segments", "Files of the journal.", func() int64 { return int64(j.Stats().Segments) }),
		counter("journal_recycled_segments_total", "Files of the journal that were written over.", func() uint64 { return j.Stats().Recycled }),
		counter("journal_appended_requests_total", "Requests that were appended.", func() uint64 { return j.Stats().Records }),
		counter("journal_appended_bytes_total", "Bytes of requests that were appended.", func() uint64 { return j.Stats().Bytes }),
		counter("journal_append_failures_total", "Appends that a failing disk refused; within 250 ms after such a failure, without trying it.", func() uint64 { return j.Stats().Failed }),
		counter("journal_full_refusals_total", "Appends that found the journal full.", func() uint64 { return j.Stats().Refused }),
		counter("journal_fsync_failures_total", "Syncs of journal files that failed.", func() uint64 { return j.Stats().SyncFailed }),
		{Name: "journal_fsync_seconds", Kind: obs.Histograms, Help: "Time to sync a journal file; none unless durability is fsync.",
			Buckets: func(tell func(b obs.Buckets, labels ...string)) { tell(j.SyncSeconds()) }},
		counter("journal_adopted_requests_total", "Requests of dead processes that were brought into files.", n.adopted.requests.Load),
		n.damage("journal_damaged_parts_total", "Damaged parts of dead processes' journals; with tail true at the end, which a loss of power may leave so.",
			func(d *damage) uint64 { return d.parts.Load() }),
		n.damage("journal_damaged_bytes_total", "Bytes of those parts.", func(d *damage) uint64 { return d.bytes.Load() }),
	}
}

func (n *Node) damage(name, help string, value func(d *damage) uint64) obs.Family {
	return obs.Family{Name: name, Help: help, Labels: []string{"tail"}, Values: func(tell tell) {
		tell(float64(value(&n.adopted.inside)), "false")
		tell(float64(value(&n.adopted.tails)), "true")
	}}
}

func (n *Node) ofNode() []obs.Family {
	return []obs.Family{
		gauge("ready", "1 while requests are taken, as /readyz says.", func() int64 { return truth(n.Health().Ready) }),
		gauge("degraded", "1 while something fails, as /healthz says.", func() int64 { return truth(n.Health().Status == "degraded") }),
		{Name: "uptime_seconds", Kind: obs.Gauge, Help: "Time since the start.", Values: func(tell tell) { tell(time.Since(n.health.began).Seconds()) }},
		{Name: "build_info", Kind: obs.Gauge, Help: "1, with the versions as labels.", Labels: []string{"version", "go_version"},
			Values: func(tell tell) { tell(1, obs.Version, runtime.Version()) }},
		counter("log_suppressed_records_total", "Records of the program's own log that were too many of a kind.", n.limiter.Suppressed),
	}
}

func gauge(name, help string, value func() int64) obs.Family {
	return obs.Family{Name: name, Kind: obs.Gauge, Help: help, Values: func(tell tell) { tell(float64(value())) }}
}

func counter(name, help string, value func() uint64) obs.Family {
	return obs.Family{Name: name, Help: help, Values: func(tell tell) { tell(float64(value())) }}
}

func bySignal(value func(s otlp.Signal) float64) func(tell tell) {
	return func(tell tell) {
		for _, s := range otlp.Signals {
			tell(value(s), s.String())
		}
	}
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
