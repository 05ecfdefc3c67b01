package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// streams reads captured BatchArrowRecords. Signals may be mixed: each has a stream of its own,
// and a stream that begins anew, as where captures were joined, is known by its schemas.
type streams struct {
	frames
	consumers [otlp.Count]*otap.Consumer
}

func readOTAP(c *conversion) (source, error) {
	f := frames{c: c, stream: c.in.stream, max: c.MaxMessage, length: (*frames).fixed}
	if head, _ := f.stream.Peek(1); len(head) > 0 && startsVarint(head[0]) { // a fault comes again
		f.length = (*frames).varint
	}
	return &streams{frames: f}, nil
}

// startsVarint tells a length as a varint from one in four bytes by the file's first byte: no
// first batch has less than 128 bytes, as it brings schemas, and none more than maxMaxMessage.
func startsVarint(first byte) bool { return first >= 0x80 }

func (s *streams) next() (u unit, err error) {
	message, err := s.message(&u)
	if err != nil {
		return u, err
	}
	if u.signal, err = signalOfBatch(message); err != nil {
		return u, err
	}
	if s.c.chosen && u.signal != s.c.signal {
		return u, nil // it is passed over, and is nothing to the stream that is read
	}
	consumer := s.consumers[u.signal]
	if consumer == nil {
		consumer = otap.NewConsumer(u.signal, otap.Limits{StreamBytes: 2 * s.max, BatchBytes: s.max}, nil)
		s.consumers[u.signal] = consumer
	}
	_, u.body, err = consumer.Consume(message)
	return u, err
}

func (s *streams) close() {
	for _, consumer := range s.consumers {
		if consumer != nil {
			consumer.Close()
		}
	}
	s.frames.close()
}

// The fields of arrow_service.proto that tell a signal.
const (
	batchPayloads = 2 // BatchArrowRecords.arrow_payloads
	payloadTable  = 2 // ArrowPayload.type
)

var errNoTable = errors.New("no payload of spans, log records or metrics: this is no BatchArrowRecords")

// signalOfBatch is that of the first payload that belongs to one.
func signalOfBatch(message []byte) (otlp.Signal, error) {
	cursor := wire.NewCursor(message)
	for cursor.Next() {
		if cursor.Tag() != wire.Tag(batchPayloads, wire.Bytes) {
			continue
		}
		if s, ok := signalOfPayload(cursor.Bytes()); ok {
			return s, nil
		}
	}
	if cursor.Err() != nil {
		return 0, fmt.Errorf("no BatchArrowRecords: %w", cursor.Err())
	}
	return 0, errNoTable
}

func signalOfPayload(payload []byte) (otlp.Signal, bool) {
	cursor := wire.NewCursor(payload)
	for cursor.Next() {
		if cursor.Tag() == wire.Tag(payloadTable, wire.Varint) {
			return signalOfTable(cursor.Varint())
		}
	}
	return 0, false
}

// signalOfTable is false for the tables that all signals have.
func signalOfTable(table uint64) (otlp.Signal, bool) {
	between := func(first, last otap.PayloadType) bool { return table >= uint64(first) && table <= uint64(last) }
	switch {
	case between(otap.Spans, otap.LinkAttrs):
		return otlp.Traces, true
	case between(otap.Logs, otap.LogAttrs):
		return otlp.Logs, true
	case between(otap.UnivariateMetrics, otap.MetricAttrs):
		return otlp.Metrics, true
	}
	return 0, false
}

// captures writes the batches of one stream.
type captures struct {
	bodies
	producer *otap.Producer
	lost     *Lost
}

func writeOTAP(c *conversion) (sink, error) {
	producer, err := otap.NewProducer(c.signal, otap.Options{MetricMetadata: true})
	if err != nil {
		return nil, internal(err)
	}
	return &captures{bodies{out: c.out, head: lengthInFour}, producer, &c.result.Lost}, nil
}

func (w *captures) write(body []byte) error {
	batches, lost, err := w.producer.Produce(body)
	if err != nil {
		return err
	}
	w.lost.add(lost)
	for _, batch := range batches {
		if err := w.bodies.write(batch.Message); err != nil {
			return err
		}
	}
	return nil
}

// Lost counts, by name, what the destination's format cannot carry: docs/otap.md lists it.
type Lost map[string]uint64

func (l *Lost) add(more otap.Lost) {
	if !more.Any() {
		return
	}
	if *l == nil {
		*l = Lost{}
	}
	for name, n := range map[string]uint64{
		"entity_refs": more.EntityRefs, "metric_metadata": more.MetricMetadata, "duplicate_keys": more.DuplicateKeys,
		"ill_sized_ids": more.IllSizedIDs, "deep_values": more.DeepValues, "unknown_fields": more.UnknownFields,
	} {
		if n > 0 {
			(*l)[name] += n
		}
	}
}

// String names each with its number, "" for none.
func (l Lost) String() string {
	parts := make([]string, 0, len(l))
	for name, n := range l {
		parts = append(parts, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
