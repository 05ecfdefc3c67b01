package forward

import (
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// destination is one with its pipes.
type destination struct {
	Config
	log     *slog.Logger
	now     func() time.Time
	sender  sender
	breaker *breaker
	pipes   []*pipe
	queue   int64 // sending_queue.max_bytes
	passed  chan<- struct{}

	// Of the stage's goroutine.
	marks  marks
	saved  cursor
	saving bool // the last save failed

	mu      sync.Mutex // guards failure
	failure error      // of the last try, nil when the destination answers
}

func newDestination(c Config, key string, o *Options, queueBytes int64) (*destination, error) {
	log := o.Log.With("destination", c.Name)
	sender, err := c.sender(key, log, o.Now)
	if err != nil {
		return nil, err
	}
	d := &destination{Config: c, log: log, now: o.Now, sender: sender, queue: c.SendingQueue.MaxBytes}
	if d.queue == 0 {
		d.queue = queueBytes / 2
	}
	d.marks.gap = max(tick/2, time.Duration(c.SendingQueue.MaxAge)/1000)
	d.breaker = newBreaker(c.CircuitBreaker, o.Now, log)
	signals, err := c.signals()
	for _, s := range signals {
		d.pipes = append(d.pipes, newPipe(d, s))
	}
	return d, err
}

// sender speaks the protocol of the settings, which stand under key; it does not connect yet.
func (c Config) sender(key string, log *slog.Logger, now func() time.Time) (sender, error) {
	to, err := c.target()
	if err != nil {
		return nil, err
	}
	env := secure.Env{Now: now, Log: log}
	tls, err := c.TLS.Client(key+".tls", env)
	if err != nil {
		return nil, err
	}
	shown, err := c.open(key, env)
	if err != nil {
		return nil, err
	}
	switch c.Protocol {
	case OTLPGRPC:
		return newGRPC(c, to, tls, shown)
	case OTAP:
		return newOTAP(c, to, tls, shown, log, now)
	}
	return newHTTP(c, to, tls, shown, now), nil
}

// backoff is how long to wait before each next try, while the destination does not say.
func (r Retry) backoff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: time.Duration(r.InitialInterval), RandomizationFactor: r.RandomizationFactor,
		Multiplier: r.Multiplier, MaxInterval: max(time.Duration(r.MaxInterval), time.Duration(r.InitialInterval)),
	}
}

// heard notes whether the destination takes requests, and tells the beginning and the end of a failure.
func (d *destination) heard(v verdict, s otlp.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case v.outcome == later && d.failure == nil:
		d.log.Warn("a destination takes nothing at present; it is tried again", "signal", s.String(), "code", v.code, "error", v.err)
		d.failure = v.err
	case v.outcome == later:
		d.failure = v.err
	case d.failure != nil:
		d.log.Info("a destination takes requests again", "signal", s.String())
		d.failure = nil
	}
}

func (d *destination) trouble() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure
}
