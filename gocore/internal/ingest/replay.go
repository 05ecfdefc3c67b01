package ingest

import (
	"errors"
	"io"
	"log/slog"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Records is a dead writer's journal.
type Records interface {
	// Next is the next record, or io.EOF.
	Next() (journal.Record, error)
}

// Replay decodes the records of a dead writer's journal from each signal's position on and
// hands them to the sink, which is that writer's. It gives how many requests that were. After
// an error all of it may be tried again, with a new reader and the positions of then.
func Replay(config Config, records Records, from [otlp.Count]uint64, sink Sink, log *slog.Logger) (requests int, err error) {
	r := replay{config: config, sink: sink, log: log}
	for {
		record, err := records.Next()
		if errors.Is(err, io.EOF) {
			return r.requests, r.flush()
		}
		if err != nil {
			return r.requests, err
		}
		if record.Signal >= otlp.Count || record.Position < from[record.Signal] {
			continue
		}
		if err := r.add(record); err != nil {
			return r.requests, err
		}
	}
}

type replay struct {
	config   Config
	sink     Sink
	log      *slog.Logger
	tables   [otlp.Count]*decode.Table
	below    [otlp.Count]uint64
	requests int
}

func (r *replay) add(record journal.Record) error {
	s := record.Signal
	table := r.tables[s]
	if table == nil {
		table = decode.New(s, r.config.Promoted...)
		table.MaxGrowth = int(r.config.MaxGrowthBytes)
		r.tables[s] = table
	}
	if err := table.Decode(record.Body); err != nil {
		if err := r.refused(record, err); err != nil {
			return err
		}
	}
	r.requests++
	r.below[s] = record.Position + 1
	if table.Size() >= sealBytes || table.Rows() >= sealRows {
		return r.write(s)
	}
	return nil
}

// refused keeps a record that was acknowledged and is not accepted any more, under narrower
// limits, say.
func (r *replay) refused(record journal.Record, cause error) error {
	path, err := r.sink.Aside(record.Signal, record.Body)
	if err != nil {
		return err
	}
	r.log.Error("a request of the journal cannot be decoded and was set aside", "path", path, "kind", fault.KindOf(cause), "error", cause)
	return nil
}

func (r *replay) flush() error {
	for _, s := range otlp.Signals {
		if err := r.write(s); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) write(s otlp.Signal) error {
	table := r.tables[s]
	if table == nil || r.below[s] == 0 {
		return nil
	}
	g := group{tables: []*decode.Table{table}, below: r.below[s]}
	if table.Rows() == 0 {
		g.tables = nil
	}
	if err := write(r.sink, s, g, r.log); err != nil {
		return err
	}
	table.Reset()
	return nil
}
