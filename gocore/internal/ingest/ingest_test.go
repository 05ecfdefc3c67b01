package ingest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errSink = errors.New("no space left")

// fakeSink counts the rows it was given; fail and block say what Write does before that.
type fakeSink struct {
	mu      sync.Mutex // guards what follows
	batches [otlp.Count][]int64
	fail    [otlp.Count]int // so many Writes fail; negative is for ever
	block   chan struct{}
	broken  int64 // rows of batches that cannot be written; 0 is none
	panics  bool  // and Write panics for them
	asides  [][]byte
}

func (f *fakeSink) Write(s otlp.Signal, _ uint64, batches ...arrow.RecordBatch) error {
	rows := int64(0)
	for _, batch := range batches {
		rows += batch.NumRows()
	}
	f.mu.Lock()
	block := f.block
	f.mu.Unlock()
	if block != nil {
		<-block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail[s] != 0 {
		f.fail[s]--
		return errSink
	}
	if f.broken != 0 && rows == f.broken {
		if f.panics {
			panic("broken")
		}
		return fault.New(fault.Internal, "encode", "broken")
	}
	if len(batches) > 0 {
		f.batches[s] = append(f.batches[s], rows)
	}
	return nil
}

func (f *fakeSink) Aside(_ otlp.Signal, body []byte) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asides = append(f.asides, body)
	return "aside", nil
}

func (f *fakeSink) failNext(s otlp.Signal, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[s] = times
}

func (f *fakeSink) rows(s otlp.Signal) (rows int64, batches int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.batches[s] {
		rows += n
	}
	return rows, len(f.batches[s])
}

func (f *fakeSink) expect(t *testing.T, s otlp.Signal, rows int64, batches int) {
	t.Helper()
	if gotRows, got := f.rows(s); gotRows != rows || got != batches {
		t.Errorf("the sink has %d rows of %s in %d batches, want %d in %d", gotRows, s, got, rows, batches)
	}
}

func testConfig() Config {
	return Config{WriteIntervalSecs: 10, MaxPendingBytes: 64 << 20, MaxGrowthBytes: 256 << 20, MaxBodyBytes: 64 << 20}
}

// bubble runs a test in fake time; afterwards the stage is shut down.
func bubble(t *testing.T, config Config, test func(t *testing.T, in *Ingest, sink *fakeSink, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sink, log := &fakeSink{}, &bytes.Buffer{}
		in := New(config, sink, nil, slog.New(slog.NewTextHandler(log, nil)))
		test(t, in, sink, log)
		for _, s := range otlp.Signals {
			sink.failNext(s, 0)
		}
		if err := in.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// emptyLogs is a request of n records of a few bytes each.
func emptyLogs(t testing.TB, n int) []byte {
	t.Helper()
	records := make([]*logspb.LogRecord, n)
	for i := range records {
		records[i] = &logspb.LogRecord{TimeUnixNano: 1}
	}
	return encoded(t, records)
}

// longLog is a request of one record with a body of n bytes.
func longLog(t testing.TB, n int) []byte {
	t.Helper()
	body := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.Repeat("a", n)}}
	return encoded(t, []*logspb.LogRecord{{Body: body}})
}

func encoded(t testing.TB, records []*logspb.LogRecord) []byte {
	t.Helper()
	scopes := []*logspb.ScopeLogs{{LogRecords: records}}
	body, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: scopes}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func accept(t testing.TB, in *Ingest, s otlp.Signal, body []byte) {
	t.Helper()
	if err := in.Accept(context.Background(), s, body); err != nil {
		t.Errorf("Accept: %v", err)
	}
}

func flush(t testing.TB, in *Ingest, signals ...otlp.Signal) {
	t.Helper()
	if err := in.Flush(context.Background(), signals...); err != nil {
		t.Errorf("Flush: %v", err)
	}
}

func expectKind(t testing.TB, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("got error %v of kind %d, want kind %d", err, fault.KindOf(err), want)
	}
}

