package ingest

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// fakeRecords is a journal whose last answer is err, io.EOF if nil.
type fakeRecords struct {
	records []journal.Record
	err     error
}

func (f *fakeRecords) Next() (journal.Record, error) {
	if len(f.records) == 0 {
		if f.err == nil {
			return journal.Record{}, io.EOF
		}
		return journal.Record{}, f.err
	}
	first := f.records[0]
	f.records = f.records[1:]
	return first, nil
}

func TestReplay(t *testing.T) {
	one, large := emptyLogs(t, 1), longLog(t, 5<<20)
	record := func(position uint64, body []byte) journal.Record {
		return journal.Record{Position: position, Signal: otlp.Logs, Body: body}
	}
	for _, c := range []struct {
		name     string
		records  []journal.Record
		from     uint64
		fails    error // of the journal, after its records
		sink     int   // Writes that fail
		requests int
		rows     int64
		batches  int
		asides   int
	}{
		{name: "all", records: []journal.Record{record(1, one), record(2, one)}, requests: 2, rows: 2, batches: 1},
		{name: "from the cursor on", records: []journal.Record{record(1, one), record(2, one), record(3, one)}, from: 3, requests: 1, rows: 1, batches: 1},
		{name: "a strange signal", records: []journal.Record{{Position: 1, Signal: 9, Body: one}, record(2, one)}, requests: 1, rows: 1, batches: 1},
		{name: "many batches", records: []journal.Record{record(1, large), record(2, large), record(3, large), record(4, large), record(5, large), record(6, large)},
			requests: 6, rows: 6, batches: 2},
		{name: "not accepted any more", records: []journal.Record{record(1, []byte{0xff}), record(2, one)}, requests: 2, rows: 1, batches: 1, asides: 1},
		{name: "only refused", records: []journal.Record{record(1, []byte{0xff})}, requests: 1, asides: 1},
		{name: "unreadable", records: []journal.Record{record(1, one)}, fails: errSink, requests: 1},
		{name: "unwritable", records: []journal.Record{record(1, one)}, sink: 1, requests: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink := &fakeSink{}
			sink.failNext(otlp.Logs, c.sink)
			var from [otlp.Count]uint64
			from[otlp.Logs] = c.from
			requests, err := Replay(testConfig(), &fakeRecords{c.records, c.fails}, from, sink, slog.New(slog.DiscardHandler))
			if wantErr := c.fails != nil || c.sink > 0; (err != nil) != wantErr || wantErr && !errors.Is(err, errSink) {
				t.Errorf("error %v", err)
			}
			if requests != c.requests {
				t.Errorf("%d requests, want %d", requests, c.requests)
			}
			sink.expect(t, otlp.Logs, c.rows, c.batches)
			if len(sink.asides) != c.asides || c.asides > 0 && !bytes.Equal(sink.asides[0], []byte{0xff}) {
				t.Errorf("%x set aside, want %d", sink.asides, c.asides)
			}
		})
	}
}
