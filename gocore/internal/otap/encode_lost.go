package otap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// Lost counts what a request had and OTAP cannot carry; docs/otap.md tells why.
type Lost struct {
	EntityRefs     uint64 // of resources
	MetricMetadata uint64 // attributes of metrics, where Options.MetricMetadata is not set
	DuplicateKeys  uint64 // attributes whose key comes again: the last one goes
	IllSizedIDs    uint64 // of log records, links and exemplars: they have none, as logs.proto says
	DeepValues     uint64 // values nested deeper than receivers read: empty
	UnknownFields  uint64 // of newer or other protocols
}

// Any tells whether anything was lost.
func (l Lost) Any() bool { return l != Lost{} }

var errNotUTF8 = errors.New("not valid UTF-8")

// fieldError is an error with the path to its field, joined while it travels outwards.
type fieldError struct {
	path []string // innermost first
	err  error
}

func (e *fieldError) Error() string { return e.err.Error() }

// under puts a field's name before what an error already says of its place.
func under(name string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := err.(*fieldError) //nolint:errorlint // ours, never wrapped on its way
	if !ok {
		e = &fieldError{err: err}
	}
	e.path = append(e.path, name)
	return e
}

// underAt is under with an index.
func underAt(name string, i int, err error) error {
	if err == nil {
		return nil
	}
	return under(fmt.Sprintf("%s[%d]", name, i), err)
}

// asFault ends the journey.
func asFault(op string, err error) error {
	e := &fault.Error{Kind: fault.Invalid, Op: op, Err: err}
	if f, ok := err.(*fieldError); ok { //nolint:errorlint // ours, never wrapped on its way
		names := make([]string, 0, len(f.path))
		for i := len(f.path) - 1; i >= 0; i-- {
			names = append(names, f.path[i])
		}
		e.Field, e.Err = strings.Join(names, "."), f.err
	}
	return e
}
