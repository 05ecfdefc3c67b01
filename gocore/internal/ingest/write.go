package ingest

import (
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// write hands a group to the sink. If that can never work, for a fault of ours, the rows are set
// aside as the requests that they came from: so they hold up nothing and nothing is deleted.
func write(sink Sink, s otlp.Signal, g group, log *slog.Logger) error {
	err := put(sink, s, g.below, g.tables)
	if ours, ok := errors.AsType[*fault.Error](err); !ok || ours.Kind != fault.Internal {
		return err
	}
	for _, table := range g.tables {
		if err := setAside(sink, s, table, err, log); err != nil {
			return err
		}
	}
	return put(sink, s, g.below, nil) // so that the position counts
}

// put writes the rows of tables.
func put(sink Sink, s otlp.Signal, below uint64, tables []*decode.Table) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New(fault.Internal, "write", "panic: %v\n%s", cause, debug.Stack())
		}
	}()
	batches := make([]arrow.RecordBatch, len(tables))
	for i, table := range tables {
		batches[i] = table.Batch()
		defer batches[i].Release()
	}
	return sink.Write(s, below, batches...)
}

func setAside(sink Sink, s otlp.Signal, table *decode.Table, cause error, log *slog.Logger) error {
	body, err := requestOf(s, table)
	if err != nil {
		log.Error("a batch could neither be written nor set aside", "rows", table.Rows(), "error", errors.Join(cause, err))
		return nil
	}
	path, err := sink.Aside(s, body)
	if err == nil {
		log.Error("a batch could not be written and was set aside as an OTLP request", "path", path, "error", cause)
	}
	return err
}

func requestOf(s otlp.Signal, table *decode.Table) (body []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New(fault.Internal, "set aside", "panic: %v", cause)
		}
	}()
	batch := table.Batch()
	defer batch.Release()
	return encode.Batch(nil, s, batch)
}
