package otap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// purse is a Budget that counts.
type purse struct{ limit, held, most int64 }

func (p *purse) Take(bytes int64) error {
	if p.held+bytes > p.limit {
		return fault.New(fault.Overloaded, "test", "empty")
	}
	p.held += bytes
	p.most = max(p.most, p.held)
	return nil
}

func (p *purse) Give(bytes int64) { p.held -= bytes }

// TestMemoryComesBack has a long stream, which must not hold more and more.
func TestMemoryComesBack(t *testing.T) {
	budget := &purse{limit: 64 << 20}
	for _, signal := range otlp.Signals {
		producer, maker := arrow_record.NewProducer(), sample.New(1, 1)
		consumer := NewConsumer(signal, testLimits, budget)
		var held []int64
		for range 60 {
			if _, _, err := consumer.Consume(produce(t, producer, signal, maker.Body(signal.String(), 50))); err != nil {
				t.Fatal(err)
			}
			held = append(held, budget.held)
		}
		if early, late := slices.Max(held[20:40]), held[59]; late > early*3/2 {
			t.Errorf("%s: %d bytes after 40 batches, %d after 60", signal, early, late)
		}
		if held[59] == 0 {
			t.Errorf("%s: nothing was paid for", signal)
		}
		consumer.Close()
		if budget.held != 0 {
			t.Errorf("%s: %d bytes are held after Close", signal, budget.held)
		}
	}
}

// TestWhatIsLostIsSaid: a batch that is refused unread takes its dictionaries along. The stream
// can't go on, and a new one can.
func TestWhatIsLostIsSaid(t *testing.T) {
	producer, maker := arrow_record.NewProducer(), sample.New(1, 1)
	budget := &purse{limit: 64 << 20}
	consumer := NewConsumer(otlp.Traces, testLimits, budget)
	defer consumer.Close()
	next := func() error {
		_, _, err := consumer.Consume(produce(t, producer, otlp.Traces, maker.Body("traces", 20)))
		return err
	}
	if err := next(); err != nil {
		t.Fatal(err)
	}
	budget.limit = budget.held
	if err := next(); fault.KindOf(err) != fault.Overloaded || consumer.Lost() {
		t.Fatalf("without memory: %v, lost: %v", err, consumer.Lost())
	}
	budget.limit = 64 << 20
	if err := next(); fault.KindOf(err) != fault.Closed || !consumer.Lost() {
		t.Fatalf("after that: %v, lost: %v", err, consumer.Lost())
	}
	again := testConsumer(t, otlp.Traces)
	if _, _, err := again.Consume(produce(t, arrow_record.NewProducer(), otlp.Traces, maker.Body("traces", 20))); err != nil {
		t.Error(err)
	}
}

// TestABadBatchLeavesTheStream: what is wrong in a record's content costs that batch only, also
// where other payloads of the batch brought dictionaries.
func TestABadBatchLeavesTheStream(t *testing.T) {
	producer, maker := arrow_record.NewProducer(), sample.New(1, 1)
	consumer := testConsumer(t, otlp.Traces)
	for i := range 6 {
		batch := produce(t, producer, otlp.Traces, maker.Body("traces", 20))
		switch i {
		case 2: // there twice
			wrong := part{SpanAttrs, []arrow.Field{nullable("key", u8)}, `[{"key":1}]`}
			batch = appendPayload(batch, wrong.table, "x", stream(t, wrong))
		case 3: // of another signal
			batch = appendPayload(batch, LogAttrs, "x", nil)
		case 4: // no Arrow
			batch = appendPayload(batch, ScopeAttrs, "x", []byte("no Arrow"))
		}
		_, _, err := consumer.Consume(batch)
		if bad := err != nil; bad != (i >= 2 && i <= 4) || consumer.Lost() {
			t.Fatalf("batch %d: %v", i, err)
		}
	}
}

