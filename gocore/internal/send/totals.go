package send

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Progress is how far a run is.
type Progress struct {
	// Done of Total, which is 0 where there is no end: bytes of files, generated items, or milliseconds where
	// only the time is bounded.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`

	Items          int64   `json:"items"`
	Unacknowledged int64   `json:"unacknowledged"`
	Elapsed        float64 `json:"elapsed_secs"`
}

// Result is what became of what was sent.
type Result struct {
	// What was acknowledged; bytes are those of protobuf, uncompressed. Items are without Rejected.
	Requests int64            `json:"requests"`
	Items    int64            `json:"items"`
	Bytes    int64            `json:"bytes"`
	Signals  map[string]int64 `json:"signals"` // Items by signal

	// Items that were not: refused for good, rejected within an acknowledged request, not taken in the time
	// there was, or without an answer when the run was interrupted.
	Refused    int64 `json:"refused"`
	Rejected   int64 `json:"rejected"`
	GivenUp    int64 `json:"given_up"`
	Unanswered int64 `json:"unanswered"`

	Retries  int64     `json:"retries"`
	Latency  Latency   `json:"latency_ms"`
	Elapsed  float64   `json:"elapsed_secs"`
	Rate     float64   `json:"items_per_sec"`
	Failures []Failure `json:"failures"`
	// Notes are what the destination, or the way there, had to say.
	Notes []string `json:"notes"`
	// Interrupted: ctx ended it.
	Interrupted bool `json:"interrupted"`
	// Fault is why not all of the files was read, or load made.
	Fault string `json:"fault"`
}

// Latency is from sending a request to its acknowledgement, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Failure is one way in which requests were not acknowledged, the first one's words.
type Failure struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Requests int64  `json:"requests"`
	Items    int64  `json:"items"`
}

// totals counts. It is used by all lanes.
type totals struct {
	mu       sync.Mutex // guards what follows
	sum      Result
	signals  [otlp.Count]int64
	took     latencies
	failures map[string]*Failure // by code
}

func (t *totals) add(p parcel, a forward.Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Retries += int64(a.Tries - 1)
	if a.Err != nil {
		t.failLocked(p, a)
		return
	}
	rejected := min(int64(min(a.Rejected, math.MaxInt32)), int64(p.items))
	t.sum.Rejected += rejected
	t.sum.Requests, t.sum.Bytes = t.sum.Requests+1, t.sum.Bytes+int64(len(p.body))
	t.sum.Items += int64(p.items) - rejected
	t.signals[p.signal] += int64(p.items) - rejected
	t.took.add(a.Took)
}

func (t *totals) failLocked(p parcel, a forward.Answer) {
	if a.Final {
		t.sum.Refused += int64(p.items)
	} else {
		t.sum.GivenUp += int64(p.items)
	}
	f := t.failures[a.Code]
	if f == nil {
		f = &Failure{Code: a.Code, Message: a.Err.Error()}
		if t.failures == nil {
			t.failures = map[string]*Failure{}
		}
		t.failures[a.Code] = f
	}
	f.Requests, f.Items = f.Requests+1, f.Items+int64(p.items)
}

// unanswered counts a parcel that was on its way when the run was interrupted.
func (t *totals) unanswered(p parcel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Unanswered += int64(p.items)
}

func (t *totals) progress() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.sum
	return Progress{Items: s.Items, Unacknowledged: s.Refused + s.Rejected + s.GivenUp + s.Unanswered}
}

// result is after the lanes have ended.
func (t *totals) result() Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Latency = Latency{t.took.quantile(0.5), t.took.quantile(0.95), t.took.quantile(0.99), milliseconds(t.took.most)}
	t.sum.Signals, t.sum.Failures = map[string]int64{}, []Failure{}
	for _, s := range otlp.Signals {
		if n := t.signals[s]; n > 0 {
			t.sum.Signals[s.String()] = n
		}
	}
	for _, f := range t.failures {
		t.sum.Failures = append(t.sum.Failures, *f)
	}
	slices.SortFunc(t.sum.Failures, func(a, b Failure) int { return cmp.Or(-cmp.Compare(a.Items, b.Items), cmp.Compare(a.Code, b.Code)) })
	return t.sum
}

// latencies are counted in classes, each two percent wider than the one before, from a microsecond on: the
// memory does not grow with what is sent.
type latencies struct {
	classes [1200]int64
	count   int64
	most    time.Duration
}

const wider = 1.02

func (l *latencies) add(took time.Duration) {
	class := int(math.Log(max(float64(took)/float64(time.Microsecond), 1)) / math.Log(wider))
	l.classes[min(class, len(l.classes)-1)]++
	l.count++
	l.most = max(l.most, took)
}

// quantile is in milliseconds; 0 where there is none.
func (l *latencies) quantile(q float64) float64 {
	rank, seen := int64(math.Ceil(q*float64(l.count))), int64(0)
	for class, n := range l.classes {
		if seen += n; n > 0 && seen >= rank {
			middle := math.Pow(wider, float64(class)+0.5) / 1e3
			return min(middle, milliseconds(l.most))
		}
	}
	return 0
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
