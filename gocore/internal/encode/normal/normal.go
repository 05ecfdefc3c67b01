// Package normal brings requests into the form up to which tables are lossless. It is
// for tests only: they compare Form of what went in with Form of what came out. It goes
// through the generated messages of go.opentelemetry.io/proto/otlp and shares no code
// with decode or encode, so that it can be their oracle.
//
// What goes: containers without items, the borders between equal neighbouring
// containers, the difference between an absent and an empty Resource or scope, unknown
// fields, *_strindex, NaN payload bits, and ill-sized ids of log records, links and
// exemplars.
package normal

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// New is an empty Export request of a signal, in the shape of TracesData and its like: the
// wire form is the same, and the collector's packages would bring grpc-gateway along.
func New(signal otlp.Signal) proto.Message {
	switch signal {
	case otlp.Traces:
		return &trace.TracesData{}
	case otlp.Metrics:
		return &metrics.MetricsData{}
	default:
		return &logs.LogsData{}
	}
}

// Form is the normal form of a request body.
func Form(signal otlp.Signal, body []byte) (proto.Message, error) {
	m := New(signal)
	if err := proto.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("normal form of %s: %w", signal, err)
	}
	clean(m.ProtoReflect())
	switch r := m.(type) {
	case *trace.TracesData:
		r.ResourceSpans = traces(r.ResourceSpans)
	case *metrics.MetricsData:
		r.ResourceMetrics = metricsForm(r.ResourceMetrics)
	case *logs.LogsData:
		r.ResourceLogs = logsForm(r.ResourceLogs)
	}
	return m, nil
}

// Equal compares two normal forms bit by bit: unlike proto.Equal it tells -0.0 from 0.0.
func Equal(a, b proto.Message) bool { return bytes.Equal(bits(a), bits(b)) }

func bits(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // only for strings that are not UTF-8, which Unmarshal refused
	}
	return b
}

// clean takes away, at any depth, what is no matter of containers.
func clean(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case strings.HasSuffix(string(f.Name()), "_strindex"), illSized(m, f, v):
			m.Clear(f)
		case f.IsList():
			for i := range v.List().Len() {
				cleanValue(f, v.List().Get(i), func(n protoreflect.Value) { v.List().Set(i, n) })
			}
		default:
			cleanValue(f, v, func(n protoreflect.Value) { m.Set(f, n) })
		}
		return true
	})
}

func cleanValue(f protoreflect.FieldDescriptor, v protoreflect.Value, set func(protoreflect.Value)) {
	switch f.Kind() {
	case protoreflect.MessageKind:
		clean(v.Message())
	case protoreflect.DoubleKind:
		if math.IsNaN(v.Float()) {
			set(protoreflect.ValueOfFloat64(math.NaN()))
		}
	}
}

// illSized finds ids of a wrong size where they are let through; spans' are an error.
func illSized(m protoreflect.Message, f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	if m.Descriptor().Name() == "Span" {
		return false
	}
	switch f.Name() {
	case "trace_id":
		return len(v.Bytes()) != 16
	case "span_id":
		return len(v.Bytes()) != 8
	}
	return false
}

// merge joins neighbours of equal identity; empty ones are gone by then.
func merge[T any](all []T, identity func(T) string, join func(into, from T)) []T {
	var out []T
	for _, one := range all {
		if n := len(out); n > 0 && identity(out[n-1]) == identity(one) {
			join(out[n-1], one)
			continue
		}
		out = append(out, one)
	}
	return out
}

func keep[T any](all []T, ok func(T) bool) []T {
	var out []T
	for _, one := range all {
		if ok(one) {
			out = append(out, one)
		}
	}
	return out
}

// orNil makes absent of empty.
func orNil[T any, M interface {
	*T
	proto.Message
}](m M) M {
	if proto.Size(m) == 0 {
		return nil
	}
	return m
}

func identity(head proto.Message, url string) string {
	return string(bits(head)) + "\x00" + url
}

