package otap_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// sentPayload is one table of a batch, read by arrow-go.
type sentPayload struct {
	id   string
	typ  uint64
	recs arrow.RecordBatch
}

// far is a receiving end that knows only IPC: one reader a schema id, for as long as a stream lasts.
type far struct {
	t       testing.TB
	readers map[string]*ipc.Reader
	sources map[string]*bytes.Reader
	types   map[string]uint64
	ids     map[int64]bool
}

func newFar(t testing.TB) *far {
	return &far{t, map[string]*ipc.Reader{}, map[string]*bytes.Reader{}, map[string]uint64{}, map[int64]bool{}}
}

func (f *far) read(message []byte) (out []sentPayload) {
	f.t.Helper()
	c := wire.NewCursor(message)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(1, wire.Varint):
			if f.ids[int64(c.Varint())] {
				f.t.Errorf("batch id %d comes twice", c.Varint())
			}
			f.ids[int64(c.Varint())] = true
		case wire.Tag(2, wire.Bytes):
			out = append(out, f.payload(c.Bytes()))
		default:
			f.t.Errorf("field %d", c.Tag()>>3)
		}
	}
	if c.Err() != nil {
		f.t.Fatal(c.Err())
	}
	return out
}

func (f *far) payload(b []byte) (p sentPayload) {
	f.t.Helper()
	var record []byte
	c := wire.NewCursor(b)
	for c.Next() {
		switch c.Tag() {
		case wire.Tag(1, wire.Bytes):
			p.id = string(c.Bytes())
		case wire.Tag(2, wire.Varint):
			p.typ = c.Varint()
		case wire.Tag(3, wire.Bytes):
			record = c.Bytes()
		}
	}
	if typ, known := f.types[p.id]; known && typ != p.typ {
		f.t.Errorf("schema id %q is that of payloads %d and %d", p.id, typ, p.typ)
	}
	f.types[p.id] = p.typ
	p.recs = f.next(p.id, record)
	return p
}

func (f *far) next(id string, record []byte) arrow.RecordBatch {
	f.t.Helper()
	if f.readers[id] == nil {
		f.sources[id] = bytes.NewReader(record)
		r, err := ipc.NewReader(f.sources[id], ipc.WithDictionaryDeltas(true))
		if err != nil {
			f.t.Fatal(err)
		}
		f.readers[id] = r
	} else {
		f.sources[id].Reset(record)
	}
	if !f.readers[id].Next() {
		f.t.Fatalf("payload %s: no batch: %v", id, f.readers[id].Err())
	}
	return f.readers[id].RecordBatch()
}

// column finds a column by the path of its name.
func column(t testing.TB, rec arrow.RecordBatch, path string) arrow.Array {
	t.Helper()
	first, rest, nested := strings.Cut(path, ".")
	at := rec.Schema().FieldIndices(first)
	if len(at) == 0 {
		return nil
	}
	arr := rec.Column(at[0])
	if nested {
		s := arr.(*array.Struct)
		i, ok := s.DataType().(*arrow.StructType).FieldIdx(rest)
		if !ok {
			return nil
		}
		arr = s.Field(i)
	}
	return arr
}

func produce(t testing.TB, p *otap.Producer, m proto.Message) ([]otap.Batch, otap.Lost) {
	t.Helper()
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	batches, lost, err := p.Produce(body)
	if err != nil {
		t.Fatal(err)
	}
	return batches, lost
}