func TestCountsAreExactFromManyGoroutines(t *testing.T) {
	const workers, requests, items = 16, 20, 7
	sink := &fakeSink{}
	in := New(testConfig(), sink, nil, slog.New(slog.DiscardHandler))
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			maker := sample.New(int64(worker), 1)
			for i := range requests {
				for _, s := range otlp.Signals {
					accept(t, in, s, maker.Body(s.String(), items))
				}
				if i == requests/2 {
					flush(t, in, otlp.Signals[:]...)
				}
			}
		})
	}
	group.Wait()
	flush(t, in, otlp.Signals[:]...)
	for _, s := range otlp.Signals {
		if rows, _ := sink.rows(s); rows != workers*requests*items {
			t.Errorf("%d rows of %s reached the sink, want %d", rows, s, workers*requests*items)
		}
	}
	if err := in.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestIntervalSealsOneBatch(t *testing.T) {
	bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
		for range 5 {
			accept(t, in, otlp.Logs, emptyLogs(t, 3))
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		sink.expect(t, otlp.Logs, 0, 0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		sink.expect(t, otlp.Logs, 15, 1)
		time.Sleep(time.Minute) // nothing new, so no empty batches
		sink.expect(t, otlp.Logs, 15, 1)
	})
}

func TestSealsEarly(t *testing.T) {
	const many = 1 << 14
	for _, c := range []struct {
		name     string
		body     []byte
		requests int // after which a batch is sealed
		rows     int64
	}{
		{"rows", emptyLogs(t, many), sealRows / many, sealRows},
		{"bytes", longLog(t, 4<<20), sealBytes / (4 << 20), sealBytes / (4 << 20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
				for range c.requests - 1 {
					accept(t, in, otlp.Logs, c.body)
				}
				synctest.Wait()
				sink.expect(t, otlp.Logs, 0, 0)
				accept(t, in, otlp.Logs, c.body)
				synctest.Wait()
				sink.expect(t, otlp.Logs, c.rows, 1)
			})
		})
	}
}

func TestFlush(t *testing.T) {
	block := func(sink *fakeSink) func() {
		stop := make(chan struct{})
		sink.mu.Lock()
		sink.block = stop
		sink.mu.Unlock()
		return func() { close(stop) }
	}
	t.Run("waits", func(t *testing.T) {
		bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
			release := block(sink)
			accept(t, in, otlp.Logs, emptyLogs(t, 3))
			done := make(chan struct{})
			go func() { defer close(done); flush(t, in, otlp.Logs) }()
			synctest.Wait()
			select {
			case <-done:
				t.Error("Flush returned before the sink did")
			default:
			}
			release()
			<-done
			sink.expect(t, otlp.Logs, 3, 1)
		})
	})
	t.Run("times out", func(t *testing.T) {
		bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
			release := block(sink)
			defer release()
			accept(t, in, otlp.Logs, emptyLogs(t, 3))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := in.Flush(ctx, otlp.Logs)
			expectKind(t, err, fault.Timeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the context's error within", err)
			}
		})
	})
	t.Run("times out with the sink's error", func(t *testing.T) {
		bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
			sink.failNext(otlp.Traces, -1)
			accept(t, in, otlp.Traces, sample.New(1, 1).Body("traces", 3))
			accept(t, in, otlp.Logs, emptyLogs(t, 3))
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			defer cancel()
			if err := in.Flush(ctx, otlp.Signals[:]...); !errors.Is(err, errSink) {
				t.Errorf("got %v, want the sink's error", err)
			}
			sink.expect(t, otlp.Logs, 3, 1) // a signal that fails does not hold up another
		})
	})
	t.Run("unknown signal", func(t *testing.T) {
		bubble(t, testConfig(), func(t *testing.T, in *Ingest, _ *fakeSink, _ *bytes.Buffer) {
			expectKind(t, in.Flush(t.Context(), otlp.Count), fault.Invalid)
			expectKind(t, in.Accept(t.Context(), otlp.Count, nil), fault.Invalid)
		})
	})
}

func TestFailingSinkKeepsTheBatch(t *testing.T) {
	bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, log *bytes.Buffer) {
		sink.failNext(otlp.Logs, 3)
		accept(t, in, otlp.Logs, emptyLogs(t, 3))
		began := time.Now()
		flush(t, in, otlp.Logs)
		if took := time.Since(began); took != 3*retryAfter {
			t.Errorf("three failures took %v, want %v", took, 3*retryAfter)
		}
		sink.expect(t, otlp.Logs, 3, 1)
		accept(t, in, otlp.Logs, emptyLogs(t, 2))
		flush(t, in, otlp.Logs)
		sink.expect(t, otlp.Logs, 5, 2)
		synctest.Wait()
		if failed, again := strings.Count(log.String(), "could not be written"), strings.Count(log.String(), "goes on"); failed != 1 || again != 1 {
			t.Errorf("the failure was logged %d times and its end %d times, want once each:\n%s", failed, again, log)
		}
	})
}

