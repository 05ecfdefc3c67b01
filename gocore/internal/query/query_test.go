package query

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a node's way from a request to files.
type store struct {
	*ingest.Ingest
	*files.Writer
}

func open(t *testing.T, dir string, config files.Config) store {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	w, err := files.New(config, fsys.OS{}, dir, files.Options{Writer: files.NewID(time.Now())}, log, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	settings := ingest.Config{WriteIntervalSecs: 3600, MaxPendingBytes: 1 << 30, MaxGrowthBytes: 1 << 28, MaxBodyBytes: 1 << 28, Promoted: config.Promotions()}
	in := ingest.New(settings, w, nil, log)
	t.Cleanup(func() {
		if err := errors.Join(in.Shutdown(context.Background()), w.Close()); err != nil {
			t.Error(err)
		}
	})
	return store{in, w}
}

func (s store) accept(t *testing.T, signal otlp.Signal, body []byte) {
	t.Helper()
	if err := s.Accept(t.Context(), signal, body); err != nil {
		t.Fatal(err)
	}
}

func (s store) tables(config files.Config) *Tables {
	return New(fsys.OS{}, s, config.Promotions())
}

// sink makes an IPC stream of what it is given.
type sink struct {
	out    bytes.Buffer
	rooms  int // that are not given back
	refuse error
	before func() error // of a room
}

func (s *sink) Schema(message []byte) error {
	s.out.Write(message)
	return nil
}

func (s *sink) Room(_ context.Context, sizes ...flight.Size) (frames []*flight.Frame, err error) {
	if s.before != nil {
		if err := s.before(); err != nil {
			return nil, err
		}
	}
	for _, size := range sizes {
		memory := make([]byte, size.Frame())
		frames = append(frames, flight.NewFrame(&memory, size))
		s.rooms++
	}
	return frames, nil
}

func (s *sink) Drop(*flight.Frame) { s.rooms-- }

func (s *sink) Send(f *flight.Frame) error {
	s.rooms--
	s.out.Write(binary.LittleEndian.AppendUint32([]byte{0xff, 0xff, 0xff, 0xff}, uint32(len(f.Head))))
	s.out.Write(f.Head)
	s.out.Write(f.Body)
	return s.refuse
}

// read reads what a selection asks for, and gives back the batches.
func read(t testing.TB, tables *Tables, s flight.Selection) (batches []arrow.RecordBatch, of *arrow.Schema) {
	t.Helper()
	var to sink
	if err := tables.Read(t.Context(), s, &to); err != nil {
		t.Fatal(err)
	}
	if to.rooms != 0 {
		t.Errorf("%d frames were not given back", to.rooms)
	}
	to.out.Write([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	r, err := ipc.NewReader(&to.out)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	for r.Next() {
		r.RecordBatch().Retain()
		batches = append(batches, r.RecordBatch())
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return batches, r.Schema()
}

func expectSame(t *testing.T, signal otlp.Signal, requests [][]byte, batches []arrow.RecordBatch) {
	t.Helper()
	var body []byte
	for _, batch := range batches {
		var err error
		if body, err = encode.Batch(body, signal, batch); err != nil {
			t.Fatal(err)
		}
	}
	want, err := normal.Form(signal, bytes.Join(requests, nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := normal.Form(signal, body)
	if err != nil {
		t.Fatal(err)
	}
	if !normal.Equal(want, got) {
		t.Errorf("%s came back different", signal)
	}
}

// TestReadLive: what was accepted is there at once and once, in files or not, in every compression.
func TestReadLive(t *testing.T) {
	for _, compression := range []string{"lz4", "zstd", "none"} {
		config := files.Default()
		config.Compression = compression
		s := open(t, t.TempDir(), config)
		tables, maker := s.tables(config), sample.New(1, 1_700_000_000_000_000_000)
		for _, signal := range otlp.Signals {
			var requests [][]byte
			for range 3 {
				requests = append(requests, maker.Body(signal.String(), 50))
				s.accept(t, signal, requests[len(requests)-1])
				batches, _ := read(t, tables, flight.Selection{Signal: signal})
				expectSame(t, signal, requests, batches)
			}
			before, err := s.Files(signal)
			if err != nil {
				t.Fatal(err)
			}
			batches, _ := read(t, tables, flight.Selection{Signal: signal})
			if after, err := s.Files(signal); err != nil || !slices.Equal(before, after) || len(batches) != 3 {
				t.Errorf("a read of what is in files changed them: %v, %v, %v", before, after, err)
			}
		}
	}
}

func ptr(n int64) *int64 { return &n }

func column[T arrow.Array](t *testing.T, batches []arrow.RecordBatch, name string) (all []T) {
	t.Helper()
	for _, batch := range batches {
		found := batch.Schema().FieldIndices(name)
		if len(found) != 1 {
			t.Fatalf("no column %s in %v", name, batch.Schema())
		}
		all = append(all, batch.Column(found[0]).(T))
	}
	return all
}

// TestSelections: rows by time and service, columns in the wanted order.
func TestSelections(t *testing.T) {
	const start = 1_700_000_000_000_000_000
	s := open(t, t.TempDir(), files.Default())
	tables, maker := s.tables(files.Default()), sample.New(1, start)
	for range 3 {
		s.accept(t, otlp.Traces, maker.Body("traces", 500))
		read(t, tables, flight.Selection{Signal: otlp.Traces})
	}
	all, _ := read(t, tables, flight.Selection{Signal: otlp.Traces})
	var moments []int64
	services := map[string]int{}
	for i, times := range column[*array.Timestamp](t, all, "start_time_unix_nano") {
		names := column[*array.Dictionary](t, all, "service_name")[i]
		for row := range times.Len() {
			moments = append(moments, int64(times.Value(row)))
			services[names.Dictionary().(*array.String).Value(names.GetValueIndex(row))]++
		}
	}
	slices.Sort(moments)
	middle := moments[len(moments)/2]
	earlier := slices.Index(moments, middle)
	var service string
	for service = range services {
	}
	for name, c := range map[string]struct {
		flight.Selection
		rows int
	}{
		"since":      {flight.Selection{Since: ptr(middle)}, len(moments) - earlier},
		"until":      {flight.Selection{Until: ptr(middle)}, earlier},
		"both":       {flight.Selection{Since: ptr(middle), Until: ptr(middle)}, 0},
		"everything": {flight.Selection{Since: ptr(0), Services: slices.Collect(keys(services))}, len(moments)},
		"service":    {flight.Selection{Services: []string{service, "none"}}, services[service]},
		"no service": {flight.Selection{Services: []string{}}, 0},
		"columns":    {flight.Selection{Columns: []string{"duration_nano", "name"}}, len(moments)},
		"no columns": {flight.Selection{Columns: []string{}}, len(moments)},
		"mixed":      {flight.Selection{Since: ptr(middle), Columns: []string{"attributes", "events"}}, len(moments) - earlier},
	} {
		c.Signal = otlp.Traces
		batches, of := read(t, tables, c.Selection)
		rows := 0
		for _, batch := range batches {
			rows += int(batch.NumRows())
		}
		if rows != c.rows {
			t.Errorf("%s: %d rows, want %d", name, rows, c.rows)
		}
		if c.Columns != nil && !slices.Equal(names(of), c.Columns) {
			t.Errorf("%s: columns %v", name, names(of))
		}
		message, err := tables.Schema(t.Context(), c.Selection)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := ipc.NewReader(bytes.NewReader(message)); err != nil || !r.Schema().Equal(of) {
			t.Errorf("%s: another schema than was read: %v", name, err)
		}
	}
	_, err := tables.Schema(t.Context(), flight.Selection{Columns: []string{"nome"}})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), `"nome" is in none`) {
		t.Errorf("%v", err)
	}
}

func keys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func names(s *arrow.Schema) []string {
	all := []string{}
	for _, f := range s.Fields() {
		all = append(all, f.Name)
	}
	return all
}

// TestColumns: columns that are given without being decoded are what they are in the whole table.
func TestColumns(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, compression := range []string{"lz4", "zstd", "none"} {
		config := files.Default()
		config.Compression, config.Promote = compression, []string{"http.route", "http.response.status_code:int"}
		s := open(t, t.TempDir(), config)
		tables, maker := s.tables(config), sample.New(1, 1)
		for _, signal := range otlp.Signals {
			for range 3 {
				s.accept(t, signal, maker.Body(signal.String(), 50))
				read(t, tables, flight.Selection{Signal: signal})
			}
			whole, of := read(t, tables, flight.Selection{Signal: signal})
			for range 30 {
				wanted := names(of)
				r.Shuffle(len(wanted), func(i, j int) { wanted[i], wanted[j] = wanted[j], wanted[i] })
				wanted = wanted[:r.Intn(len(wanted)+1)]
				batches, _ := read(t, tables, flight.Selection{Signal: signal, Columns: wanted})
				if len(batches) != len(whole) {
					t.Fatalf("%d batches, want %d", len(batches), len(whole))
				}
				for i, batch := range batches {
					if batch.NumRows() != whole[i].NumRows() || !slices.Equal(names(batch.Schema()), wanted) {
						t.Fatalf("%d rows of %v, want %d of %v", batch.NumRows(), batch.Schema(), whole[i].NumRows(), wanted)
					}
					for at, name := range wanted {
						if !array.Equal(batch.Column(at), whole[i].Column(of.FieldIndices(name)[0])) {
							t.Errorf("%s of %s is another one with columns %v", name, signal, wanted)
						}
					}
				}
			}
		}
	}
}

// TestLogsByObservedTime: a log record without a time is placed by when it was observed, and one
// without either is in no span of time.
func TestLogsByObservedTime(t *testing.T) {
	s := open(t, t.TempDir(), files.Default())
	record := func(time, observed byte) []byte { // fixed64 time_unix_nano = 1, observed_time_unix_nano = 11
		item := []byte{9, time, 0, 0, 0, 0, 0, 0, 0, 89, observed, 0, 0, 0, 0, 0, 0, 0}
		scope := append([]byte{18, byte(len(item))}, item...)
		resource := append([]byte{18, byte(len(scope))}, scope...)
		return append([]byte{10, byte(len(resource))}, resource...)
	}
	for _, r := range [][]byte{record(5, 50), record(0, 7), record(0, 0), record(9, 6)} {
		s.accept(t, otlp.Logs, r)
	}
	batches, _ := read(t, s.tables(files.Default()), flight.Selection{Signal: otlp.Logs, Since: ptr(5), Until: ptr(9)})
	if len(batches) != 1 || batches[0].NumRows() != 2 {
		t.Errorf("%v", batches)
	}
}

// TestUnwantedBatchesAreNotRead: a batch that its statistics exclude may be damaged behind them.
func TestUnwantedBatchesAreNotRead(t *testing.T) {
	s := open(t, t.TempDir(), files.Default())
	tables := s.tables(files.Default())
	for i, service := range []string{"a", "b", "b", "a"} {
		s.accept(t, otlp.Logs, logOf(service, byte(10*(i+1))))
		read(t, tables, flight.Selection{Signal: otlp.Logs})
	}
	list, err := s.Files(otlp.Logs)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	content, err := files.Inspect(fsys.OS{}, list[0].Path, false)
	if err != nil || len(content.Batches) != 4 {
		t.Fatal(content, err)
	}
	damage := func(batch files.Batch) {
		file, err := os.OpenFile(list[0].Path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		half := (batch.End - batch.Offset) / 2
		if _, err := file.WriteAt(bytes.Repeat([]byte{0x7f}, int(half)), batch.End-half); err != nil {
			t.Fatal(err)
		}
	}
	damage(content.Batches[1])
	for _, c := range []struct {
		flight.Selection
		good bool
	}{
		{flight.Selection{}, false},
		{flight.Selection{Since: ptr(15)}, false},
		{flight.Selection{Since: ptr(20), Until: ptr(21)}, false},
		{flight.Selection{Since: ptr(21)}, true},
		{flight.Selection{Until: ptr(20)}, true},
		{flight.Selection{Services: []string{"a", "c"}}, true},
		{flight.Selection{Services: []string{"b"}, Since: ptr(21)}, true},
		{flight.Selection{Services: []string{"c"}}, true},
		{flight.Selection{Services: []string{"b"}}, false},
	} {
		c.Signal = otlp.Logs
		if err := tables.Read(t.Context(), c.Selection, &sink{}); (err == nil) != c.good {
			t.Errorf("since %v, until %v, services %v: %v", c.Since, c.Until, c.Services, err)
		}
	}
}

// logOf is a request of one log record of a service and a time below 256.
func logOf(service string, time byte) []byte {
	field := func(tag byte, content []byte) []byte { return append([]byte{tag, byte(len(content))}, content...) }
	value := field(18, field(10, []byte(service)))
	resource := field(10, field(10, append(field(10, []byte("service.name")), value...)))
	scope := field(18, field(18, []byte{9, time, 0, 0, 0, 0, 0, 0, 0}))
	return field(10, append(resource, scope...))
}

// TestPromotedColumnsUnite: files that differ in promoted columns read as one table.
func TestPromotedColumnsUnite(t *testing.T) {
	dir, maker := t.TempDir(), sample.New(1, 1)
	first := files.Default()
	first.Promote = []string{"http.route", "http.response.status_code:int"}
	one := open(t, dir, first)
	one.accept(t, otlp.Traces, maker.Body("traces", 20))
	read(t, one.tables(first), flight.Selection{Signal: otlp.Traces})
	second := files.Default()
	second.Promote = []string{"http.request.method"}
	two := open(t, dir, second)
	two.accept(t, otlp.Traces, maker.Body("traces", 30))
	batches, of := read(t, two.tables(second), flight.Selection{Signal: otlp.Traces})
	if len(batches) != 2 || batches[0].NumRows() != 20 || batches[1].NumRows() != 30 {
		t.Fatalf("%d batches", len(batches))
	}
	want := append(names(schema.Of(otlp.Traces)), "http_request_method", "http_route", "http_response_status_code")
	if !slices.Equal(names(of), want) {
		t.Errorf("columns %v, want %v", names(of), want)
	}
	for i, name := range []string{"http_request_method", "http_route"} {
		if got := column[*array.Dictionary](t, batches, name)[i]; got.NullN() != got.Len() {
			t.Errorf("%s has %d nulls of %d where no file has it", name, got.NullN(), got.Len())
		}
	}
	clash := files.Default()
	clash.Promote = []string{"http.response.status_code:string"}
	_, err := two.tables(clash).Schema(t.Context(), flight.Selection{Signal: otlp.Traces})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "http_response_status_code is of type") {
		t.Errorf("%v", err)
	}
}

// TestWhileFilesChange: readers have each row that was accepted before they came exactly once,
// while files rotate, are compacted, and rows are added.
func TestWhileFilesChange(t *testing.T) {
	dir, config := t.TempDir(), files.Default()
	config.RotateBytes = 64 << 10
	s := open(t, dir, config)
	tables, maker := s.tables(config), sample.New(1, 1)
	var accepted atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			if _, err := files.Compact(ctx, fsys.OS{}, dir, files.Choice{MinBatches: 2}, s.ID()); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				selection := flight.Selection{Signal: otlp.Traces}
				if n%2 == 1 {
					selection.Columns = []string{"span_id"}
				}
				before := accepted.Load()
				batches, _ := read(t, tables, selection)
				seen := map[string]bool{}
				for _, ids := range column[*array.FixedSizeBinary](t, batches, "span_id") {
					for row := range ids.Len() {
						if seen[string(ids.Value(row))] {
							t.Error("a row is there twice")
						}
						seen[string(ids.Value(row))] = true
					}
				}
				if int64(len(seen)) < before {
					t.Errorf("%d rows, and %d were accepted before", len(seen), before)
				}
			}
		})
	}
	for range 60 {
		s.accept(t, otlp.Traces, maker.Body("traces", 100))
		accepted.Add(100)
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	all.Wait()
}

// TestCompactedMeanwhile: a file that was listed while it was written, and is compacted before it
// is opened, is read whole and not only up to the length that was listed.
func TestCompactedMeanwhile(t *testing.T) {
	dir, config := t.TempDir(), files.Default()
	s := open(t, dir, config)
	maker := sample.New(1, 1)
	s.accept(t, otlp.Logs, maker.Body("logs", 10))
	if err := s.Flush(t.Context(), otlp.Logs); err != nil {
		t.Fatal(err)
	}
	listed, err := s.Files(otlp.Logs)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		s.accept(t, otlp.Logs, maker.Body("logs", 100))
		if err := s.Flush(t.Context(), otlp.Logs); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := files.Compact(t.Context(), fsys.OS{}, dir, files.Choice{MinBatches: 2}); err != nil || done[0].Skipped != "" {
		t.Fatalf("%+v: %v", done, err)
	}
	tables := New(fsys.OS{}, frozen{listed}, nil)
	batches, _ := read(t, tables, flight.Selection{Signal: otlp.Logs})
	if len(batches) != 1 || batches[0].NumRows() != 2010 {
		t.Errorf("%v", batches)
	}
}

// frozen is a Store whose list stays as it is.
type frozen struct{ list []files.File }

func (frozen) Flush(context.Context, ...otlp.Signal) error { return nil }
func (f frozen) Files(otlp.Signal) ([]files.File, error)   { return f.list, nil }

// TestRemovedAndDamaged: a file that is gone has no rows, and one that is damaged is named.
func TestRemovedAndDamaged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, files.Default())
	s.accept(t, otlp.Logs, sample.New(1, 1).Body("logs", 10))
	tables := s.tables(files.Default())
	read(t, tables, flight.Selection{Signal: otlp.Logs})
	list, err := s.Files(otlp.Logs)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(list[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"nothing": {}, "no stream": []byte("no stream at all"), "half": whole[:len(whole)*3/4], "a second schema": append(slices.Clone(whole), whole...),
		"an index": slices.Concat(whole[:len(whole)-2000], bytes.Repeat([]byte{0x7f}, 2000)),
	} {
		path := filepath.Join(dir, "damaged.arrows")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		fresh := New(fsys.OS{}, frozen{[]files.File{{Path: path, Length: 1 << 30}}}, nil)
		for _, s := range []flight.Selection{{}, {Columns: []string{"body"}}, {Since: ptr(0)}} {
			s.Signal = otlp.Logs
			err := fresh.Read(t.Context(), s, &sink{})
			if name == "an index" && !s.Filters() {
				continue // it goes on as it is
			}
			if fault.KindOf(err) != fault.IO || name != "an index" && !strings.Contains(err.Error(), path+" is damaged at byte") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := os.Remove(list[0].Path); err != nil {
		t.Fatal(err)
	}
	batches, _ := read(t, New(fsys.OS{}, frozen{list}, nil), flight.Selection{Signal: otlp.Logs})
	if len(batches) != 0 {
		t.Errorf("%v", batches)
	}
}

// TestSinkRefuses: an error of the sink ends the read, and memory goes back.
func TestSinkRefuses(t *testing.T) {
	s := open(t, t.TempDir(), files.Default())
	s.accept(t, otlp.Logs, sample.New(1, 1).Body("logs", 10))
	gone := errors.New("gone")
	for _, selection := range []flight.Selection{{}, {Columns: []string{"body"}}, {Since: ptr(0)}} {
		to := sink{refuse: gone}
		selection.Signal = otlp.Logs
		if err := s.tables(files.Default()).Read(t.Context(), selection, &to); !errors.Is(err, gone) || to.rooms != 0 {
			t.Errorf("%v; %d frames were not given back", err, to.rooms)
		}
		to = sink{before: func() error { return gone }}
		if err := s.tables(files.Default()).Read(t.Context(), selection, &to); !errors.Is(err, gone) || to.rooms != 0 {
			t.Errorf("%v; %d frames were not given back", err, to.rooms)
		}
	}
}

// TestCutMeanwhile: a file that a stranger cuts off while it is read is an error, and memory goes back.
func TestCutMeanwhile(t *testing.T) {
	config := files.Default()
	config.Compression = "none"
	s := open(t, t.TempDir(), config)
	s.accept(t, otlp.Logs, sample.New(1, 1).Body("logs", 20_000))
	tables := s.tables(config)
	read(t, tables, flight.Selection{Signal: otlp.Logs})
	list, err := s.Files(otlp.Logs)
	if err != nil {
		t.Fatal(err)
	}
	for _, columns := range [][]string{nil, {"attributes", "span_id"}} {
		file, err := os.ReadFile(list[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "cut.arrows")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		to := sink{before: func() error { return os.Truncate(path, 100) }}
		cut := New(fsys.OS{}, frozen{[]files.File{{Path: path}}}, nil)
		if err := cut.Read(t.Context(), flight.Selection{Signal: otlp.Logs, Columns: columns}, &to); fault.KindOf(err) != fault.IO || to.rooms != 0 {
			t.Errorf("%v; %d frames were not given back", err, to.rooms)
		}
	}
}

// stuck is a Store that cannot flush.
type stuck struct{ frozen }

func (stuck) Flush(ctx context.Context, _ ...otlp.Signal) error {
	<-ctx.Done()
	return fault.New(fault.IO, "write", "the disk is full")
}

// TestReadWithoutFlush: rows are not left out silently.
func TestReadWithoutFlush(t *testing.T) {
	tables := New(fsys.OS{}, stuck{}, nil)
	tables.patience = time.Millisecond
	if err := tables.Read(t.Context(), flight.Selection{}, &sink{}); fault.KindOf(err) != fault.IO {
		t.Errorf("%v", err)
	}
}

// TestGate: who waits for a flush that began after it came needs none of its own.
func TestGate(t *testing.T) {
	var g gate
	release, flushes := make(chan struct{}), atomic.Int64{}
	flush := func() error {
		flushes.Add(1)
		<-release
		return nil
	}
	var all sync.WaitGroup
	pass := func() {
		if err := g.pass(t.Context(), flush); err != nil {
			t.Error(err)
		}
	}
	all.Go(pass)
	for flushes.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	const readers = 10
	var came atomic.Int64
	for range readers {
		all.Go(func() {
			came.Add(1)
			pass()
		})
	}
	for came.Load() < readers {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // until they wait
	close(release)
	all.Wait()
	if n := flushes.Load(); n < 2 || n >= readers {
		t.Errorf("%d flushes", n)
	}
	failing := func() error { return io.ErrShortWrite }
	if err := g.pass(t.Context(), failing); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.place <- struct{}{}
	if err := g.pass(ctx, failing); fault.KindOf(err) != fault.Timeout {
		t.Errorf("%v", err)
	}
}