func newProducer(t testing.TB, signal otlp.Signal, opts otap.Options) *otap.Producer {
	t.Helper()
	p, err := otap.NewProducer(signal, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var rootOf = [otlp.Count]uint64{otlp.Traces: 40, otlp.Metrics: 10, otlp.Logs: 30}

// items are how many rows the root table of a request has.
func items(m proto.Message) (n int) {
	switch m := m.(type) {
	case *trace.TracesData:
		for _, r := range m.ResourceSpans {
			for _, s := range r.ScopeSpans {
				n += len(s.Spans)
			}
		}
	case *metrics.MetricsData:
		for _, r := range m.ResourceMetrics {
			for _, s := range r.ScopeMetrics {
				n += len(s.Metrics)
			}
		}
	case *logs.LogsData:
		for _, r := range m.ResourceLogs {
			for _, s := range r.ScopeLogs {
				n += len(s.LogRecords)
			}
		}
	}
	return n
}

// TestBatches draws requests; arrow-go must read every payload, roots first, each type once.
func TestBatches(t *testing.T) {
	for _, signal := range otlp.Signals {
		t.Run(signal.String(), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				limit := rapid.IntRange(1, 6).Draw(rt, "rows")
				p, f := newProducer(t, signal, otap.Options{MaxRows: limit, MetricMetadata: true}), newFar(t)
				for range 3 {
					m := otlpgen.Request(rt, signal)
					batches, _ := produce(t, p, m)
					rows := 0
					for _, b := range batches {
						got := f.read(b.Message)
						if got[0].typ != rootOf[signal] || got[0].recs.NumRows() != int64(b.Rows) || b.Rows > limit {
							rt.Fatalf("first payload %d with %d rows of %d", got[0].typ, got[0].recs.NumRows(), b.Rows)
						}
						rows += b.Rows
						once(rt, got)
					}
					if rows != items(m) {
						rt.Fatalf("%d rows of %d", rows, items(m))
					}
				}
			})
		})
	}
}

func once(rt *rapid.T, all []sentPayload) {
	seen := map[uint64]bool{}
	for _, p := range all {
		if seen[p.typ] || p.recs.NumRows() == 0 {
			rt.Fatalf("payload %d twice, or empty", p.typ)
		}
		seen[p.typ] = true
	}
}

func str(v string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v}}
}

func spansOf(all ...*trace.Span) *trace.TracesData {
	return &trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: all}}}}}
}

// TestSteps checks what is transport-optimized: ids by steps, parents by steps among equal attributes.
func TestSteps(t *testing.T) {
	a := func(k, v string) *common.KeyValue { return &common.KeyValue{Key: k, Value: str(v)} }
	m := spansOf(
		&trace.Span{Name: "x", Attributes: []*common.KeyValue{a("k", "v"), a("l", "1")}},
		&trace.Span{Name: "x"},
		&trace.Span{Name: "y", Attributes: []*common.KeyValue{a("l", "2"), a("k", "v")}},
		&trace.Span{Name: "x", Attributes: []*common.KeyValue{a("k", "v")}},
	)
	batches, _ := produce(t, newProducer(t, otlp.Traces, otap.Options{}), m)
	got := newFar(t).read(batches[0].Message)
	for _, tt := range []struct {
		table      int
		path, want string
	}{
		{0, "id", "[0 (null) 1 1]"},
		{0, "resource.id", "[0 0 0 0]"},
		{0, "name", "{ dictionary: [\"x\" \"y\"]\n  indices: [0 0 1 0] }"},
		{0, "kind", "<nil>"},
		{0, "status", "<nil>"},
		{1, "parent_id", "[0 1 1 0 1]"},
		{1, "type", "[1 1 1 1 1]"},
		{1, "str", "{ dictionary: [\"v\" \"1\" \"2\"]\n  indices: [0 0 0 1 2] }"},
		{1, "int", "<nil>"},
	} {
		if got := fmt.Sprint(column(t, got[tt.table].recs, tt.path)); got != tt.want {
			t.Errorf("%d %s: %s, want %s", tt.table, tt.path, got, tt.want)
		}
	}
}

