package node

import (
	"errors"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// sink fails while it has an error.
type sink struct{ err error }

func (s *sink) Write(otlp.Signal, uint64, ...arrow.RecordBatch) error { return s.err }
func (s *sink) Aside(otlp.Signal, []byte) (string, error)             { return "path", s.err }

func TestCounted(t *testing.T) {
	table := decode.New(otlp.Traces)
	if err := table.Decode(body(otlp.Traces)); err != nil {
		t.Fatal(err)
	}
	batch := table.Batch()
	defer batch.Release()
	var all [otlp.Count]written
	for s := range all {
		all[s].init()
	}
	under := &sink{}
	c := counted{under, &all}
	for _, err := range []error{nil, errors.New("full")} {
		under.err = err
		if got := c.Write(otlp.Traces, 1, batch, batch); !errors.Is(got, err) {
			t.Errorf("Write: %v, want %v", got, err)
		}
		if got := c.Write(otlp.Traces, 1); !errors.Is(got, err) { // only the position moves
			t.Errorf("Write of nothing: %v, want %v", got, err)
		}
		if path, got := c.Aside(otlp.Traces, nil); path != "path" || !errors.Is(got, err) {
			t.Errorf("Aside: %q, %v", path, got)
		}
	}
	w := &all[otlp.Traces]
	got := fmt.Sprint(w.items.Load(), w.batches.Load(), w.failures.Load(), w.aside.Load(), w.seconds.Buckets().Count, w.rows.Buckets().Count)
	if got != "20 2 2 1 1 2" {
		t.Errorf("items, batches, failures, aside, writes, batches: %s", got)
	}
}

func TestAdoptedDamage(t *testing.T) {
	var a adopted
	a.add(3, []journal.Damage{{Bytes: 5}, {Bytes: 7, Tail: true}, {Bytes: 1}})
	got := fmt.Sprint(a.requests.Load(), a.inside.parts.Load(), a.inside.bytes.Load(), a.tails.parts.Load(), a.tails.bytes.Load())
	if got != "3 2 6 1 7" {
		t.Error(got)
	}
}
