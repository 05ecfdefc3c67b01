package files

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Retention says how long data files are kept.
type Retention struct {
	CheckIntervalSecs int64 `json:"check_interval_secs"`
	Traces            Limit `json:"traces"`
	Metrics           Limit `json:"metrics"`
	Logs              Limit `json:"logs"`
}

// Limit is a signal's; 0 sets none.
type Limit struct {
	// MaxAgeSecs counts from a file's last data.
	MaxAgeSecs int64 `json:"max_age_secs"`
	// MaxBytes is for all files of the signal together.
	MaxBytes int64 `json:"max_bytes"`
}

// DefaultRetention keeps all.
func DefaultRetention() Retention { return Retention{CheckIntervalSecs: 600} }

const (
	minCheckSecs = 60
	maxCheckSecs = 86400
)

// Of is a signal's limit.
func (r Retention) Of(s otlp.Signal) Limit {
	return [otlp.Count]Limit{otlp.Traces: r.Traces, otlp.Metrics: r.Metrics, otlp.Logs: r.Logs}[s]
}

// Validate lists every fault of the settings, which stand under key.
func (r Retention) Validate(key string) []error {
	var faults []error
	if n := r.CheckIntervalSecs; n < minCheckSecs || n > maxCheckSecs {
		faults = append(faults, fmt.Errorf("%s.check_interval_secs: %d is not within %d to %d", key, n, minCheckSecs, maxCheckSecs))
	}
	for _, s := range otlp.Signals {
		limit := r.Of(s)
		if n := limit.MaxAgeSecs; n < 0 || n > maxAgeSecs {
			faults = append(faults, fmt.Errorf("%s.%s.max_age_secs: %d is not within 0 to %d", key, s, n, maxAgeSecs))
		}
		if n := limit.MaxBytes; n < 0 {
			faults = append(faults, fmt.Errorf("%s.%s.max_bytes: %d is less than 0", key, s, n))
		}
	}
	return faults
}

// maxAgeSecs is 200 years: a time.Duration has room for 292.
const maxAgeSecs = 200 * 366 * 86400

// Removed sums up a removal.
type Removed struct {
	Files int
	Bytes int64
}

// Retain removes a signal's files that are too old and then, oldest first, as many as are too
// much. Files that are in use stay, and what does not bear a name of ours. Several processes
// may do it at the same time. An error is about files that could not be removed, mapped ones
// on Windows say: they are tried again by the next call, and no newer one goes in their place.
func Retain(disk fsys.FS, dir string, s otlp.Signal, limit Limit, now time.Time, own ...string) (Removed, error) {
	var done Removed
	if limit == (Limit{}) {
		return done, nil
	}
	all, err := survey(disk, dir, s, own...)
	if err != nil {
		return done, &fault.Error{Kind: fault.IO, Op: "list " + s.String(), Err: err}
	}
	var faults []error
	for _, f := range limit.beyond(all, now) {
		switch err := disk.Remove(f.path); {
		case err == nil:
			done.Files++
			done.Bytes += f.size
		case !errors.Is(err, fs.ErrNotExist): // another process was faster
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return done, &fault.Error{Kind: fault.IO, Op: "remove files of " + s.String(), Err: err}
	}
	return done, nil
}

// beyond are the files that have to go, of all, which are in their order.
func (l Limit) beyond(all []surveyed, now time.Time) (old []surveyed) {
	var total int64
	for _, f := range all {
		total += f.size
	}
	for _, f := range all {
		aged := l.MaxAgeSecs > 0 && now.Sub(f.end) >= time.Duration(l.MaxAgeSecs)*time.Second
		if !f.held && (aged || l.MaxBytes > 0 && total > l.MaxBytes) {
			old = append(old, f)
			total -= f.size
		}
	}
	return old
}