// TestDictionaries lets a column's dictionary widen and end; other streams go on.
// TestIDsOfZeros: receivers of otel-arrow/go v0.24.0 refuse a log record or an exemplar that lacks an id.
func TestIDsOfZeros(t *testing.T) {
	point := &metrics.NumberDataPoint{Exemplars: []*metrics.Exemplar{{}, {SpanId: []byte("12345678")}}}
	gauge := &metrics.Metric{Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: []*metrics.NumberDataPoint{point}}}}
	for signal, m := range map[otlp.Signal]proto.Message{
		otlp.Logs: &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{
			LogRecords: []*logs.LogRecord{{}, {SpanId: []byte("12345678")}}}}}}},
		otlp.Metrics: &metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{
			Metrics: []*metrics.Metric{gauge}}}}}},
	} {
		batches, _ := produce(t, newProducer(t, signal, otap.Options{}), m)
		found := 0
		for _, p := range newFar(t).read(batches[0].Message) {
			for _, name := range []string{"trace_id", "span_id"} {
				if ids := column(t, p.recs, name); ids != nil {
					found++
					if ids.NullN() > 0 || ids.Len() != 2 {
						t.Errorf("%s: %d of %d are null in %s", signal, ids.NullN(), ids.Len(), name)
					}
				}
			}
		}
		if found != 2 {
			t.Errorf("%s: %d columns of ids", signal, found)
		}
	}
}

func TestDictionaries(t *testing.T) {
	p, f := newProducer(t, otlp.Traces, otap.Options{}), newFar(t)
	names := func(n, distinct, from int) *trace.TracesData {
		all := make([]*trace.Span, n)
		for i := range all {
			all[i] = &trace.Span{Name: fmt.Sprint("name ", from+i%distinct)}
		}
		return spansOf(all...)
	}
	for _, tt := range []struct {
		m        *trace.TracesData
		want, id string
	}{
		{names(10, 3, 0), "dictionary<values=utf8, indices=uint8, ordered=false>", "40.1"},
		{names(10, 3, 1), "dictionary<values=utf8, indices=uint8, ordered=false>", "40.1"},
		{names(1000, 300, 0), "dictionary<values=utf8, indices=uint16, ordered=false>", "40.2"},
		{names(10, 3, 0), "dictionary<values=utf8, indices=uint16, ordered=false>", "40.2"},
		{names(2000, 2000, 500), "utf8", "40.3"},
		{names(10, 3, 0), "utf8", "40.3"},
	} {
		batches, _ := produce(t, p, tt.m)
		root := f.read(batches[0].Message)[0]
		col := column(t, root.recs, "name")
		if root.id != tt.id || col.DataType().String() != tt.want {
			t.Errorf("%s %s, want %s %s", root.id, col.DataType(), tt.id, tt.want)
		}
		for i, s := range tt.m.ResourceSpans[0].ScopeSpans[0].Spans {
			if col.ValueStr(i) != s.Name {
				t.Fatalf("row %d: %q, want %q", i, col.ValueStr(i), s.Name)
			}
		}
	}
}

// TestSplit checks that ids never run out.
func TestSplit(t *testing.T) {
	all := make([]*trace.Span, 1<<16+5)
	for i := range all {
		all[i] = &trace.Span{Attributes: []*common.KeyValue{{Key: "k", Value: str("v")}}}
	}
	batches, _ := produce(t, newProducer(t, otlp.Traces, otap.Options{}), spansOf(all...))
	if len(batches) != 2 || batches[0].Rows != 1<<16 || batches[1].Rows != 5 {
		t.Fatal(len(batches))
	}
	f := newFar(t)
	for _, b := range batches {
		if got := f.read(b.Message); got[1].recs.NumRows() != int64(b.Rows) {
			t.Error(got[1].recs.NumRows())
		}
	}
}

// TestBounds follows a column through batches of values that never come again: neither end
// may keep them all.
func TestBounds(t *testing.T) {
	p, f := newProducer(t, otlp.Logs, otap.Options{}), newFar(t)
	largest := 0
	for i := range 30 {
		var all []*logs.LogRecord
		for j := range 4000 {
			text := fmt.Sprintf("%d %s", (i*4000+j)/2, strings.Repeat("x", 60))
			all = append(all, &logs.LogRecord{EventName: text, Attributes: []*common.KeyValue{{Key: "k", Value: str(text)}}})
		}
		batches, _ := produce(t, p, &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: all}}}}})
		got := f.read(batches[0].Message)
		for _, col := range []arrow.Array{column(t, got[0].recs, "event_name"), column(t, got[1].recs, "str")} {
			if d, ok := col.(*array.Dictionary); ok {
				largest = max(largest, d.Dictionary().Len())
			}
		}
		if s := column(t, got[0].recs, "event_name").ValueStr(17); s != all[17].EventName {
			t.Fatalf("%q, want %q", s, all[17].EventName)
		}
	}
	if largest > 1<<20/60 {
		t.Errorf("%d values", largest)
	}
}