func TestFullQueue(t *testing.T) {
	config := testConfig()
	config.MaxPendingBytes = 1 << 20
	bubble(t, config, func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
		sink.failNext(otlp.Logs, 12)
		body := longLog(t, 600<<10)
		accept(t, in, otlp.Logs, body)
		time.Sleep(11 * time.Second) // sealed, and the writer fails
		err := in.Accept(t.Context(), otlp.Logs, body)
		expectKind(t, err, fault.Overloaded)
		if got := fault.RetryAfterOf(err); got != retryAfter {
			t.Errorf("RetryAfter is %v, want %v", got, retryAfter)
		}
		accept(t, in, otlp.Traces, sample.New(1, 1).Body("traces", 3)) // has a queue of its own
		flush(t, in, otlp.Logs)
		accept(t, in, otlp.Logs, body)
		flush(t, in, otlp.Logs)
		sink.expect(t, otlp.Logs, 2, 2)
	})
}

// TestAWriterThatIsBehindGetsItsTurn: requests are held up until it made a step, for a moment at most.
func TestAWriterThatIsBehindGetsItsTurn(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]struct {
		ctx   context.Context
		rows  int  // of each group that waits
		fails bool // the writer, so that there is nothing to wait for
		step  bool // the writer makes one
		stuck time.Duration
		want  time.Duration
		kind  fault.Kind
	}{
		"it makes a step":     {rows: sealRows, step: true},
		"it makes none":       {rows: sealRows, want: maxPace},
		"the sender is gone":  {rows: sealRows, ctx: cancelled, kind: fault.Timeout},
		"it cannot go on":     {rows: sealRows, fails: true},
		"it has little to do": {rows: 1},
		"the disk is slow":    {rows: sealRows, stuck: maxPace},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
				sink.block = make(chan struct{})
				if test.fails {
					close(sink.block)
					sink.failNext(otlp.Logs, -1)
				}
				for range maxBehind + 1 {
					accept(t, in, otlp.Logs, emptyLogs(t, test.rows))
					in.lanes[otlp.Logs].seal()
				}
				synctest.Wait() // for the writer
				time.Sleep(test.stuck)
				ctx := test.ctx
				if ctx == nil {
					ctx = context.Background()
				}
				begin, done := time.Now(), make(chan error, 1)
				go func() { done <- in.Accept(ctx, otlp.Logs, emptyLogs(t, 1)) }()
				synctest.Wait()
				if waits := len(done) == 0; waits != (test.step || test.want > 0) {
					t.Errorf("held up: %v", waits)
				}
				if test.step {
					sink.block <- struct{}{}
				}
				err := <-done
				if fault.KindOf(err) != test.kind || (err == nil) != (test.kind == 0) || time.Since(begin) != test.want {
					t.Errorf("%v after %v, want kind %d after %v", err, time.Since(begin), test.kind, test.want)
				}
				if !test.fails {
					close(sink.block)
				}
			})
		})
	}
}

func TestShutdown(t *testing.T) {
	t.Run("twice", func(t *testing.T) {
		bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
			accept(t, in, otlp.Logs, emptyLogs(t, 3))
			for range 2 {
				if err := in.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			}
			sink.expect(t, otlp.Logs, 3, 1)
			expectKind(t, in.Accept(t.Context(), otlp.Logs, emptyLogs(t, 1)), fault.Closed)
			flush(t, in, otlp.Logs)
			sink.expect(t, otlp.Logs, 3, 1)
		})
	})
	t.Run("after its deadline", func(t *testing.T) {
		bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
			sink.failNext(otlp.Traces, -1)
			accept(t, in, otlp.Traces, sample.New(1, 1).Body("traces", 3))
			accept(t, in, otlp.Logs, emptyLogs(t, 3))
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			if err := in.Shutdown(ctx); !errors.Is(err, errSink) {
				t.Errorf("got %v, want the sink's error", err)
			}
			sink.expect(t, otlp.Logs, 3, 1)
			expectKind(t, in.Accept(t.Context(), otlp.Logs, emptyLogs(t, 1)), fault.Closed)
			sink.failNext(otlp.Traces, 0)
			if err := in.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown again: %v", err)
			}
			sink.expect(t, otlp.Traces, 3, 1)
		})
	})
}

