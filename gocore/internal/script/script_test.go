package script

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// behind takes everything, and keeps how many items that was.
type behind struct {
	mu      sync.Mutex // guards what follows
	items   []int
	kinds   []fault.Kind
	refusal error
}

func (b *behind) Accept(_ context.Context, signal otlp.Signal, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refusal != nil {
		return b.refusal
	}
	b.items = append(b.items, forward.Items(signal, body))
	return nil
}

func (b *behind) Refused(_ otlp.Signal, kind fault.Kind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kinds = append(b.kinds, kind)
}

// rig is a script with a gate for each transport.
type rig struct {
	*testing.T
	*Script
	behind behind
}

func newRig(t *testing.T, text string) *rig {
	t.Helper()
	r := &rig{T: t, Script: New()}
	if err := r.Apply([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return r
}

// send does as a receiver does, with a request of ten items.
func (r *rig) send(ctx context.Context, transport string, signal otlp.Signal) error {
	gate := r.Gate(transport, &r.behind)
	err := gate.Accept(ctx, signal, sample.New(1, 1).Body(signal.String(), 10))
	if _, partial := errors.AsType[*fault.PartialError](err); err != nil && !partial {
		gate.Refused(signal, fault.KindOf(err))
	}
	return err
}

// expect sends a request after the other, and wants these kinds of faults; Internal has code grpc.
func (r *rig) expect(transport string, signal otlp.Signal, want ...string) {
	r.Helper()
	for i, word := range want {
		err := r.send(r.Context(), transport, signal)
		got := "accept"
		if partial, ok := errors.AsType[*fault.PartialError](err); ok {
			got = "reject"
			_ = partial
		} else if err != nil {
			got = fault.KindOf(err).String()
		}
		if got != word {
			r.Errorf("%s of %v: request %d gives %s (%v), want %s", transport, signal, i, got, err, word)
		}
	}
}

func TestRulesFollowOneAnother(t *testing.T) {
	r := newRig(t, `{"rules": [{"do": "refuse", "count": 2}, {"do": "accept", "count": 1}, {"do": "fail", "count": 1, "grpc": 16, "http": 401}]}`)
	r.expect("grpc", otlp.Traces, "overloaded", "overloaded", "accept", "internal", "accept", "accept")
}

func TestRulesOfASignalAndATransport(t *testing.T) {
	r := newRig(t, `{"rules": [{"do": "refuse", "count": 1, "signal": "logs"}, {"do": "fail", "count": 2, "transport": "http", "grpc": 2, "http": 500},
		{"do": "reject", "count": 1}]}`)
	r.expect("grpc", otlp.Traces, "reject", "accept")
	r.expect("flight", otlp.Logs, "accept")
	r.expect("http", otlp.Logs, "overloaded", "internal")
	r.expect("otap", otlp.Logs, "accept")
	r.expect("http", otlp.Metrics, "internal", "accept")
}

func TestRefusals(t *testing.T) {
	r := newRig(t, `{"rules": [{"do": "refuse", "count": 1, "retry_after_ms": 2500, "message": "later"},
		{"do": "fail", "count": 1, "grpc": 7, "http": 403, "message": "never"}, {"do": "fail", "count": 1, "grpc": 14, "http": 503}]}`)
	err := r.send(t.Context(), "grpc", otlp.Logs)
	if after := fault.RetryAfterOf(err); after != 2500*time.Millisecond || err.Error() != "later" {
		t.Errorf("%v after %v", err, after)
	}
	err = r.send(t.Context(), "http", otlp.Logs)
	answer, own := fault.AnswerOf(err, fault.KindOf(err))
	if want := (fault.Answer{GRPC: codes.PermissionDenied, HTTP: 403}); answer != want || !own || err.Error() != "never" {
		t.Errorf("%v is answered with %v, %v", err, answer, own)
	}
	err = r.send(t.Context(), "http", otlp.Logs)
	if after := fault.RetryAfterOf(err); after != 0 || err.Error() == "" {
		t.Errorf("%v says to come again after %v", err, after)
	}
	if len(r.behind.items) != 0 {
		t.Errorf("the acceptor was asked for %v items", r.behind.items)
	}
}

func TestPartOfARequest(t *testing.T) {
	r := newRig(t, `{"rules": [{"do": "reject", "count": 1, "rejected": 3, "message": "three"}, {"do": "reject", "count": 1},
		{"do": "reject", "count": 1, "rejected": 99}]}`)
	for i, want := range []struct {
		rejected int64
		message  string
	}{{3, "three"}, {0, "told to reject"}, {10, "told to reject"}} {
		err := r.send(t.Context(), "http", otlp.Metrics)
		partial, ok := errors.AsType[*fault.PartialError](err)
		if !ok || partial.Rejected != want.rejected || partial.Message != want.message || !strings.Contains(partial.Error(), want.message) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if !slices.Equal(r.behind.items, []int{7, 10, 0}) {
		t.Errorf("%v items were taken", r.behind.items)
	}
}

func TestCounts(t *testing.T) {
	r := newRig(t, `{"rules": [{"do": "refuse", "count": 1}, {"do": "reject", "count": 1}]}`)
	r.expect("grpc", otlp.Traces, "overloaded", "reject", "accept", "accept")
	r.expect("otap", otlp.Traces, "accept")
	r.behind.refusal = fault.New(fault.Invalid, "decode", "bad")
	r.expect("http", otlp.Logs, "invalid")
	r.Gate("http", &r.behind).Refused(otlp.Count, fault.Invalid) // of no signal
	seen, err := r.Await(t.Context(), 6)
	if err != nil || seen.Answered != 6 {
		t.Errorf("%+v, %v", seen, err)
	}
	for _, want := range []struct {
		signal, transport string
		count             Count
	}{{"traces", "grpc", Count{2, 1, 1}}, {"traces", "otap", Count{1, 0, 0}}, {"logs", "http", Count{0, 0, 1}}} {
		if got := seen.Requests[want.signal][want.transport]; got != want.count {
			t.Errorf("%s over %s: %+v, want %+v", want.signal, want.transport, got, want.count)
		}
	}
	if !slices.Equal(r.behind.kinds, []fault.Kind{fault.Overloaded, fault.Invalid, fault.Invalid}) {
		t.Errorf("the acceptor was told of %v", r.behind.kinds)
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `{}`)
		got := make(chan Seen, 1)
		go func() {
			seen, _ := r.Await(context.Background(), 2)
			got <- seen
		}()
		r.expect("grpc", otlp.Logs, "accept")
		synctest.Wait()
		select {
		case seen := <-got:
			t.Fatalf("one request is enough: %+v", seen)
		default:
		}
		r.expect("grpc", otlp.Traces, "accept")
		if seen := <-got; seen.Answered != 2 {
			t.Errorf("%+v", seen)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Await(ctx, 3); fault.KindOf(err) != fault.Timeout {
			t.Errorf("%v, want a timeout", err)
		}
	})
}

// TestEndWakesWhoAwaits: what was answered before is told still.
func TestEndWakesWhoAwaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `{}`)
		r.expect("grpc", otlp.Logs, "accept")
		got := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() {
			_, err := r.Await(ctx, 2)
			got <- err
		}()
		synctest.Wait() // it waits
		r.End()
		if err := <-got; fault.KindOf(err) != fault.Closed {
			t.Errorf("%v, want closed", err)
		}
		if _, err := r.Await(ctx, 2); fault.KindOf(err) != fault.Closed {
			t.Errorf("%v after the end, want closed", err)
		}
		if seen, err := r.Await(ctx, 1); err != nil || seen.Answered != 1 {
			t.Errorf("%+v, %v after the end, want one request", seen, err)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `{"rules": [{"do": "accept", "count": 2, "delay_ms": 3000}, {"do": "refuse", "count": 1, "delay_ms": 500}]}`)
		begin := time.Now()
		r.expect("grpc", otlp.Logs, "accept")
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.send(ctx, "http", otlp.Logs); fault.KindOf(err) != fault.Timeout {
			t.Errorf("%v, want a timeout", err)
		}
		r.expect("otap", otlp.Logs, "overloaded")
		if took := time.Since(begin); took != 4500*time.Millisecond {
			t.Errorf("all took %v", took)
		}
		if len(r.behind.items) != 1 {
			t.Errorf("what its sender gave up was taken: %v", r.behind.items)
		}
	})
}

