package reftest

import (
	"os"
	"testing"

	arrowpb "github.com/open-telemetry/otel-arrow/go/api/experimental/arrow/v1"
	"github.com/open-telemetry/otel-arrow/go/pkg/otel/arrow_record"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestSizes prints bytes by payload type, with SIZES set.
func TestSizes(t *testing.T) {
	if os.Getenv("SIZES") == "" {
		t.Skip("prints only")
	}
	for _, signal := range otlp.Signals {
		for _, n := range []int{100, 1000} {
			made := sample.New(1, 1700000000000000000)
			ref := arrow_record.NewProducer()
			p, _ := otap.NewProducer(signal, otap.Options{})
			theirs, ours := map[arrowpb.ArrowPayloadType]int{}, map[arrowpb.ArrowPayloadType]int{}
			schemas := 0
			for i := range 40 {
				body := made.Body(signal.String(), n)
				a := reference(t, ref, signal, body)
				b, _, _ := p.Produce(body)
				if i < 8 {
					continue
				}
				schemas += count(theirs, a)
				count(ours, b[0].Message)
			}
			for k := range theirs {
				t.Logf("%s %d %s: theirs %d ours %d per batch", signal, n, k, theirs[k]/32, ours[k]/32)
			}
		}
	}
}

func count(by map[arrowpb.ArrowPayloadType]int, message []byte) int {
	var bar arrowpb.BatchArrowRecords
	if err := proto.Unmarshal(message, &bar); err != nil {
		panic(err)
	}
	for _, p := range bar.ArrowPayloads {
		by[p.Type] += proto.Size(p)
	}
	return 0
}
