package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Rule is what happens to the next Count requests, after DelayMS milliseconds.
type Rule struct {
	// Do is "accept", "fail", "refuse" (which asks for a retry) or "reject" (a part).
	Do string `json:"do"`
	// Count is how many requests it is for, 1 to 1,000,000.
	Count int `json:"count"`
	// Signal is the only one, "" for all.
	Signal string `json:"signal"`
	// Transport is the only one, "" for all.
	Transport string `json:"transport"`
	DelayMS   int64  `json:"delay_ms"`
	// GRPC and HTTP are the codes of "fail"; OTAP has those of gRPC.
	GRPC int `json:"grpc"`
	HTTP int `json:"http"`
	// RetryAfterMS is when "refuse" wants the request again; 0 is when receivers usually do, in a second.
	RetryAfterMS int64 `json:"retry_after_ms"`
	// Rejected is how many items, the last ones, "reject" does not take; 0 is a warning.
	Rejected int64  `json:"rejected"`
	Message  string `json:"message"`
}

// The bounds of a rule.
const (
	maxCount = 1_000_000
	maxRules = 10_000 // that wait
	maxTime  = 24 * 60 * 60 * 1000
)

// transports are what a rule may name.
var transports = []string{"grpc", "http", "otap"}

// faults lists what is wrong with a rule.
func (r Rule) faults() (all []error) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	wrong(!slices.Contains([]string{"accept", "fail", "refuse", "reject"}, r.Do), "do: %q is not one of accept, fail, refuse, reject", r.Do)
	wrong(r.Count < 1 || r.Count > maxCount, "count: %d is not within 1 to %d", r.Count, maxCount)
	_, err := otlp.ParseSignal(r.Signal)
	wrong(r.Signal != "" && err != nil, "signal: %q is not one of traces, metrics, logs", r.Signal)
	wrong(r.Transport != "" && !slices.Contains(transports, r.Transport), "transport: %q is not one of grpc, http, otap", r.Transport)
	wrong(r.DelayMS < 0 || r.DelayMS > maxTime, "delay_ms: %d is not within 0 to %d", r.DelayMS, maxTime)
	wrong(r.RetryAfterMS < 0 || r.RetryAfterMS > maxTime, "retry_after_ms: %d is not within 0 to %d", r.RetryAfterMS, maxTime)
	wrong(r.Rejected < 0, "rejected: %d is less than 0", r.Rejected)
	if r.Do == "fail" {
		wrong(r.GRPC < 1 || r.GRPC > 16, "grpc: %d is not within 1 to 16", r.GRPC)
		wrong(r.HTTP < 300 || r.HTTP > 599, "http: %d is not within 300 to 599", r.HTTP)
	}
	return all
}

// fits says whether a rule is for a request. Arrow Flight's are none that an exporter sends.
func (r Rule) fits(signal otlp.Signal, transport string) bool {
	return slices.Contains(transports, transport) && (r.Signal == "" || r.Signal == signal.String()) && (r.Transport == "" || r.Transport == transport)
}

// refusal is what a sender is told instead of its request being looked at; nil where it is.
func (r Rule) refusal() error {
	switch r.Do {
	case "fail":
		e := fault.New(fault.Internal, "", "%s", r.text("told to fail"))
		e.Answer = &fault.Answer{GRPC: codes.Code(r.GRPC), HTTP: r.HTTP}
		return e
	case "refuse":
		e := fault.New(fault.Overloaded, "", "%s", r.text("told to refuse"))
		e.RetryAfter = time.Duration(r.RetryAfterMS) * time.Millisecond
		return e
	}
	return nil
}

// part is what is left of a request, and what its sender is told if that was taken; nil where it has
// no more than the usual answer.
func (r Rule) part(signal otlp.Signal, body []byte) ([]byte, *fault.PartialError) {
	if r.Do != "reject" {
		return body, nil
	}
	items := int64(forward.Items(signal, body))
	rejected := min(r.Rejected, items)
	if rejected > 0 {
		body = forward.First(signal, body, int(items-rejected))
	}
	return body, &fault.PartialError{Rejected: rejected, Message: r.text("told to reject")}
}

func (r Rule) text(otherwise string) string {
	if r.Message == "" {
		return otherwise
	}
	return r.Message
}

// document is a script as it comes.
type document struct {
	// Clear drops what waits, and ends the delays.
	Clear bool   `json:"clear"`
	Rules []Rule `json:"rules"`
}

func parse(text []byte) (d document, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&d)
	if _, end := decoder.Token(); err == nil && end != io.EOF {
		err = errors.New("text after the document")
	}
	faults := []error{err}
	for _, r := range d.Rules {
		faults = append(faults, r.faults()...)
	}
	if err = errors.Join(faults...); err != nil {
		return d, &fault.Error{Kind: fault.Config, Op: "script", Err: err}
	}
	return d, nil
}