// TestClear: and the end too. What waits is refused, and no rule is left.
func TestClear(t *testing.T) {
	const delay = `{"rules": [{"do": "accept", "count": 1, "delay_ms": 3600000}, {"do": "fail", "count": 9, "grpc": 2, "http": 500}]}`
	for name, end := range map[string]func(*Script) error{
		"clear": func(s *Script) error { return s.Apply([]byte(`{"clear": true}`)) },
		"end":   func(s *Script) error { s.End(); s.End(); return s.Apply([]byte(`{"clear": true}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, delay)
				got := make(chan error, 1)
				go func() { got <- r.send(context.Background(), "grpc", otlp.Logs) }()
				synctest.Wait() // it waits
				if err := end(r.Script); err != nil {
					t.Fatal(err)
				}
				if err := <-got; fault.KindOf(err) != fault.Closed {
					t.Errorf("%v, want closed", err)
				}
				r.expect("grpc", otlp.Logs, "accept")
			})
		})
	}
}

func TestBadScripts(t *testing.T) {
	for text, want := range map[string]string{
		`{`:           "unexpected EOF",
		`{} {}`:       "text after the document",
		`{"rule": 1}`: "unknown field",
		`{"rules": [{"do": "laugh", "count": 0, "signal": "spans", "transport": "tcp", "delay_ms": -1, "retry_after_ms": -1, "rejected": -1}]}`: "do: ",
		`{"rules": [{"do": "fail", "count": 1}]}`:                                "grpc: 0 is not within 1 to 16",
		`{"rules": [{"do": "fail", "count": 1, "grpc": 17, "http": 200}]}`:       "http: 200 is not within 300 to 599",
		`{"rules": [{"do": "accept", "count": 1}, {"do": "accept", "count":0}]}`: "count: 0 is not within 1 to 1000000",
	} {
		s := New()
		err := s.Apply([]byte(text))
		if fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if len(s.rules) != 0 {
			t.Errorf("%s: %d rules are taken", text, len(s.rules))
		}
	}
	err := New().Apply([]byte(`{"rules": [{"do": "x", "count": 0, "signal": "s", "transport": "t", "delay_ms": -1, "retry_after_ms": -1, "rejected": -1}]}`))
	for _, key := range []string{"do", "count", "signal", "transport", "delay_ms", "retry_after_ms", "rejected"} {
		if !strings.Contains(err.Error(), key+": ") {
			t.Errorf("%q is not told: %v", key, err)
		}
	}
}

func TestRulesAreBounded(t *testing.T) {
	many := strings.Repeat(`{"do": "accept", "count": 1},`, maxRules)
	s := newRig(t, `{"rules": [`+strings.TrimSuffix(many, ",")+`]}`)
	if err := s.Apply([]byte(`{"rules": [{"do": "accept", "count": 1}]}`)); fault.KindOf(err) != fault.Config {
		t.Errorf("%v, want a config error", err)
	}
	if err := s.Apply([]byte(`{"clear": true, "rules": [` + many + `{"do": "accept", "count": 1}]}`)); fault.KindOf(err) != fault.Config || len(s.rules) != maxRules {
		t.Errorf("%v, want a config error; %d rules", err, len(s.rules))
	}
	if err := s.Apply([]byte(`{"clear": true, "rules": [{"do": "accept", "count": 1}]}`)); err != nil || len(s.rules) != 1 {
		t.Errorf("%v, %d rules", err, len(s.rules))
	}
}
