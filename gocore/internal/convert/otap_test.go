package convert

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func formatOf(path string, told Format) Format { return cmp.Or(told, bySuffix(path)) }

// asOTAP is what a stream keeps of bodies: the otap package's own tests compare it with the
// reference. A conversion must lose nothing more.
func asOTAP(t fataler, s otlp.Signal, bodies ...[]byte) (all []byte) {
	t.Helper()
	producer, err := otap.NewProducer(s, otap.Options{MetricMetadata: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	consumer := otap.NewConsumer(s, otap.Limits{StreamBytes: 1 << 30, BatchBytes: 1 << 30}, nil)
	defer consumer.Close()
	for _, body := range bodies {
		batches, _, err := producer.Produce(body)
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, batch := range batches {
			_, body, err := consumer.Consume(batch.Message)
			if err != nil {
				t.Fatalf("%v", err)
			}
			all = append(all, body...)
		}
	}
	return all
}

// wantSameSorted is for what went through our OTAP, which keeps no order of attributes.
func wantSameSorted(t fataler, s otlp.Signal, want, got []byte) {
	t.Helper()
	wantSame(t, s, sorted(t, s, want, attributes), sorted(t, s, got, attributes))
}

func attributes(f protoreflect.FieldDescriptor) bool { return f.Message().Name() == "KeyValue" }

func everything(protoreflect.FieldDescriptor) bool { return true }

// sorted sorts lists of messages that are chosen, and leaves out empty messages.
func sorted(t fataler, s otlp.Signal, body []byte, chosen func(protoreflect.FieldDescriptor) bool) []byte {
	t.Helper()
	form, err := normal.Form(s, body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	sortLists(form.ProtoReflect(), chosen)
	return encoded(form.ProtoReflect())
}

func sortLists(m protoreflect.Message, chosen func(protoreflect.FieldDescriptor) bool) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			all := make([]protoreflect.Value, v.List().Len())
			for i := range all {
				all[i] = v.List().Get(i)
				sortLists(all[i].Message(), chosen)
			}
			if chosen(f) {
				slices.SortFunc(all, func(a, b protoreflect.Value) int { return bytes.Compare(encoded(a.Message()), encoded(b.Message())) })
			}
			for i, one := range all {
				v.List().Set(i, one)
			}
		default:
			sortLists(v.Message(), chosen)
			if f.ContainingOneof() == nil && len(encoded(v.Message())) == 0 {
				m.Clear(f)
			}
		}
		return true
	})
}

func encoded(m protoreflect.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Interface())
	if err != nil {
		panic(err)
	}
	return b
}

// capture converts a message of a signal to OTAP.
func capture(t *testing.T, disk fsys.FS, s otlp.Signal, body []byte) []byte {
	t.Helper()
	src := write(t, disk, "/"+s.String()+".pb", framed(body))
	convert(t, disk, src, "/capture.otap", Options{})
	data, err := fsys.ReadFile(disk, "/capture.otap")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestMixedCapture: a file with the streams of all signals, each of them begun twice. The one
// that is asked for is read, also where another one is damaged.
func TestMixedCapture(t *testing.T) {
	disk := memfs.New()
	maker := sample.New(1, 1_700_000_000_000_000_000)
	var mixed []byte
	want := map[otlp.Signal][]byte{}
	for range 2 {
		for _, s := range otlp.Signals {
			body := maker.Body(s.String(), 20)
			want[s] = append(want[s], body...)
			mixed = append(mixed, capture(t, disk, s, body)...)
		}
	}
	write(t, disk, "/mixed", mixed)
	for _, s := range otlp.Signals {
		r := convert(t, disk, "/mixed", "/a.pb", Options{Signal: s.String(), To: ProtoMessage})
		if r.From != OTAP || r.Messages != 2 || r.Skipped != 4 {
			t.Errorf("%+v", r)
		}
		got, err := fsys.ReadFile(disk, "/a.pb")
		if err != nil {
			t.Fatal(err)
		}
		wantSameSorted(t, s, want[s], got)
	}
	if _, err := File(t.Context(), disk, "/mixed", "/b.json", Options{}); fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), "choose a signal") {
		t.Errorf("no signal chosen: %v", err)
	}
}

