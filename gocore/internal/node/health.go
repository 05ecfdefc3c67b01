package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/receive"
)

// Health is how a node stands.
type Health struct {
	// Status is "starting", "ok", "degraded" or "stopping".
	Status string `json:"status"`
	// Ready: requests are taken.
	Ready bool `json:"ready"`
	// Reasons are why it is not "ok".
	Reasons    []string `json:"reasons"`
	Version    string   `json:"version"`
	UptimeSecs int64    `json:"uptime_secs"`
}

const (
	starting int32 = iota
	running
	stopping
)

// health is what a node's health needs to be known.
type health struct {
	began time.Time
	phase atomic.Int32
	grpc  []*receive.GRPC // whose health service follows, nil without
	quit  chan struct{}
	done  sync.WaitGroup
}

const (
	// healthInterval is how often the gRPC health service follows.
	healthInterval = time.Second
	// refusing is how long a failure of the journal counts as refusing requests. A balancer then
	// sends some again: only an append can show that the disk is well.
	refusing = 10 * time.Second
	// crowded is the per cent of the journal from which on a node is degraded.
	crowded = 90
)

// Health is how the node stands now.
func (n *Node) Health() Health {
	h := Health{Reasons: []string{}, Version: obs.Version, UptimeSecs: int64(time.Since(n.health.began).Seconds())}
	switch n.health.phase.Load() {
	case starting:
		h.Status, h.Reasons = "starting", append(h.Reasons, "files are opened, and journals of dead processes adopted")
	case stopping:
		h.Status, h.Reasons = "stopping", append(h.Reasons, "what was accepted is written")
	default:
		h.Status, h.Ready = "ok", true
		n.troubles(&h)
	}
	return h
}

// add notes a reason, with which requests may be refused.
func (h *Health) add(refuses bool, format string, args ...any) {
	h.Status, h.Ready = "degraded", h.Ready && !refuses
	h.Reasons = append(h.Reasons, fmt.Sprintf(format, args...))
}

func (n *Node) troubles(h *Health) {
	for _, s := range otlp.Signals {
		stats := n.ingest.Stats(s)
		if stats.Failure != nil {
			h.add(false, "writing fails, it is tried again: %v", stats.Failure)
		}
		if stats.Full {
			h.add(true, "the queue of %s is full, requests are refused", s)
		}
	}
	n.journalTroubles(h)
	n.forwardTroubles(h)
	if n.adoption.pending.Load() {
		h.add(false, "a dead process's journal could not be adopted, it is tried again")
	}
}

func (n *Node) journalTroubles(h *Health) {
	if n.journal == nil {
		return
	}
	stats := n.journal.Stats()
	if stats.Failure != nil {
		h.add(time.Since(stats.LastTried) < refusing, "journaling fails: %v", stats.Failure)
	}
	percent := 100 * n.journal.Size() / n.journal.Capacity()
	switch {
	case stats.Full:
		h.add(true, "the journal is full, requests are refused")
	case percent > crowded:
		h.add(false, "the journal is %d %% full", percent)
	}
}

// openWatchers makes the listeners for health and metrics answer. The registry is nil without
// metrics.
func (n *Node) openWatchers() (registry *obs.Registry, err error) {
	n.watchers = map[string]*receive.Web{}
	if n.Config.Metrics.Enabled {
		registry = obs.NewRegistry()
		pages := http.NewServeMux()
		pages.Handle("GET /metrics", registry.Handler())
		n.watchers["metrics"] = receive.NewMetrics(n.Config.Metrics, pages, n.log)
	}
	if n.Config.Health.Enabled {
		n.watchers["health"] = receive.NewHealth(n.Config.Health, n.healthPages(), n.log)
	}
	for _, w := range n.watchers {
		if err := w.Listen(); err != nil {
			n.closeWatchers()
			return nil, err
		}
	}
	for _, w := range n.watchers {
		w.Serve()
	}
	return registry, nil
}

// watchersGrace is how long a scrape in flight may take at the end.
const watchersGrace = time.Second

func (n *Node) closeWatchers() {
	ctx, cancel := context.WithTimeout(context.Background(), watchersGrace)
	defer cancel()
	var all sync.WaitGroup
	for _, w := range n.watchers {
		all.Go(func() { _ = w.Shutdown(ctx) }) // who was cut off asks again
	}
	all.Wait()
}

// startHealth tells that requests are taken, and has the gRPC health service follow from then on.
func (n *Node) startHealth() {
	n.health.phase.Store(running)
	n.health.quit = make(chan struct{})
	if len(n.health.grpc) == 0 {
		return
	}
	n.health.done.Go(func() {
		tick := time.NewTicker(healthInterval)
		defer tick.Stop()
		for {
			select {
			case <-n.health.quit:
				return
			case <-tick.C:
				n.setServing(n.Health().Ready)
			}
		}
	})
}

func (n *Node) stopHealth() {
	n.health.phase.Store(stopping)
	if n.health.quit != nil {
		close(n.health.quit)
	}
	n.health.done.Wait()
	n.setServing(false)
}

func (n *Node) setServing(serving bool) {
	for _, r := range n.health.grpc {
		r.SetServing(serving)
	}
}

// healthPages are for probes: livez says that the process answers, readyz that requests are taken,
// and the others why not, in the status of readyz.
func (n *Node) healthPages() http.Handler {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, true, "ok\n") })
	pages.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		h := n.Health()
		answer(w, h.Ready, h.Status+"\n")
	})
	whole := func(w http.ResponseWriter, _ *http.Request) {
		h := n.Health()
		text, _ := json.Marshal(h) // texts and numbers cannot fail
		w.Header().Set("Content-Type", "application/json")
		answer(w, h.Ready, string(text)+"\n")
	}
	pages.HandleFunc("GET /{$}", whole)
	pages.HandleFunc("GET /healthz", whole)
	return pages
}

func answer(w http.ResponseWriter, good bool, text string) {
	w.Header().Set("Cache-Control", "no-store")
	if !good {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(text)) // a client that has gone
}
