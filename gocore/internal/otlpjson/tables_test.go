package otlpjson

import (
	"strings"
	"testing"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// newRequest makes the message with the shape of a signal's Export request. The *Data
// messages are used since the collector packages pull a gateway in.
func newRequest(s otlp.Signal) proto.Message {
	return [otlp.Count]func() proto.Message{
		func() proto.Message { return &tracepb.TracesData{} },
		func() proto.Message { return &metricspb.MetricsData{} },
		func() proto.Message { return &logspb.LogsData{} },
	}[s]()
}

func TestTablesMatchDescriptors(t *testing.T) {
	seen := map[messageID]protoreflect.FullName{}
	for _, s := range otlp.Signals {
		compareMessage(t, seen, roots[s], newRequest(s).ProtoReflect().Descriptor())
	}
	if len(seen) != int(messageCount) {
		t.Errorf("%d of %d messages are reachable", len(seen), messageCount)
	}
}

func compareMessage(t *testing.T, seen map[messageID]protoreflect.FullName, id messageID, d protoreflect.MessageDescriptor) {
	if name, ok := seen[id]; ok {
		if name != d.FullName() {
			t.Errorf("table %d stands for %s and %s", id, name, d.FullName())
		}
		return
	}
	seen[id] = d.FullName()
	fields := messages[id]
	if len(fields) != d.Fields().Len() || len(fields) > 32 {
		t.Errorf("%s has %d fields, table has %d", d.FullName(), d.Fields().Len(), len(fields))
	}
	for i := range fields {
		f := &fields[i]
		fd := d.Fields().ByNumber(protoreflect.FieldNumber(f.number))
		if fd == nil || fd.JSONName() != f.name || !isSnake([]byte(fd.Name()), f.name) {
			t.Errorf("%s: %s = %d is not in the descriptor", d.FullName(), f.name, f.number)
			continue
		}
		compareField(t, f, fd)
		if f.kind == kindMessage && fd.Message() != nil {
			compareMessage(t, seen, f.of, fd.Message())
		}
	}
}

var protoKinds = map[kind]protoreflect.Kind{
	kindString: protoreflect.StringKind, kindBytes: protoreflect.BytesKind, kindTraceID: protoreflect.BytesKind,
	kindSpanID: protoreflect.BytesKind, kindAnyID: protoreflect.BytesKind, kindMessage: protoreflect.MessageKind,
	kindBool: protoreflect.BoolKind, kindEnum: protoreflect.EnumKind, kindInt32: protoreflect.Int32Kind,
	kindInt64: protoreflect.Int64Kind, kindUint32: protoreflect.Uint32Kind, kindUint64: protoreflect.Uint64Kind,
	kindSint32: protoreflect.Sint32Kind, kindFixed32: protoreflect.Fixed32Kind, kindFixed64: protoreflect.Fixed64Kind,
	kindSfixed64: protoreflect.Sfixed64Kind, kindDouble: protoreflect.DoubleKind,
}

func compareField(t *testing.T, f *field, fd protoreflect.FieldDescriptor) {
	if protoKinds[f.kind] != fd.Kind() {
		t.Errorf("%s: kind %v, want %v", fd.FullName(), protoKinds[f.kind], fd.Kind())
	}
	isID := strings.HasSuffix(f.name, "raceId") || strings.HasSuffix(f.name, "panId")
	if fd.Kind() == protoreflect.BytesKind && isID == (f.kind == kindBytes) {
		t.Errorf("%s: hex and base64 confused", fd.FullName())
	}
	want := single
	switch oneOf := fd.ContainingOneof(); {
	case fd.IsList():
		want = list
	case fd.HasOptionalKeyword():
		want = optional
	case oneOf != nil:
		want = oneof
	}
	if f.label != want {
		t.Errorf("%s: label %d, want %d", fd.FullName(), f.label, want)
	}
	if fd.IsList() && fd.IsPacked() != (f.kind >= kindBool) {
		t.Errorf("%s: packed is %v", fd.FullName(), fd.IsPacked())
	}
	if e := fd.Enum(); e != nil {
		compareEnum(t, enums[f.of], e.Values())
	}
}

func compareEnum(t *testing.T, e enum, values protoreflect.EnumValueDescriptors) {
	if len(e.names) != values.Len() {
		t.Errorf("%s: %d names, want %d", e.prefix, len(e.names), values.Len())
	}
	for number, name := range e.names {
		v := values.ByNumber(protoreflect.EnumNumber(number))
		if v == nil || string(v.Name()) != e.prefix+name {
			t.Errorf("%s%s is not %d", e.prefix, name, number)
		}
	}
}
