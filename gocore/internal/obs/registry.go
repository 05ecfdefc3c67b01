package obs

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Prefix begins the names of all metrics that are not of the process or of Go.
const Prefix = "otlp_arrow_"

// Kind is what a metric's value does.
type Kind uint8

// The kinds.
const (
	Counter    Kind = iota // only grows
	Gauge                  // goes up and down
	Histograms             // tells Buckets
)

// String is the kind in Prometheus' word.
func (k Kind) String() string { return [...]string{"counter", "gauge", "histogram"}[k] }

// Family is a metric with all its series, read when it is scraped.
type Family struct {
	Name   string // without Prefix
	Kind   Kind
	Help   string
	Labels []string
	// Values tells each series of a Counter or Gauge with its labels' values.
	Values func(tell func(value float64, labels ...string))
	// Buckets tells each series of Histograms.
	Buckets func(tell func(b Buckets, labels ...string))
}

// Registry is a node's metrics.
type Registry struct{ all *prometheus.Registry }

// NewRegistry has the metrics of the process and of Go's runtime.
func NewRegistry() *Registry {
	r := &Registry{prometheus.NewRegistry()}
	r.all.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Add adds families. It panics when two have one name: that is a fault of the program, and
// every test that starts a node finds it.
func (r *Registry) Add(families ...Family) {
	for _, f := range families {
		r.all.MustRegister(&collector{f, prometheus.NewDesc(Prefix+f.Name, f.Help, f.Labels, nil)})
	}
}

// scrapes bounds how many are answered at a time; more get 503.
const scrapes = 4

// Handler answers GET with the metrics, as text or OpenMetrics, whichever is asked for.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.all, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: scrapes,
	})
}

// Gatherer gives the metrics to tests.
func (r *Registry) Gatherer() prometheus.Gatherer { return r.all }

type collector struct {
	Family
	desc *prometheus.Desc
}

// Describe is of prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect is of prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	if c.Kind == Histograms {
		c.Buckets(func(b Buckets, labels ...string) {
			out <- prometheus.MustNewConstHistogram(c.desc, b.Count, b.Sum, b.Below, labels...)
		})
		return
	}
	kind := prometheus.CounterValue
	if c.Kind == Gauge {
		kind = prometheus.GaugeValue
	}
	c.Values(func(value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(c.desc, kind, value, labels...)
	})
}
