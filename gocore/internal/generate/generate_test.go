package generate

import (
	"bytes"
	"slices"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func clock() time.Time { return at }

func parse(t *testing.T, body []byte, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
	if again, _ := proto.Marshal(into); len(into.ProtoReflect().GetUnknown()) > 0 || len(again) != len(body) {
		t.Errorf("%d bytes, and %d again", len(body), len(again))
	}
}

// TestItems: as many as are asked for, which receivers take; the same seed gives the same.
func TestItems(t *testing.T) {
	for _, s := range otlp.Signals {
		a, b, other := New(s, 1, clock), New(s, 1, clock), New(s, 2, clock)
		for _, n := range []int{1, 7, 100, 1000} {
			body := a.Body(n)
			table := decode.New(s)
			if err := table.Decode(body); err != nil || table.Rows() != n {
				t.Errorf("%s: %d of %d items: %v", s, table.Rows(), n, err)
			}
			if !bytes.Equal(body, b.Body(n)) || bytes.Equal(body, other.Body(n)) {
				t.Errorf("%s: seeds do not count", s)
			}
		}
		if len(a.Body(0)) > 0 {
			t.Errorf("%s: something of nothing", s)
		}
	}
}

func nameOf(attributes []*commonpb.KeyValue) string {
	i := slices.IndexFunc(attributes, func(kv *commonpb.KeyValue) bool { return kv.Key == "service.name" })
	return attributes[i].Value.GetStringValue()
}

// TestSpansFormTrees: each trace has one root, all parents are there, and last as long as what they call.
func TestSpansFormTrees(t *testing.T) {
	var data tracepb.TracesData
	parse(t, New(otlp.Traces, 1, clock).Body(1000), &data)
	byID, named := map[string]*tracepb.Span{}, map[string]bool{}
	for _, r := range data.ResourceSpans {
		named[nameOf(r.Resource.Attributes)] = true
		for _, span := range r.ScopeSpans[0].Spans {
			byID[string(span.SpanId)] = span
		}
	}
	if len(named) != len(services) || len(byID) != 1000 {
		t.Fatalf("%d services, %d spans", len(named), len(byID))
	}
	roots, failed := map[string]int{}, 0
	for _, span := range byID {
		if span.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			failed++
		}
		if span.EndTimeUnixNano <= span.StartTimeUnixNano || span.EndTimeUnixNano > uint64(at.UnixNano()) {
			t.Errorf("%s: %d to %d", span.Name, span.StartTimeUnixNano, span.EndTimeUnixNano)
		}
		if len(span.ParentSpanId) == 0 {
			roots[string(span.TraceId)]++
			continue
		}
		parent := byID[string(span.ParentSpanId)]
		if parent == nil || !bytes.Equal(parent.TraceId, span.TraceId) {
			t.Fatalf("%s: no parent", span.Name)
		}
		if parent.StartTimeUnixNano > span.StartTimeUnixNano || parent.EndTimeUnixNano < span.EndTimeUnixNano {
			t.Errorf("%s is not within %s", span.Name, parent.Name)
		}
	}
	for _, n := range roots {
		if n != 1 {
			t.Errorf("%d roots", n)
		}
	}
	if len(roots) < 50 || len(roots) > 500 || failed == 0 || failed > 200 {
		t.Errorf("%d traces, %d failed spans", len(roots), failed)
	}
}

func TestLogs(t *testing.T) {
	var data logspb.LogsData
	parse(t, New(otlp.Logs, 1, clock).Body(1000), &data)
	severities, traces := map[string]int{}, map[string]int{}
	for _, r := range data.ResourceLogs {
		for _, record := range r.ScopeLogs[0].LogRecords {
			severities[record.SeverityText]++
			traces[string(record.TraceId)]++
			if record.Body.GetStringValue() == "" || record.TimeUnixNano > record.ObservedTimeUnixNano || len(record.SpanId) != 8 {
				t.Fatalf("%v", record)
			}
		}
	}
	if len(data.ResourceLogs) != len(services) || len(traces) != 250 || severities["ERROR"] == 0 || severities["INFO"] < 500 {
		t.Errorf("%d services, %d traces, %v", len(data.ResourceLogs), len(traces), severities)
	}
}

// TestPoints: sums and buckets only grow, and buckets add up.
func TestPoints(t *testing.T) {
	m := New(otlp.Metrics, 1, clock)
	kinds := map[string]bool{}
	last := map[string]uint64{}
	grow := func(name string, attributes []*commonpb.KeyValue, n uint64) {
		for _, kv := range attributes {
			name += "|" + kv.String()
		}
		if n < last[name] {
			t.Errorf("%s: %d after %d", name, n, last[name])
		}
		last[name] = n
	}
	for range 20 {
		var data metricspb.MetricsData
		parse(t, m.Body(37), &data)
		for _, r := range data.ResourceMetrics {
			for _, one := range r.ScopeMetrics[0].Metrics {
				kinds[one.Name] = true
				name := nameOf(r.Resource.Attributes) + "|" + one.Name
				for _, p := range one.GetSum().GetDataPoints() {
					grow(name, p.Attributes, uint64(p.GetAsInt()))
				}
				for _, p := range one.GetHistogram().GetDataPoints() {
					grow(name, p.Attributes, p.Count)
					var sum uint64
					for _, n := range p.BucketCounts {
						sum += n
					}
					if sum != p.Count || len(p.BucketCounts) != len(p.ExplicitBounds)+1 || p.GetSum() <= 0 {
						t.Errorf("%s: %v", name, p)
					}
				}
			}
		}
	}
	if len(kinds) != 3 || len(last) < 20 {
		t.Errorf("%v, %d series", kinds, len(last))
	}
}

// BenchmarkBody is what load costs whoever makes it:
//
//	go test ./gocore/internal/generate -run - -bench Body -cpu 1
func BenchmarkBody(b *testing.B) {
	for _, s := range otlp.Signals {
		b.Run("signal="+s.String(), func(b *testing.B) {
			m, bytes := New(s, 1, time.Now), 0
			for b.Loop() {
				bytes = len(m.Body(1000))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/item")
			b.ReportMetric(float64(bytes)/1000, "bytes/item")
		})
	}
}