func TestLimits(t *testing.T) {
	long := `[{"id":0,"name":"` + strings.Repeat("long", 1000) + `"}]`
	fields := []arrow.Field{plainColumn("id", u16), nullable("name", utf8Type)}
	attr := []arrow.Field{plainColumn("parent_id", u16), nullable("key", utf8Type), nullable("type", u8), nullable("str", dictOf(u8, utf8Type))}
	same := `{"parent_id":0,"key":"k","type":1,"str":"` + strings.Repeat("v", 1000) + `"}`
	tests := map[string]struct {
		limits Limits
		parts  []part
	}{
		"inflated": {Limits{StreamBytes: 1 << 20, BatchBytes: 2000}, []part{{Spans, fields, long}}},
		"stream":   {Limits{StreamBytes: 2000, BatchBytes: 1 << 20}, []part{{Spans, fields, long}}},
		"as OTLP": {Limits{StreamBytes: 1 << 20, BatchBytes: 20000}, []part{{Spans, fields, `[{"id":0,"name":"a"}]`},
			{SpanAttrs, attr, `[` + strings.Repeat(same+",", 99) + same + `]`}}},
	}
	for name, tt := range tests {
		c := NewConsumer(otlp.Traces, tt.limits, nil)
		if _, _, err := c.Consume(message(t, 1, tt.parts...)); fault.KindOf(err) != fault.TooLarge {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
}

// TestSurvey has messages whose heads lie.
func TestSurvey(t *testing.T) {
	good := stream(t, part{Spans, []arrow.Field{nullable("id", u16), nullable("name", dictOf(u8, utf8Type))}, `[{"id":0,"name":"x"}]`}, ipc.WithZstd())
	o, err := survey(good)
	if err != nil || !o.schema || !o.dictionary || !o.batch || o.largest < 20 {
		t.Fatalf("%+v, %v", o, err)
	}
	end := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, continuation), 0)
	if _, err := survey(append(slices.Clone(good), end...)); err != nil {
		t.Errorf("an end mark: %v", err)
	}
	if _, err := survey(append(slices.Clone(good), good...)); !errors.Is(err, errMessage) {
		t.Errorf("a schema in the middle: %v", err)
	}
	for cut := 1; cut < len(good); cut += 3 {
		if o, err := survey(good[:cut]); err == nil && o.batch {
			t.Errorf("cut at %d of %d: it has a batch", cut, len(good))
		}
	}
	bomb := slices.Clone(good)
	at := bytes.LastIndex(bomb, []byte{0x28, 0xb5, 0x2f, 0xfd}) // a zstd frame
	binary.LittleEndian.PutUint64(bomb[at-8:], 1<<40)
	if o, _ := survey(bomb); o.largest < 1<<40 {
		t.Errorf("a terabyte is taken for %d bytes", o.largest)
	}
	bomb[at+4], bomb[at+5] = 0, 0xf0 // no single segment; a window of 2^40
	if _, err := survey(bomb); !errors.Is(err, flatbuf.ErrWindow) {
		t.Errorf("a huge window: %v", err)
	}
}

func TestDeepSchemas(t *testing.T) {
	deep := arrow.DataType(utf8Type)
	for range maxDepth + 1 {
		deep = arrow.ListOf(deep)
	}
	if _, err := survey(stream(t, part{Spans, []arrow.Field{nullable("deep", deep)}, `[]`})); !errors.Is(err, errSchema) {
		t.Errorf("deep: %v", err)
	}
	if _, err := survey(stream(t, part{Spans, slices.Repeat([]arrow.Field{nullable("x", u8)}, maxFields+1), `[]`})); !errors.Is(err, errSchema) {
		t.Errorf("wide: %v", err)
	}
}