func traces(all []*trace.ResourceSpans) []*trace.ResourceSpans {
	for _, r := range all {
		r.Resource = orNil(r.Resource)
		r.ScopeSpans = keep(r.ScopeSpans, func(s *trace.ScopeSpans) bool { return len(s.Spans) > 0 })
	}
	all = keep(all, func(r *trace.ResourceSpans) bool { return len(r.ScopeSpans) > 0 })
	all = merge(all, func(r *trace.ResourceSpans) string { return identity(r.Resource, r.SchemaUrl) },
		func(a, b *trace.ResourceSpans) { a.ScopeSpans = append(a.ScopeSpans, b.ScopeSpans...) })
	for _, r := range all {
		for _, s := range r.ScopeSpans {
			s.Scope = orNil(s.Scope)
		}
		r.ScopeSpans = merge(r.ScopeSpans, func(s *trace.ScopeSpans) string { return identity(s.Scope, s.SchemaUrl) },
			func(a, b *trace.ScopeSpans) { a.Spans = append(a.Spans, b.Spans...) })
	}
	return all
}

func logsForm(all []*logs.ResourceLogs) []*logs.ResourceLogs {
	for _, r := range all {
		r.Resource = orNil(r.Resource)
		r.ScopeLogs = keep(r.ScopeLogs, func(s *logs.ScopeLogs) bool { return len(s.LogRecords) > 0 })
	}
	all = keep(all, func(r *logs.ResourceLogs) bool { return len(r.ScopeLogs) > 0 })
	all = merge(all, func(r *logs.ResourceLogs) string { return identity(r.Resource, r.SchemaUrl) },
		func(a, b *logs.ResourceLogs) { a.ScopeLogs = append(a.ScopeLogs, b.ScopeLogs...) })
	for _, r := range all {
		for _, s := range r.ScopeLogs {
			s.Scope = orNil(s.Scope)
		}
		r.ScopeLogs = merge(r.ScopeLogs, func(s *logs.ScopeLogs) string { return identity(s.Scope, s.SchemaUrl) },
			func(a, b *logs.ScopeLogs) { a.LogRecords = append(a.LogRecords, b.LogRecords...) })
	}
	return all
}

func metricsForm(all []*metrics.ResourceMetrics) []*metrics.ResourceMetrics {
	for _, r := range all {
		r.Resource = orNil(r.Resource)
		for _, s := range r.ScopeMetrics {
			s.Metrics = keep(s.Metrics, hasPoints)
		}
		r.ScopeMetrics = keep(r.ScopeMetrics, func(s *metrics.ScopeMetrics) bool { return len(s.Metrics) > 0 })
	}
	all = keep(all, func(r *metrics.ResourceMetrics) bool { return len(r.ScopeMetrics) > 0 })
	all = merge(all, func(r *metrics.ResourceMetrics) string { return identity(r.Resource, r.SchemaUrl) },
		func(a, b *metrics.ResourceMetrics) { a.ScopeMetrics = append(a.ScopeMetrics, b.ScopeMetrics...) })
	for _, r := range all {
		for _, s := range r.ScopeMetrics {
			s.Scope = orNil(s.Scope)
		}
		r.ScopeMetrics = merge(r.ScopeMetrics, func(s *metrics.ScopeMetrics) string { return identity(s.Scope, s.SchemaUrl) },
			func(a, b *metrics.ScopeMetrics) { a.Metrics = append(a.Metrics, b.Metrics...) })
		for _, s := range r.ScopeMetrics {
			s.Metrics = merge(s.Metrics, metricIdentity, joinPoints)
		}
	}
	return all
}

// points is a metric's data points as a list of any kind; false where it has no data.
func points(m *metrics.Metric) (data protoreflect.Message, list protoreflect.List, ok bool) {
	r := m.ProtoReflect()
	set := r.WhichOneof(r.Descriptor().Oneofs().ByName("data"))
	if set == nil {
		return nil, nil, false
	}
	data = r.Mutable(set).Message()
	return data, data.Mutable(pointsField(data)).List(), true
}

func pointsField(data protoreflect.Message) protoreflect.FieldDescriptor {
	return data.Descriptor().Fields().ByName("data_points")
}

func hasPoints(m *metrics.Metric) bool {
	_, list, ok := points(m)
	return ok && list.Len() > 0
}

func metricIdentity(m *metrics.Metric) string {
	head := proto.Clone(m).(*metrics.Metric)
	data, _, _ := points(head)
	data.Clear(pointsField(data))
	return string(bits(head))
}

func joinPoints(into, from *metrics.Metric) {
	_, to, _ := points(into)
	_, more, _ := points(from)
	for i := range more.Len() {
		to.Append(more.Get(i))
	}
}