func TestBadRequestLeavesEarlierOnes(t *testing.T) {
	good := emptyLogs(t, 3)
	for _, c := range []struct {
		name string
		body []byte
		kind fault.Kind
	}{
		{"cut off", good[:len(good)-1], fault.Invalid},
		{"good and then bad", append(bytes.Clone(good), 0xff), fault.Invalid},
		{"too large", emptyLogs(t, 1<<13), fault.TooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := testConfig()
			config.MaxGrowthBytes = 1 << 20
			bubble(t, config, func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
				accept(t, in, otlp.Logs, good)
				expectKind(t, in.Accept(t.Context(), otlp.Logs, c.body), c.kind)
				accept(t, in, otlp.Logs, good)
				flush(t, in, otlp.Logs)
				sink.expect(t, otlp.Logs, 6, 1)
			})
		})
	}
}

// TestBrokenBatchIsSetAside: what can never be written holds up nothing, and is not lost.
func TestBrokenBatchIsSetAside(t *testing.T) {
	for _, panics := range []bool{false, true} {
		bubble(t, testConfig(), func(t *testing.T, in *Ingest, sink *fakeSink, log *bytes.Buffer) {
			sink.broken, sink.panics = 2, panics
			accept(t, in, otlp.Logs, emptyLogs(t, 2))
			flush(t, in, otlp.Logs)
			accept(t, in, otlp.Logs, emptyLogs(t, 3))
			flush(t, in, otlp.Logs)
			sink.expect(t, otlp.Logs, 3, 1)
			if len(sink.asides) != 1 || !bytes.Equal(sink.asides[0], emptyLogs(t, 2)) {
				t.Errorf("%x set aside, want the request of 2 records", sink.asides)
			}
			if !strings.Contains(log.String(), "path=aside") {
				t.Errorf("the log does not tell where: %s", log)
			}
		})
	}
}

// TestQueueCountsMemory: requests that become fifty times as much fill the queue accordingly.
func TestQueueCountsMemory(t *testing.T) {
	config := testConfig()
	config.MaxPendingBytes = 64 << 20
	bubble(t, config, func(t *testing.T, in *Ingest, sink *fakeSink, _ *bytes.Buffer) {
		stop := make(chan struct{})
		sink.block = stop
		defer close(stop)
		body := emptyLogs(t, 1<<15) // sealed at once
		accepted := 0
		for ; accepted < 100 && in.Accept(t.Context(), otlp.Logs, body) == nil; accepted++ {
		}
		if size := accepted << 15 * 256; size > 96<<20 {
			t.Errorf("%d MiB of rows were accepted, queue.max_bytes is 64 MiB", size>>20)
		}
	})
}

func TestOversizedBodyIsRefused(t *testing.T) {
	config := testConfig()
	config.MaxBodyBytes = 1 << 10
	bubble(t, config, func(t *testing.T, in *Ingest, _ *fakeSink, _ *bytes.Buffer) {
		expectKind(t, in.Accept(t.Context(), otlp.Logs, longLog(t, 2<<10)), fault.TooLarge)
	})
}

func TestBusyShardsAreWaitedFor(t *testing.T) {
	sink := &fakeSink{}
	in := New(testConfig(), sink, nil, slog.New(slog.DiscardHandler))
	shards := in.lanes[otlp.Logs].shards
	for _, sh := range shards {
		sh.mu.Lock()
	}
	done := make(chan struct{})
	go func() { defer close(done); accept(t, in, otlp.Logs, emptyLogs(t, 1)) }()
	for _, sh := range shards {
		sh.mu.Unlock()
	}
	<-done
	if err := in.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	sink.expect(t, otlp.Logs, 1, 1)
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *Config)
		want   []string
	}{
		{"good", func(*Config) {}, nil},
		{"interval low", func(c *Config) { c.WriteIntervalSecs = 0 }, []string{"write_interval_secs: 0 is not within 1 to 3600"}},
		{"interval high", func(c *Config) { c.WriteIntervalSecs = 3601 }, []string{"write_interval_secs: 3601 is not within 1 to 3600"}},
		{"queue low", func(c *Config) { c.MaxPendingBytes = 9 }, []string{"queue.max_bytes: 9 is not within 1048576 to 1099511627776"}},
		{"growth high", func(c *Config) { c.MaxGrowthBytes = 1 << 31 },
			[]string{"limits.max_decoded_bytes: 2147483648 is not within 1048576 to 1073741824"}},
		{"all", func(c *Config) { *c = Config{} }, []string{
			"write_interval_secs: 0 is not within 1 to 3600", "queue.max_bytes: 0 is not within 1048576 to 1099511627776",
			"limits.max_decoded_bytes: 0 is not within 1048576 to 1073741824"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := testConfig()
			c.change(&config)
			got := config.Validate()
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for i, err := range got {
				if err.Error() != c.want[i] {
					t.Errorf("got %q, want %q", err, c.want[i])
				}
			}
		})
	}
}