// TestSchemasComeAndGo: a stream may go back to an earlier schema, with or without saying it again,
// as long as it is one of the last few.
func TestSchemasComeAndGo(t *testing.T) {
	fields := []arrow.Field{nullable("name", dictOf(u8, utf8Type))}
	rows := stream(t, part{Spans, fields, `[{"name":"x"}]`})
	c := testConsumer(t, otlp.Traces)
	send := func(id string, record []byte) error {
		_, _, err := c.Consume(appendPayload(nil, Spans, id, record))
		return err
	}
	batch := rows[len(rows)-batchLength(t, rows):]
	if err := send("a", batch); fault.KindOf(err) != fault.Invalid || c.Lost() {
		t.Errorf("without a schema: %v", err)
	}
	c = testConsumer(t, otlp.Traces)
	for _, id := range []string{"a", "b", "a"} {
		if err := send(id, rows); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := send("b", batch); err != nil {
		t.Errorf("going on with b: %v", err)
	}
	for _, id := range []string{"c", "d", "e", "f"} {
		if err := send(id, rows); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := send("b", batch); fault.KindOf(err) != fault.Invalid {
		t.Errorf("b is gone: %v", err)
	}
}

// batchLength is how long the last message of a stream is.
func batchLength(t *testing.T, b []byte) int {
	t.Helper()
	for {
		kind, _, _, rest, err := cut(b)
		if err != nil {
			t.Fatal(err)
		}
		if kind == messageBatch {
			return len(b)
		}
		b = rest
	}
}

func TestBrokenMessages(t *testing.T) {
	c := testConsumer(t, otlp.Logs)
	for name, message := range map[string][]byte{
		"no protobuf": {0xff}, "a payload that is none": {0x12, 1, 0xff}, "an empty record of nothing": appendPayload(nil, 0, "", nil),
		"huge type": wire.AppendBytes(nil, 2, wire.AppendUint(nil, 2, 1<<40)), "no Arrow": appendPayload(nil, Logs, "1", []byte("no Arrow at all")),
		"too many": slices.Repeat(appendPayload(nil, Logs, "", nil), maxPayloads+1),
	} {
		if _, _, err := c.Consume(message); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if PayloadType(99).String() != "" || Spans.String() != "SPANS" {
		t.Error("names of payload types")
	}
}

// TestStore: a stream's limit is its own, the budget's all streams', and what is given back may
// be taken again.
func TestStore(t *testing.T) {
	budget := &purse{limit: 100}
	s := store{limit: 90, budget: budget}
	if err := s.Take(40); err != nil || budget.held != 40 || s.held != 40 {
		t.Errorf("%v: %d held, %d by the store", err, budget.held, s.held)
	}
	for name, size := range map[string]int64{"over the stream's limit": 51, "impossible": -1} {
		if err := s.Take(size); fault.KindOf(err) != fault.TooLarge || s.held != 40 {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.limit = 1000
	if err := s.Take(61); fault.KindOf(err) != fault.Overloaded || s.held != 40 {
		t.Errorf("over the budget: %v", err)
	}
	s.Give(40)
	if budget.held != 0 || s.held != 0 {
		t.Errorf("%d held, %d by the store", budget.held, s.held)
	}
}

// TestSlab: what a slab gave is intact until it takes all back, it asks for no more than its
// stream may have, once, and keeps no more than it is told to.
func TestSlab(t *testing.T) {
	budget := &purse{limit: 1 << 20}
	stream := &store{limit: leastSlab + 800, budget: budget}
	s := slab[uint64]{budget: stream, stream: stream}
	first, err := s.take(leastSlab / 8)
	if err != nil || budget.held != leastSlab {
		t.Fatalf("%v, %d held", err, budget.held)
	}
	first[0] = 1
	second, err := s.take(100)
	if err != nil || budget.held != leastSlab+800 {
		t.Fatalf("%v, %d held", err, budget.held)
	}
	if second[0] = 2; first[0] != 1 || cap(second) != 100 {
		t.Errorf("%d, %d", first[0], cap(second))
	}
	if _, err := s.take(1); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("beyond the stream's: %v", err)
	}
	s.reset(800)
	if budget.held != 0 {
		t.Errorf("%d held by a slab in pieces", budget.held)
	}
	if _, err := s.take(10); err != nil || budget.held == 0 {
		t.Fatalf("%v, %d held", err, budget.held)
	}
	s.reset(64 << 10)
	if held := budget.held; held == 0 {
		t.Error("nothing is kept")
	}
	s.reset(0)
	if budget.held != 0 {
		t.Errorf("%d held in the end", budget.held)
	}
}
