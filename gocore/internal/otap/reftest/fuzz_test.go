package reftest

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// FuzzProduce changes real requests: each is a fault, or comes back from our Consumer as it was, as
// far as OTAP can carry it; and once more on the same stream, whose dictionaries have it by then.
func FuzzProduce(f *testing.F) {
	made := sample.New(1, 1)
	for _, signal := range otlp.Signals {
		f.Add(uint8(signal), uint8(0), made.Body(signal.String(), 3))
		drawn := rapid.Custom(func(rt *rapid.T) []byte {
			body, err := proto.Marshal(otlpgen.Request(rt, signal))
			if err != nil {
				rt.Fatal(err)
			}
			return body
		})
		for seed := range 8 {
			f.Add(uint8(signal), uint8(seed), drawn.Example(seed))
		}
	}
	limits := otap.Limits{StreamBytes: 64 << 20, BatchBytes: 64 << 20}
	f.Fuzz(func(t *testing.T, which, rows uint8, body []byte) {
		signal := otlp.Signal(which % otlp.Count)
		if proto.Unmarshal(body, normal.New(signal)) != nil {
			return // what a request is not, is for others to refuse
		}
		producer, err := otap.NewProducer(signal, otap.Options{MaxRows: int(rows), MetricMetadata: true})
		if err != nil {
			t.Fatal(err)
		}
		consumer := otap.NewConsumer(signal, limits, nil)
		defer consumer.Close()
		for range 2 {
			got, lost, err := throughOurs(t, producer, consumer, body)
			switch {
			case err != nil:
				if kind := fault.KindOf(err); kind != fault.Invalid {
					t.Errorf("%v of kind %v", err, kind)
				}
			case lost.DeepValues > 0: // the only ones that the canonical form has
			case canonical(t, signal, body) != canonical(t, signal, got...):
				t.Errorf("sent %s\ngot %s", show(t, signal, canonical(t, signal, body)), show(t, signal, canonical(t, signal, got...)))
			}
		}
	})
}

// throughOurs sends a body to our Consumer, which has to take what our Producer sends.
func throughOurs(t *testing.T, p *otap.Producer, c *otap.Consumer, body []byte) (got [][]byte, lost otap.Lost, err error) {
	batches, lost, err := p.Produce(body)
	for _, b := range batches {
		id, one, err := c.Consume(b.Message)
		if err != nil || id != b.ID {
			t.Fatalf("batch %d, sent as %d: %v", id, b.ID, err)
		}
		got = append(got, append([]byte(nil), one...))
	}
	return got, lost, err
}
