package forward

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestItems: framing counts what the decoder makes rows of.
func TestItems(t *testing.T) {
	maker := sample.New(1, 1)
	for _, s := range otlp.Signals {
		for _, n := range []int{0, 1, 100} {
			body := maker.Body(s.String(), n)
			table := decode.New(s)
			table.MaxGrowth = 1 << 30
			noError(t, table.Decode(body))
			if got := Items(s, body); got != table.Rows() {
				t.Errorf("%v: %d items of %d rows", s, got, table.Rows())
			}
		}
	}
}

// TestSplit: every part is within the limits, each item is in one, in order and with all that is around it.
func TestSplit(t *testing.T) {
	for _, s := range otlp.Signals {
		body := append(request(s, sequence(1, 300)...), request(s, sequence(301, 500)...)...)
		for _, most := range []limits{{200, 0}, {1000, 0}, {1 << 20, 7}, {500, 3}, {1 << 20, 0}} {
			var ids []uint64
			parts := split(s, body, most)
			for _, part := range parts {
				if !most.fit(len(part), Items(s, part)) {
					t.Errorf("%v: a part of %d bytes and %d items, limits %v", s, len(part), Items(s, part), most)
				}
				ids = append(ids, idsOf(s, part)...)
			}
			if !slices.Equal(ids, sequence(1, 500)) {
				t.Errorf("%v, %v: %d parts have %v", s, most, len(parts), ids)
			}
			if most.bytes > 1<<19 && most.items == 0 && len(parts) != 1 {
				t.Errorf("%d parts of what fits", len(parts))
			}
		}
		one := request(s, 7)
		if parts := split(s, one, limits{10, 0}); len(parts) != 1 || !slices.Equal(idsOf(s, parts[0]), []uint64{7}) {
			t.Errorf("%v: an item alone is %d parts", s, len(parts))
		}
	}
	if parts := split(otlp.Logs, []byte{10, 200}, limits{1, 0}); len(parts) != 1 {
		t.Errorf("what has no framing is %d parts", len(parts))
	}
}

// TestSplitKeepsMetrics: name, unit and temporality go with each part.
func TestSplitKeepsMetrics(t *testing.T) {
	points := make([]*metricspb.NumberDataPoint, 50)
	for i := range points {
		points[i] = &metricspb.NumberDataPoint{TimeUnixNano: uint64(i + 1)}
	}
	whole := &metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{{SchemaUrl: "r", ScopeMetrics: []*metricspb.ScopeMetrics{{SchemaUrl: "s",
		Metrics: []*metricspb.Metric{{Name: "n", Unit: "u", Data: &metricspb.Metric_Sum{Sum: &metricspb.Sum{
			DataPoints: points, IsMonotonic: true, AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA,
		}}}}}}}}}
	body, err := proto.Marshal(whole)
	noError(t, err)
	at := uint64(0)
	for _, part := range split(otlp.Metrics, body, limits{1 << 20, 20}) {
		got := &metricspb.MetricsData{}
		noError(t, proto.Unmarshal(part, got))
		sum := got.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics()[0].GetSum()
		for _, point := range sum.GetDataPoints() {
			if at++; point.GetTimeUnixNano() != at {
				t.Fatal("not in order")
			}
		}
		sum.DataPoints = nil
		bare := proto.Clone(whole).(*metricspb.MetricsData)
		bare.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics()[0].GetSum().DataPoints = nil
		if !proto.Equal(got, bare) {
			t.Errorf("%v", got)
		}
	}
	if at != 50 {
		t.Errorf("%d points", at)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range otlp.Signals {
		f.Add(uint8(s), request(s, 1, 2, 3), 60, 2)
	}
	f.Fuzz(func(t *testing.T, signal uint8, body []byte, bytes, items int) {
		s := otlp.Signals[signal%otlp.Count]
		sum := 0
		for _, part := range split(s, body, limits{max(bytes, 1), max(items, 0)}) {
			sum += Items(s, part)
		}
		want := Items(s, body)
		if sum != want {
			t.Fatalf("%d of %d items", sum, want)
		}
		if got := Items(s, First(s, body, items)); got > want {
			t.Fatalf("the first %d of %d items are %d", items, want, got)
		}
	})
}

func BenchmarkItems(b *testing.B) {
	body := sample.New(1, 1).Body("traces", 100)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		Items(otlp.Traces, body)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/item")
}

// TestFirst: what is cut down keeps the first items, with all that is around them.
func TestFirst(t *testing.T) {
	for _, s := range otlp.Signals {
		body := append(request(s, sequence(1, 5)...), request(s, sequence(6, 9)...)...)
		for n := range 12 {
			if got, want := idsOf(s, First(s, body, n)), sequence(1, uint64(min(n, 9))); !slices.Equal(got, want) {
				t.Errorf("%v: the first %d are %v", s, n, got)
			}
		}
		if got := First(s, body, 9); !slices.Equal(got, body) {
			t.Errorf("%v: all of it is another request", s)
		}
		whole := First(s, body, 0)
		if common := First(s, whole, 3); !slices.Equal(common, whole) {
			t.Errorf("%v: what is around the items does not stay", s)
		}
		for _, bad := range [][]byte{{10, 200}, append(slices.Clone(body), 10, 3, 10, 200, 1)} {
			if items := table(t, s, First(s, bad, 1)); items {
				t.Errorf("%v: what has no framing has one now", s)
			}
		}
	}
}

// table says whether a request can be decoded.
func table(t *testing.T, s otlp.Signal, body []byte) bool {
	t.Helper()
	into := decode.New(s)
	into.MaxGrowth = 1 << 30
	return into.Decode(body) == nil
}
