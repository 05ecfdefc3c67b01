package obs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestVersion(t *testing.T) {
	text, err := os.ReadFile("../../../pyproject.toml")
	if err != nil || !strings.Contains(string(text), "\nversion = \""+Version+"\"\n") {
		t.Errorf("pyproject.toml has another version than %s: %v", Version, err)
	}
}

func TestHistogram(t *testing.T) {
	h := NewHistogram(1, 2, 5)
	for _, v := range []float64{0, 1, 1.5, 2, 6, -1} {
		h.Observe(v)
	}
	got := h.Buckets()
	if want := fmt.Sprint(Buckets{Count: 6, Sum: 9.5, Below: map[float64]uint64{1: 3, 2: 5, 5: 5}}); fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
	if !slices.IsSorted(Seconds()) {
		t.Error("bounds do not increase")
	}
}

func families() []Family {
	h := NewHistogram(1)
	h.Observe(.5)
	return []Family{
		{Name: "things_total", Kind: Counter, Help: "Things.", Labels: []string{"signal"},
			Values: func(tell func(float64, ...string)) { tell(3, "logs"); tell(4, "traces") }},
		{Name: "level", Kind: Gauge, Help: "A level.", Values: func(tell func(float64, ...string)) { tell(-1) }},
		{Name: "write_seconds", Kind: Histograms, Help: "Time.", Labels: []string{"signal"},
			Buckets: func(tell func(Buckets, ...string)) { tell(h.Buckets(), "logs") }},
	}
}

func TestRegistry(t *testing.T) {
	one, two := NewRegistry(), NewRegistry() // nothing is shared
	one.Add(families()...)
	two.Add(families()...)
	want := `# HELP otlp_arrow_level A level.
# TYPE otlp_arrow_level gauge
otlp_arrow_level -1
# HELP otlp_arrow_things_total Things.
# TYPE otlp_arrow_things_total counter
otlp_arrow_things_total{signal="logs"} 3
otlp_arrow_things_total{signal="traces"} 4
# HELP otlp_arrow_write_seconds Time.
# TYPE otlp_arrow_write_seconds histogram
otlp_arrow_write_seconds_bucket{signal="logs",le="1"} 1
otlp_arrow_write_seconds_bucket{signal="logs",le="+Inf"} 1
otlp_arrow_write_seconds_sum{signal="logs"} 0.5
otlp_arrow_write_seconds_count{signal="logs"} 1
`
	if err := testutil.GatherAndCompare(one.Gatherer(), strings.NewReader(want), Prefix+"things_total", Prefix+"level", Prefix+"write_seconds"); err != nil {
		t.Error(err)
	}
	answer := httptest.NewRecorder()
	two.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for _, part := range []string{Prefix + "level -1\n", "\ngo_goroutines ", "\nprocess_start_time_seconds "} {
		if !strings.Contains(answer.Body.String(), part) {
			t.Errorf("%d, lacks %q", answer.Code, part)
		}
	}
	if got := fmt.Sprint(Counter, Gauge, Histograms); got != "counter gauge histogram" {
		t.Error(got)
	}
}

// logged runs fn with a limited logger in a bubble, where time passes at once, and gives the
// lines that came through.
func logged(t *testing.T, limits Limits, fn func(log *slog.Logger, l *Limiter)) (lines []string, suppressed uint64) {
	t.Helper()
	var out obstest.Log
	synctest.Test(t, func(t *testing.T) {
		plain := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		l := NewLimiter(plain, limits)
		fn(slog.New(l), l)
		suppressed = l.Suppressed()
	})
	text := strings.TrimSuffix(out.String(), "\n")
	if text == "" {
		return nil, suppressed
	}
	return strings.Split(text, "\n"), suppressed
}

func TestLimiter(t *testing.T) {
	limits := Limits{Every: 10 * time.Second, Same: 2, All: 4}
	tests := []struct {
		name       string
		run        func(log *slog.Logger, l *Limiter)
		want       []string
		suppressed uint64
	}{
		{"few pass", func(log *slog.Logger, _ *Limiter) {
			log.Info("a")
			log.Info("a", "n", 2)
			log.Warn("a") // another level is another kind
		}, []string{"level=INFO msg=a", "level=INFO msg=a n=2", "level=WARN msg=a"}, 0},
		{"many of a kind are summed up when the interval ends", func(log *slog.Logger, _ *Limiter) {
			for i := range 5 {
				log.Info("a", "n", i)
			}
			time.Sleep(10*time.Second - 1)
			log.Info("b")
			time.Sleep(time.Second)
		}, []string{"level=INFO msg=a n=0", "level=INFO msg=a n=1", "level=INFO msg=b", "level=INFO msg=a n=4 suppressed=3"}, 3},
		{"the next interval begins anew", func(log *slog.Logger, _ *Limiter) {
			for range 3 {
				log.Info("a")
			}
			time.Sleep(15 * time.Second)
			log.Info("a")
		}, []string{"level=INFO msg=a", "level=INFO msg=a", "level=INFO msg=a suppressed=1", "level=INFO msg=a"}, 1},
		{"the cap over all kinds", func(log *slog.Logger, _ *Limiter) {
			for _, message := range []string{"a", "b", "a", "c", "a", "c", "d", "e", "f"} {
				log.Info(message)
			}
			time.Sleep(11 * time.Second)
		}, []string{
			"level=INFO msg=a", "level=INFO msg=b", "level=INFO msg=a", "level=INFO msg=c",
			`level=INFO msg=a suppressed=1`, `level=INFO msg=c suppressed=1`, `level=INFO msg=d suppressed=1`,
			`level=WARN msg="log records of many kinds were dropped" suppressed=2`,
		}, 5},
		{"attributes and groups of loggers", func(log *slog.Logger, l *Limiter) {
			one, two := log.With("signal", "logs"), log.WithGroup("g")
			one.Info("a")
			two.Info("a", "n", 1)
			one.Info("a")
			two.Info("a", "n", 2)
			l.Flush()
			l.Flush()
		}, []string{"level=INFO msg=a signal=logs", "level=INFO msg=a g.n=1", "level=INFO msg=a g.n=2 g.suppressed=2"}, 2},
		{"nothing after a flush", func(log *slog.Logger, l *Limiter) { l.Flush(); time.Sleep(time.Minute) }, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, suppressed := logged(t, limits, tt.run)
			if tt.name == "the cap over all kinds" {
				slices.Sort(got[4:7]) // summaries come in any order
			}
			if !slices.Equal(got, tt.want) || suppressed != tt.suppressed {
				t.Errorf("%d suppressed, got\n%s\nwant\n%s", suppressed, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// TestLimiterAtOnce: every record of many goroutines is either told or counted.
func TestLimiterAtOnce(t *testing.T) {
	limits := Limits{Every: time.Second, Same: 100, All: 150}
	got, suppressed := logged(t, limits, func(log *slog.Logger, l *Limiter) {
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for range 100 {
					log.LogAttrs(context.Background(), slog.LevelInfo, "m"+fmt.Sprint(g%2))
				}
			})
		}
		all.Wait()
		l.Flush()
	})
	told := 0
	for _, line := range got {
		if !strings.Contains(line, "suppressed") {
			told++
		}
	}
	if told != 150 || told+int(suppressed) != 800 {
		t.Errorf("%d told, %d suppressed, of 800", told, suppressed)
	}
}
