package reftest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// consume decodes a batch by the reference, back to OTLP bodies.
func consume(c *arrow_record.Consumer, signal otlp.Signal, message []byte) ([][]byte, error) {
	var bar arrowpb.BatchArrowRecords
	if err := proto.Unmarshal(message, &bar); err != nil {
		return nil, err
	}
	return consumeBatch(c, signal, &bar)
}

func consumeBatch(c *arrow_record.Consumer, signal otlp.Signal, bar *arrowpb.BatchArrowRecords) (out [][]byte, err error) {
	add := func(b []byte, err error) error { out = append(out, b); return err }
	switch signal {
	case otlp.Traces:
		all, err := c.TracesFrom(bar)
		for i := range all {
			err = cmp.Or(err, add((&ptrace.ProtoMarshaler{}).MarshalTraces(all[i])))
		}
		return out, err
	case otlp.Metrics:
		all, err := c.MetricsFrom(bar)
		for i := range all {
			err = cmp.Or(err, add((&pmetric.ProtoMarshaler{}).MarshalMetrics(all[i])))
		}
		return out, err
	default:
		all, err := c.LogsFrom(bar)
		for i := range all {
			err = cmp.Or(err, add((&plog.ProtoMarshaler{}).MarshalLogs(all[i])))
		}
		return out, err
	}
}

// canonical is a body as the reference's data model can hold it, in one order: keys once and
// sorted, no attribute without a value, no zero ids, nothing that OTAP lacks. Items keep
// their order.
func canonical(t testing.TB, signal otlp.Signal, bodies ...[]byte) string {
	t.Helper()
	m := normal.New(signal)
	for _, b := range bodies {
		if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(b, m); err != nil {
			t.Fatal(err)
		}
	}
	tidy(m.ProtoReflect())
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	form, err := normal.Form(signal, body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(form)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func tidy(m protoreflect.Message) {
	m.SetUnknown(nil)
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) {
			continue
		}
		switch {
		case f.Name() == "entity_refs", f.Name() == "metadata", strings.HasSuffix(string(f.Name()), "_strindex"), emptyMessage(m, f), zeroID(m, f), zero(m, f):
			m.Clear(f)
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			tidyList(m, f)
		case f.Kind() == protoreflect.MessageKind && !f.IsList():
			tidy(m.Mutable(f).Message())
			if emptyMessage(m, f) {
				m.Clear(f)
			}
		}
	}
}

func tidyList(m protoreflect.Message, f protoreflect.FieldDescriptor) {
	list := m.Mutable(f).List()
	for i := range list.Len() {
		tidy(list.Get(i).Message())
	}
	switch f.Message().Name() {
	case "KeyValue":
		sortKeys(m, f, list)
	case "Exemplar":
		valuesLast(m, f, list)
	}
}

// valuesLast puts exemplars without a value first, as they are sent.
func valuesLast(m protoreflect.Message, f protoreflect.FieldDescriptor, list protoreflect.List) {
	fresh := m.NewField(f)
	for _, want := range []bool{false, true} {
		for i := range list.Len() {
			one := list.Get(i).Message()
			if has := one.WhichOneof(one.Descriptor().Oneofs().ByName("value")) != nil; has == want {
				fresh.List().Append(list.Get(i))
			}
		}
	}
	m.Set(f, fresh)
}

// sortKeys leaves each key's last value, in the order of keys.
func sortKeys(m protoreflect.Message, f protoreflect.FieldDescriptor, list protoreflect.List) {
	key := f.Message().Fields().ByName("key")
	last := map[string]protoreflect.Value{}
	for i := range list.Len() {
		last[list.Get(i).Message().Get(key).String()] = list.Get(i)
	}
	names := make([]string, 0, len(last))
	for name := range last {
		names = append(names, name)
	}
	slices.Sort(names)
	fresh := m.NewField(f)
	for _, name := range names {
		fresh.List().Append(last[name])
	}
	m.Set(f, fresh)
}

// emptyMessage finds those that pdata cannot tell from absent ones.
func emptyMessage(m protoreflect.Message, f protoreflect.FieldDescriptor) bool {
	if f.Kind() != protoreflect.MessageKind || f.IsList() || f.ContainingOneof() != nil {
		return false
	}
	return proto.Size(m.Get(f).Message().Interface()) == 0
}

// zero finds -0.0 where the reference does not tell it from none.
func zero(m protoreflect.Message, f protoreflect.FieldDescriptor) bool {
	return f.Kind() == protoreflect.DoubleKind && !f.HasPresence() && !f.IsList() && m.Get(f).Float() == 0
}

func zeroID(m protoreflect.Message, f protoreflect.FieldDescriptor) bool {
	name := string(f.Name())
	return f.Kind() == protoreflect.BytesKind && strings.HasSuffix(name, "_id") && strings.Trim(string(m.Get(f).Bytes()), "\x00") == ""
}

// pair is a sending and a receiving end that stay together for a test.
type pair struct {
	signal   otlp.Signal
	producer *otap.Producer
	consumer *arrow_record.Consumer
}

func newPair(t testing.TB, signal otlp.Signal, opts otap.Options) *pair {
	t.Helper()
	p, err := otap.NewProducer(signal, opts)
	if err != nil {
		t.Fatal(err)
	}
	c := arrow_record.NewConsumer()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &pair{signal, p, c}
}

// through sends a body and gives what arrives.
func (p *pair) through(body []byte) ([][]byte, otap.Lost, error) {
	batches, lost, err := p.producer.Produce(body)
	if err != nil {
		return nil, lost, err
	}
	var got [][]byte
	for _, b := range batches {
		more, err := consume(p.consumer, p.signal, b.Message)
		if err != nil {
			return nil, lost, fmt.Errorf("batch %d: %w", b.ID, err)
		}
		got = append(got, more...)
	}
	return got, lost, nil
}

func show(t testing.TB, signal otlp.Signal, canon string) string {
	t.Helper()
	m := normal.New(signal)
	if err := proto.Unmarshal([]byte(canon), m); err != nil {
		t.Fatal(err)
	}
	return prototext.Format(m)
}

// TestGenerated sends drawn requests of every shape, several on each stream.
func TestGenerated(t *testing.T) {
	for _, signal := range otlp.Signals {
		t.Run(signal.String(), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				p := newPair(t, signal, otap.Options{MaxRows: rapid.IntRange(1, 8).Draw(rt, "rows")})
				for range 3 {
					body, err := proto.Marshal(otlpgen.Request(rt, signal))
					if err != nil {
						rt.Fatal(err)
					}
					got, _, err := p.through(body)
					if err != nil {
						rt.Fatal(err)
					}
					want, have := canonical(t, signal, body), canonical(t, signal, got...)
					if want != have {
						rt.Fatalf("want %s\nhave %s", show(t, signal, want), show(t, signal, have))
					}
				}
			})
		})
	}
}

// TestSample sends realistic requests, growing, on one stream.
func TestSample(t *testing.T) {
	for _, signal := range otlp.Signals {
		t.Run(signal.String(), func(t *testing.T) {
			p, made := newPair(t, signal, otap.Options{}), sample.New(1, 1700000000000000000)
			for _, n := range []int{1, 10, 300, 3000, 20, 3000} {
				body := made.Body(signal.String(), n)
				got, lost, err := p.through(body)
				if err != nil || lost.Any() {
					t.Fatal(lost, err)
				}
				if canonical(t, signal, body) != canonical(t, signal, got...) {
					t.Fatalf("%d items differ", n)
				}
			}
		})
	}
}
