package convert

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// TestSignalOfTables: other programs drop the metadata, and the columns tell as well.
func TestSignalOfTables(t *testing.T) {
	for _, s := range otlp.Signals {
		fields := schema.Of(s).Fields()
		for _, described := range []*arrow.Schema{schema.Of(s), arrow.NewSchema(fields, nil)} {
			if got, err := tableSignal(described); err != nil || got != s {
				t.Errorf("%v: %v, %v", s, got, err)
			}
		}
	}
	if s, err := tableSignal(arrow.NewSchema([]arrow.Field{{Name: "name", Type: arrow.BinaryTypes.String}}, nil)); err == nil {
		t.Errorf("any table is one of %v", s)
	}
}

// TestThrift: a length that was made up is an error, whoever asks for the memory.
func TestThrift(t *testing.T) {
	mem := thrift
	for _, size := range []int{-1, thrift.Most + 1} {
		for _, ask := range []func() ([]byte, error){
			func() ([]byte, error) { return mem.Allocate(size), nil },
			func() ([]byte, error) { return mem.Reallocate(size, nil), nil },
		} {
			if _, err := guarded(ask); err == nil {
				t.Errorf("%d bytes were given", size)
			}
		}
	}
	if b := mem.Reallocate(9, mem.Allocate(5)); len(b) != 9 {
		t.Errorf("%d bytes, want 9", len(b))
	}
}
