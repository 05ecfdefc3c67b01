package send

import (
	"errors"
	"fmt"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/convert"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Options is what to send, and where to: Paths or Generate.
type Options struct {
	// Destination is as in forwarding, of which name, signals, queue and circuit breaker do not count. Its
	// batch.max_bytes bounds requests.
	Destination forward.Config `json:"destination"`

	// Paths are files of any format that convert reads, and output directories.
	Paths []string `json:"paths"`
	// From is the files' format, "" to guess it.
	From convert.Format `json:"from"`
	// Signal is the only one to take of files; for protobuf, which one it is.
	Signal string `json:"signal"`

	// Generate is the signal of which load is made.
	Generate string `json:"generate"`
	// Items and Duration bound it, 0 for no bound. Files are sent whole: with Paths neither is taken.
	Items    int64            `json:"items"`
	Duration forward.Duration `json:"duration"`
	// BatchItems is how many generated items a request has at most; 0 for 500, and with Paths.
	BatchItems int `json:"batch_items"`
	// Seed makes load the same again, but for its times.
	Seed uint64 `json:"seed"`

	// Rate is items a second, 0 for as fast as it goes.
	Rate float64 `json:"rate"`
	// Connections each have one request on its way; 0 for 1.
	Connections int `json:"connections"`

	// Progress is told about ten times a second, on the calling goroutine.
	Progress func(Progress) `json:"-"`
}

// Bounds and defaults of the options.
const (
	defaultBatchItems = 500
	maxBatchItems     = 100_000
	maxConnections    = 1024
	maxRate           = 1e9
)

// key is where the destination stands in faults.
const key = "destination"

// settings is Options after checking.
type settings struct {
	Options
	signal otlp.Signal // that is generated
	now    func() time.Time
}

func (o Options) check() (*settings, error) {
	s := &settings{Options: o, now: time.Now}
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if (len(o.Paths) > 0) == (o.Generate != "") {
		add("want files, or a signal to generate")
	}
	for _, name := range o.loadOnly() {
		add("%s: is for generated load alone; files are sent whole, each message as it is", name)
	}
	if o.Generate != "" {
		var err error
		if s.signal, err = otlp.ParseSignal(o.Generate); err != nil {
			add("generate: %w", err)
		}
	}
	if o.Items < 0 || o.Duration < 0 {
		add("items and duration: %d and %v, below 0", o.Items, time.Duration(o.Duration))
	}
	if !(o.Rate >= 0 && o.Rate <= maxRate) {
		add("rate: %v is not within 0 to %v", o.Rate, float64(maxRate))
	}
	bound := func(name string, value *int, most, absent int) {
		if *value == 0 {
			*value = absent
		}
		if *value < 1 || *value > most {
			add("%s: %d is not within 1 to %d", name, *value, most)
		}
	}
	bound("batch_items", &s.BatchItems, maxBatchItems, defaultBatchItems)
	bound("connections", &s.Connections, maxConnections, 1)
	s.Destination.Name = "send"
	if len(faults) > 0 {
		return nil, &fault.Error{Kind: fault.Config, Op: "send", Err: errors.Join(faults...)}
	}
	return s, nil
}

// loadOnly names what is set and has no meaning for files.
func (o Options) loadOnly() (names []string) {
	if len(o.Paths) == 0 {
		return nil
	}
	if o.Items != 0 {
		names = append(names, "items")
	}
	if o.Duration != 0 {
		names = append(names, "duration")
	}
	if o.BatchItems != 0 {
		names = append(names, "batch_items")
	}
	return names
}
