package ingest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestDroppedOutlivesTables: what tables count goes with them, and of what was refused nothing counts.
func TestDroppedOutlivesTables(t *testing.T) {
	bubble(t, testConfig(), func(t *testing.T, in *Ingest, _ *fakeSink, _ *bytes.Buffer) {
		ill := encoded(t, []*logspb.LogRecord{{TraceId: []byte("abc"), SpanId: []byte("d")}})
		for range 3 {
			items, err := in.Take(t.Context(), otlp.Logs, ill)
			if items != 1 || err != nil {
				t.Fatalf("%d, %v", items, err)
			}
			flush(t, in, otlp.Logs)
		}
		if items, err := in.Take(t.Context(), otlp.Logs, append(bytes.Clone(ill), 0xff)); items != 0 || fault.KindOf(err) != fault.Invalid {
			t.Errorf("a bad request: %d, %v", items, err)
		}
		if got := in.Stats(otlp.Logs); got != (Stats{Dropped: decode.Stats{IllSizedIDs: 6}}) {
			t.Errorf("%+v", got)
		}
	})
}

// TestFullEndsByItself: a signal is not full any more once there is room, also when nobody sends.
func TestFullEndsByItself(t *testing.T) {
	config := testConfig()
	config.MaxPendingBytes = 1 << 20
	bubble(t, config, func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
		sink.failNext(otlp.Logs, -1)
		accept(t, in, otlp.Logs, longLog(t, 1<<20))
		in.lanes[otlp.Logs].seal()
		time.Sleep(time.Millisecond)
		if got := in.Stats(otlp.Logs); got.Full || got.Pending < 1<<20 || !errors.Is(got.Failure, errSink) {
			t.Errorf("before a refusal: %+v", got)
		}
		if err := in.Accept(t.Context(), otlp.Logs, emptyLogs(t, 1)); fault.KindOf(err) != fault.Overloaded {
			t.Fatalf("%v, want overloaded", err)
		}
		if got := in.Stats(otlp.Logs); !got.Full || in.Stats(otlp.Traces).Full {
			t.Errorf("after a refusal: %+v", got)
		}
		sink.failNext(otlp.Logs, 0)
		time.Sleep(2 * retryAfter)
		if got := in.Stats(otlp.Logs); got != (Stats{}) {
			t.Errorf("with room again: %+v", got)
		}
	})
}