func TestLost(t *testing.T) {
	kv := []*common.KeyValue{{Key: "a", Value: str("1")}, {Key: "a", Value: str("2")}}
	deep := str("end")
	for range 40 {
		deep = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deep}}}}
	}
	l := &logs.LogRecord{TraceId: []byte{1, 2}, Attributes: kv, Body: &common.AnyValue{Value: &common.AnyValue_KvlistValue{
		KvlistValue: &common.KeyValueList{Values: append(kv, &common.KeyValue{Key: "deep", Value: deep})}}}}
	l.ProtoReflect().SetUnknown(wire.AppendUint(nil, 99, 1))
	m := &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{Resource: &resource.Resource{EntityRefs: []*common.EntityRef{{Type: "x"}}},
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{l}}}}}}
	_, lost := produce(t, newProducer(t, otlp.Logs, otap.Options{}), m)
	want := otap.Lost{EntityRefs: 1, DuplicateKeys: 2, IllSizedIDs: 1, DeepValues: 1, UnknownFields: 1}
	if lost != want || !lost.Any() {
		t.Errorf("%+v, want %+v", lost, want)
	}
	mm := &metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{
		Metrics: []*metrics.Metric{{Name: "m", Metadata: kv[:1]}}}}}}}
	if _, lost := produce(t, newProducer(t, otlp.Metrics, otap.Options{}), mm); lost != (otap.Lost{MetricMetadata: 1}) {
		t.Errorf("%+v", lost)
	}
	batches, lost := produce(t, newProducer(t, otlp.Metrics, otap.Options{MetricMetadata: true}), mm)
	if got := newFar(t).read(batches[0].Message); lost.Any() || len(got) != 2 || got[1].typ != 26 {
		t.Errorf("%+v %d payloads", lost, len(got))
	}
}

// TestErrors names fields, and lets the stream go on.
func TestErrors(t *testing.T) {
	bad := "\xff"
	span := func(f func(*trace.Span)) *trace.TracesData {
		s := &trace.Span{}
		f(s)
		return spansOf(&trace.Span{Name: "good", Attributes: []*common.KeyValue{{Key: "k", Value: str("v")}}}, s)
	}
	const at = "resource_spans[0].scope_spans[0].spans[1]."
	for _, tt := range []struct {
		m    *trace.TracesData
		want string
	}{
		{span(func(s *trace.Span) { s.Name = bad }), at + "name"},
		{span(func(s *trace.Span) { s.TraceState = bad }), at + "trace_state"},
		{span(func(s *trace.Span) { s.Status = &trace.Status{Message: bad} }), at + "status.status_message"},
		{span(func(s *trace.Span) { s.TraceId = []byte{1} }), at + "trace_id"},
		{span(func(s *trace.Span) { s.SpanId = []byte{1} }), at + "span_id"},
		{span(func(s *trace.Span) { s.ParentSpanId = []byte{1} }), at + "parent_span_id"},
		{span(func(s *trace.Span) { s.Events = []*trace.Span_Event{{}, {Name: bad}} }), at + "events[1].name"},
		{span(func(s *trace.Span) { s.Links = []*trace.Span_Link{{TraceState: bad}} }), at + "links[0].trace_state"},
		{span(func(s *trace.Span) { s.Attributes = []*common.KeyValue{{}, {Key: bad}} }), at + "attributes[1].key"},
		{span(func(s *trace.Span) { s.Attributes = []*common.KeyValue{{Key: "a", Value: str(bad)}} }), at + "attributes[0].value"},
		{span(func(s *trace.Span) {
			s.Attributes = []*common.KeyValue{{Key: "a", Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{
				ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{str("a"), str(bad)}}}}}}
		}), at + "attributes[0].value.array_value.values[1]"},
		{span(func(s *trace.Span) {
			s.Attributes = []*common.KeyValue{{Key: "a", Value: &common.AnyValue{Value: &common.AnyValue_KvlistValue{
				KvlistValue: &common.KeyValueList{Values: []*common.KeyValue{{Key: bad}}}}}}}
		}), at + "attributes[0].value.kvlist_value.values[0].key"},
		{&trace.TracesData{ResourceSpans: []*trace.ResourceSpans{{SchemaUrl: bad}}}, "resource_spans[0].schema_url"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			p, f := newProducer(t, otlp.Traces, otap.Options{}), newFar(t)
			before, _ := produce(t, p, spansOf(&trace.Span{Name: "before"}))
			f.read(before[0].Message)
			body, err := lenient(tt.m)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = p.Produce(body)
			var e *fault.Error
			if !errors.As(err, &e) || e.Kind != fault.Invalid || e.Field != tt.want {
				t.Errorf("%v: want field %s", err, tt.want)
			}
			after, _ := produce(t, p, spansOf(&trace.Span{Name: "after"}))
			if name := column(t, f.read(after[0].Message)[0].recs, "name").ValueStr(0); name != "after" {
				t.Errorf("then %q", name)
			}
		})
	}
}

