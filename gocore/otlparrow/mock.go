package otlparrow

import (
	"context"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/script"
)

// Seen is what a mock has answered.
type Seen = script.Seen

// Script tells a mock how to answer the next requests, see oa_script.
func (l *Library) Script(document []byte) error {
	if l.script == nil {
		return fault.New(fault.Invalid, "script", "only a library that was opened as a mock takes one")
	}
	return l.script.Apply(document)
}

// Requests waits until a mock has answered at least so many requests.
func (l *Library) Requests(ctx context.Context, count uint64) (Seen, error) {
	if l.script == nil {
		return Seen{}, fault.New(fault.Invalid, "requests", "only a library that was opened as a mock counts them")
	}
	return l.script.Await(ctx, count)
}
