package obs

import (
	"slices"
	"sync"
)

// Histogram counts observations in buckets. It is meant for what happens at most a few thousand
// times a second: batches and syncs, never items.
type Histogram struct {
	bounds []float64

	mu     sync.Mutex // guards what follows
	counts []uint64   // of each bound, and of what is above
	sum    float64
}

// NewHistogram makes one of increasing upper bounds, each included in its bucket.
func NewHistogram(bounds ...float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// Seconds are bounds for what a disk does: from a tenth of a millisecond to half a minute.
func Seconds() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}

// Observe counts a value.
func (h *Histogram) Observe(value float64) {
	i, _ := slices.BinarySearch(h.bounds, value)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[i]++
	h.sum += value
}

// Buckets are a histogram's counts at a moment.
type Buckets struct {
	Count uint64
	Sum   float64
	Below map[float64]uint64 // how many were up to each bound
}

// Buckets are the counts as of now.
func (h *Histogram) Buckets() Buckets {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := Buckets{Sum: h.sum, Below: make(map[float64]uint64, len(h.bounds))}
	for i, n := range h.counts {
		b.Count += n
		if i < len(h.bounds) {
			b.Below[h.bounds[i]] = b.Count
		}
	}
	return b
}