// lenient marshals texts that are not UTF-8, which proto refuses, by a stand-in of their size.
func lenient(m proto.Message) ([]byte, error) {
	c := proto.Clone(m)
	body, err := proto.MarshalOptions{}.Marshal(c)
	if err == nil || !strings.Contains(err.Error(), "UTF-8") {
		return body, err
	}
	return body, nil // Marshal gives the bytes also then
}

func TestHostile(t *testing.T) {
	for _, signal := range otlp.Signals {
		p := newProducer(t, signal, otap.Options{})
		body := sample.New(1, 1700000000000000000).Body(signal.String(), 20)
		for cut := 1; cut < len(body); cut += 7 {
			if batches, _, err := p.Produce(body[:cut]); err == nil && len(batches) > 1 {
				t.Errorf("%d batches", len(batches))
			}
		}
		got, _, err := p.Produce(body)
		if err != nil {
			t.Fatal(err)
		}
		newFar(t).read(got[0].Message)
	}
	_, _, err := newProducer(t, otlp.Logs, otap.Options{}).Produce(make([]byte, 64<<20+1))
	if fault.KindOf(err) != fault.TooLarge {
		t.Error(err)
	}
}

// TestParts sends messages in two parts, as protobuf allows: fields are replaced, lists joined.
func TestParts(t *testing.T) {
	one := func(field uint32, message []byte) []byte { return wire.AppendBytes(nil, field, message) }
	sum := func(v float64) []byte { return wire.AppendDouble(nil, 5, v) }
	bucket := func(v uint64) []byte { return one(8, wire.AppendBytes(nil, 2, []byte{byte(v)})) }
	point := append(append(sum(1), sum(2)...), append(bucket(3), bucket(4)...)...)
	data := append(one(1, point), wire.AppendUint(nil, 2, 1)...)
	metric := append(one(10, data), one(10, one(1, sum(5)))...)
	body := one(1, one(2, one(2, metric)))
	p, f := newProducer(t, otlp.Metrics, otap.Options{}), newFar(t)
	batches, _, err := p.Produce(body)
	if err != nil {
		t.Fatal(err)
	}
	points := f.read(batches[0].Message)[1].recs
	if got := fmt.Sprint(column(t, points, "sum"), column(t, points, "positive.bucket_counts"), column(t, points, "parent_id")); got !=
		"[2 5] [[3 4] (null)] [0 0]" {
		t.Error(got)
	}
	number := append(wire.AppendDouble(nil, 4, 1.5), wire.AppendFixed64(nil, 6, 7)...)
	batches, _, err = p.Produce(one(1, one(2, one(2, one(5, one(1, number))))))
	if err != nil {
		t.Fatal(err)
	}
	points = f.read(batches[0].Message)[1].recs
	if got := fmt.Sprint(column(t, points, "int_value"), column(t, points, "double_value")); got != "[7] <nil>" {
		t.Error(got)
	}
}
