package files

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// TestABatchOfAnotherSchemaIsRefused also shows that the error does not stay.
func TestABatchOfAnotherSchemaIsRefused(t *testing.T) {
	e, err := newEncoder("none", schema.Of(otlp.Traces))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		signal otlp.Signal
		wanted bool
	}{{otlp.Logs, false}, {otlp.Traces, true}} {
		batch := decode.New(test.signal).Batch()
		bytes, err := e.encode("", []arrow.RecordBatch{batch})
		batch.Release()
		if (err == nil) != test.wanted || (len(bytes) > 0) != test.wanted {
			t.Errorf("%s: %d bytes, error %v", test.signal, len(bytes), err)
		}
	}
}
