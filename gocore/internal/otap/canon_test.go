package otap

import (
	"bytes"
	"slices"
	"sort"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// OTAP keeps no order: batches are sorted to be small. Two requests are compared as the sets of
// their items, each with its resource and scope, with everything in a set of its own sorted.

// canon gives a request's items.
func canon(t fataler, signal otlp.Signal, body []byte) []string {
	t.Helper()
	m, err := normal.Form(signal, body)
	if err != nil {
		t.Fatal(err)
	}
	tidy(m.ProtoReflect())
	var all []string
	add := func(parts ...proto.Message) {
		var b []byte
		for _, part := range parts {
			b = append(append(b, encoded(part)...), 0xff)
		}
		all = append(all, string(b))
	}
	switch m := m.(type) {
	case *tracepb.TracesData:
		for _, r := range m.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, item := range s.Spans {
					add(&tracepb.ResourceSpans{Resource: r.Resource, SchemaUrl: r.SchemaUrl}, &tracepb.ScopeSpans{Scope: s.Scope, SchemaUrl: s.SchemaUrl}, item)
				}
			}
		}
	case *logspb.LogsData:
		for _, r := range m.ResourceLogs {
			for _, s := range r.ScopeLogs {
				for _, item := range s.LogRecords {
					add(&logspb.ResourceLogs{Resource: r.Resource, SchemaUrl: r.SchemaUrl}, &logspb.ScopeLogs{Scope: s.Scope, SchemaUrl: s.SchemaUrl}, item)
				}
			}
		}
	case *metricspb.MetricsData:
		for _, r := range m.ResourceMetrics {
			for _, s := range r.ScopeMetrics {
				for _, metric := range s.Metrics { // the Producer merges those of one name
					for _, item := range singles(metric) {
						add(&metricspb.ResourceMetrics{Resource: r.Resource, SchemaUrl: r.SchemaUrl}, &metricspb.ScopeMetrics{Scope: s.Scope, SchemaUrl: s.SchemaUrl}, item)
					}
				}
			}
		}
	}
	sort.Strings(all)
	return all
}

// singles makes a metric of each point of a metric.
func singles(m *metricspb.Metric) (all []proto.Message) {
	whole := m.ProtoReflect()
	of := whole.WhichOneof(whole.Descriptor().Oneofs().ByName("data"))
	points := of.Message().Fields().ByName("data_points")
	list := whole.Get(of).Message().Get(points).List()
	for i := range list.Len() {
		one := proto.Clone(m).ProtoReflect()
		only := one.Mutable(of).Message().Mutable(points).List()
		only.Set(0, list.Get(i))
		only.Truncate(1)
		all = append(all, one.Interface())
	}
	return all
}

func encoded(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// tidy sorts what is a set, and takes away what says nothing.
func tidy(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				tidy(v.List().Get(i).Message())
			}
			sortList(m, f)
		case f.IsList():
		case f.Kind() == protoreflect.MessageKind:
			tidy(v.Message())
			if says := proto.Size(v.Message().Interface()) > 0 || f.ContainingOneof() != nil; !says {
				m.Clear(f)
			}
		case f.Kind() == protoreflect.BytesKind && (f.Name() == "trace_id" || f.Name() == "span_id" || f.Name() == "parent_span_id"):
			if len(bytes.Trim(v.Bytes(), "\x00")) == 0 {
				m.Clear(f)
			}
		}
		return true
	})
}

// sets are the repeated fields whose order says nothing to OTAP.
var sets = []protoreflect.Name{"attributes", "filtered_attributes", "metadata", "events", "links", "data_points", "exemplars"}

func sortList(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	if !slices.Contains(sets, f.Name()) {
		return
	}
	list := m.Mutable(f).List()
	all := make([]protoreflect.Value, list.Len())
	for i := range all {
		all[i] = list.Get(i)
	}
	slices.SortFunc(all, func(a, b protoreflect.Value) int {
		return bytes.Compare(encoded(a.Message().Interface()), encoded(b.Message().Interface()))
	})
	for i, v := range all {
		list.Set(i, v)
	}
}

// tame takes away what the reference Producer can't carry: see the cases.
func tame(m protoreflect.Message) {
	if span, ok := m.Interface().(*tracepb.Span); ok && (int64(span.StartTimeUnixNano) < 0 || int64(span.EndTimeUnixNano) < 0) {
		span.StartTimeUnixNano, span.EndTimeUnixNano = 5, 3 // durations beyond int64
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() == protoreflect.DoubleKind && !f.IsList() && v.Float() == 0 &&
			(f.ContainingOneof() == nil || f.HasOptionalKeyword()): // 0, -0 and none are the same to it
			m.Clear(f)
		case f.Kind() == protoreflect.DoubleKind && f.IsList():
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfFloat64(v.List().Get(i).Float()+0)) // -0+0 is 0
			}
		case f.Name() == "entity_refs", f.Name() == "metadata": // it knows neither
			m.Clear(f)
		case f.Name() == "trace_id" && len(v.Bytes()) != 16, f.Name() == "span_id" && len(v.Bytes()) != 8: // pdata refuses them
			m.Clear(f)
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			tameList(m, f)
		case f.Kind() == protoreflect.MessageKind && !f.IsList():
			tame(v.Message())
		}
		if value, ok := m.Interface().(*commonpb.AnyValue); ok && len(value.GetBytesValue()) == 0 && f.Name() == "bytes_value" {
			value.Value = nil // in CBOR it writes null for them
		}
		return true
	})
}

func tameList(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	list := m.Mutable(f).List()
	kept := 0
	for i := range list.Len() {
		one := list.Get(i)
		tame(one.Message())
		if pair, ok := one.Message().Interface().(*commonpb.KeyValue); ok && (pair.Key == "" || pair.Value.GetValue() == nil) {
			continue // it leaves attributes out without a key or a value
		}
		list.Set(kept, one)
		kept++
	}
	list.Truncate(kept)
}