// TestVarintCapture: lengths as protobuf's own tools write them.
func TestVarintCapture(t *testing.T) {
	disk := memfs.New()
	body := sample.New(1, 1).Body("logs", 20)
	fixed := capture(t, disk, otlp.Logs, body)
	message := fixed[frameHead:]
	write(t, disk, "/v", append(binary.AppendUvarint(nil, uint64(len(message))), message...))
	if r := convert(t, disk, "/v", "/v.json", Options{}); r.From != OTAP || r.Signal != "logs" || r.Messages != 1 {
		t.Errorf("%+v", r)
	}
	wantSameSorted(t, otlp.Logs, body, messageIn(t, disk, "/v", Options{}))
}

// TestLost: what OTAP cannot carry is counted; metrics' metadata, which it can, comes back.
func TestLost(t *testing.T) {
	text := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	body, err := proto.Marshal(&metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource: &resource.Resource{EntityRefs: []*common.EntityRef{{Type: "host"}, {Type: "pod"}}},
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{{
			Name: "m", Metadata: []*common.KeyValue{{Key: "k", Value: text("v")}},
			Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: []*metrics.NumberDataPoint{{
				Attributes: []*common.KeyValue{{Key: "a", Value: text("1")}, {Key: "a", Value: text("2")}},
			}}}},
		}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	disk := memfs.New()
	src := write(t, disk, "/metrics.pb", framed(body, body))
	r := convert(t, disk, src, "/a.otap", Options{})
	if want := "duplicate_keys 2, entity_refs 4"; r.Lost.String() != want {
		t.Errorf("%q, want %q", r.Lost, want)
	}
	if got := messageIn(t, disk, "/a.otap", Options{}); bytes.Count(got, []byte("\x0a\x01k\x12\x03\x0a\x01v")) != 2 {
		t.Errorf("metadata went: %q", got)
	}
	if r := convert(t, disk, src, "/a.arrows", Options{}); r.Lost.String() != "" {
		t.Errorf("%+v", r)
	}
}

// TestManyBatches: one message of more items than a batch can number becomes several batches.
func TestManyBatches(t *testing.T) {
	disk := memfs.New()
	records := make([]*logs.LogRecord, 1<<16+10)
	for i := range records {
		records[i] = &logs.LogRecord{TimeUnixNano: uint64(i)}
	}
	body, err := proto.Marshal(&logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: records}}}}})
	if err != nil {
		t.Fatal(err)
	}
	src := write(t, disk, "/logs.pb", framed(body))
	convert(t, disk, src, "/a.otap", Options{})
	if r := convert(t, disk, "/a.otap", "/a.arrows", Options{}); r.Messages != 2 {
		t.Errorf("%+v", r)
	}
	wantSameSorted(t, otlp.Logs, body, messageIn(t, disk, "/a.otap", Options{}))
}

// TestDamagedCapture: whatever is cut off or changed, there is an error that is not ours, or a
// message; nothing panics.
func TestDamagedCapture(t *testing.T) {
	disk := memfs.New()
	for _, s := range otlp.Signals {
		whole := capture(t, disk, s, sample.New(1, 1).Body(s.String(), 20))
		for cut := 1; cut < len(whole); cut += len(whole)/100 + 1 {
			write(t, disk, "/cut.otap", whole[:cut])
			_, err := File(t.Context(), disk, "/cut.otap", "/a.pb", Options{Force: true})
			if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "convert /cut.otap: byte 0: the message is cut short") {
				t.Errorf("%d of %d bytes: %v", cut, len(whole), err)
			}
		}
		for at := frameHead; at < len(whole); at += len(whole)/300 + 1 {
			changed := bytes.Clone(whole)
			changed[at] ^= 0xff
			write(t, disk, "/changed.otap", changed)
			_, err := File(t.Context(), disk, "/changed.otap", "/a.pb", Options{Force: true, From: OTAP})
			var e *fault.Error
			if err != nil && (!errors.As(err, &e) || e.Kind == fault.Internal || e.Kind == fault.IO) {
				t.Errorf("byte %d: %v", at, err)
			}
		}
	}
}
