package decode

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestABadRequestLeavesNoTrace(t *testing.T) {
	maker := sample.New(1, 1)
	good := maker.Body("traces", 20)
	message := maker.Traces(20)
	message.ResourceSpans[0].ScopeSpans[0].Spans[19].TraceId = []byte{1, 2, 3}
	bad, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	clean, dirty := New(otlp.Traces), New(otlp.Traces)
	for range 3 {
		if err := clean.Decode(good); err != nil {
			t.Fatal(err)
		}
		if err := dirty.Decode(good); err != nil {
			t.Fatal(err)
		}
		err := dirty.Decode(bad)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "resource_spans[0].scope_spans[0].spans[19].trace_id: ") {
			t.Fatalf("error %v does not name the field", err)
		}
	}
	want, got := clean.Batch(), dirty.Batch()
	defer want.Release()
	defer got.Release()
	if want.NumRows() != 60 || got.NumRows() != 60 {
		t.Fatalf("%d and %d rows, want 60", want.NumRows(), got.NumRows())
	}
	a, _ := want.MarshalJSON()
	b, _ := got.MarshalJSON()
	if string(a) != string(b) {
		t.Error("the batch differs from one that never met the bad request")
	}
}

// TestBadRequestsOfEveryKindLeaveNoTrace: also in columns that wait for their first value.
func TestBadRequestsOfEveryKindLeaveNoTrace(t *testing.T) {
	for _, signal := range otlp.Signals {
		t.Run(signal.String(), func(t *testing.T) {
			clean, dirty := New(signal), New(signal)
			rapid.Check(t, func(t *rapid.T) {
				clean.Reset()
				dirty.Reset()
				for range rapid.IntRange(1, 6).Draw(t, "requests") {
					body, err := proto.Marshal(otlpgen.Request(t, signal))
					if err != nil {
						t.Fatal(err)
					}
					if rapid.Bool().Draw(t, "bad") {
						if err := dirty.Decode(append(body, 1<<3|2, 5)); err == nil {
							t.Fatal("what is cut off was taken")
						}
						continue
					}
					a, b := clean.Decode(body), dirty.Decode(body)
					if (a == nil) != (b == nil) {
						t.Fatalf("%v, and after bad requests %v", a, b)
					}
				}
				expectEqual(t, clean, dirty)
			})
		})
	}
}

func expectEqual(t *rapid.T, clean, dirty *Table) {
	want, got := clean.Batch(), dirty.Batch()
	defer want.Release()
	defer got.Release()
	a, errA := want.MarshalJSON()
	b, errB := got.MarshalJSON()
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Fatalf("%s, %v\nafter bad requests\n%s, %v", a, errA, b, errB)
	}
}

func TestErrorsNameTheField(t *testing.T) {
	span := func(s *tracepb.Span) []byte {
		b, _ := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{}, s}}}}}})
		return b
	}
	for want, body := range map[string][]byte{
		"resource_spans[0].scope_spans[0].spans[1].span_id: ":        span(&tracepb.Span{SpanId: []byte{1}}),
		"resource_spans[0].scope_spans[0].spans[1].parent_span_id: ": span(&tracepb.Span{ParentSpanId: []byte{1}}),
		"resource_spans[0]: truncated":                               {0x0a, 0x02, 0x12, 0x05},
		"truncated at byte 2":                                        {0x0a, 0x7f},
	} {
		err := New(otlp.Traces).Decode(body)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestEmptySpansCannotBecomeTooMuch(t *testing.T) {
	spans := make([]*tracepb.Span, 1<<16)
	for i := range spans {
		spans[i] = &tracepb.Span{}
	}
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}})
	if err != nil {
		t.Fatal(err)
	}
	table := New(otlp.Traces)
	table.MaxGrowth = 1 << 20
	if err := table.Decode(body); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("error %v, want one of kind TooLarge", err)
	}
	if table.Rows() != 0 {
		t.Errorf("%d rows stay", table.Rows())
	}
}
