package send

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/convert"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/generate"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestProtocols: each carries each signal, whatever the compression.
func TestProtocols(t *testing.T) {
	var s sink
	grpc, http := s.receivers(t, 64<<20)
	want := 0
	for _, c := range []forward.Config{to(forward.OTLPGRPC, grpc), to(forward.OTLPHTTP, http), to(forward.OTLPHTTPJSON, http), to(forward.OTAP, grpc)} {
		for _, c.Compression = range []string{"none", "zstd"} {
			want += 250
			for _, signal := range otlp.Signals {
				o := Options{Destination: c, Generate: signal.String(), Items: 250, BatchItems: 100, Connections: 2}
				r := run1(t, o)
				if r.Requests != 3 || r.Items != 250 || r.Signals[signal.String()] != 250 || r.Bytes < 10_000 || r.Rate <= 0 || len(r.Notes)+len(r.Failures) > 0 {
					t.Errorf("%s, %s: %+v", c.Protocol, signal, r)
				}
				if l := r.Latency; l.P50 <= 0 || l.P50 > l.P95 || l.P95 > l.P99 || l.P99 > l.Max {
					t.Errorf("%+v", l)
				}
				if got := s.received(signal); got != want {
					t.Errorf("%s, %s: %d of %d items came", c.Protocol, signal, got, want)
				}
			}
		}
	}
}

// TestNotesOfTheWay: what the way there has to say is told, once for all requests and lanes.
func TestNotesOfTheWay(t *testing.T) {
	s := sink{plain: true}
	grpc, _ := s.receivers(t, 64<<20)
	r := run1(t, Options{Destination: to(forward.OTAP, grpc), Generate: "logs", Items: 100, BatchItems: 10, Connections: 3})
	if r.Items != 100 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], `msg="a destination does not know OTAP; it gets OTLP"`) {
		t.Errorf("%+v", r)
	}
}

// TestFilesAndDirectories: each format that convert writes, and what the service keeps, a signal or all.
func TestFilesAndDirectories(t *testing.T) {
	dir := t.TempDir()
	body := generate.New(otlp.Traces, 1, time.Now).Body(30)
	source := filepath.Join(dir, "a.pb")
	noError(t, fsys.Replace(fsys.OS{}, source, body, 0o600, false))
	paths := []string{}
	for i, format := range []convert.Format{convert.JSON, convert.Proto, convert.ProtoVarint, convert.Arrow, convert.Parquet, convert.OTAP} {
		path := filepath.Join(dir, fmt.Sprintf("traces%d", i))
		_, err := convert.File(t.Context(), fsys.OS{}, source, path, convert.Options{From: convert.ProtoMessage, To: format, Signal: "traces"})
		noError(t, err)
		paths = append(paths, path)
	}
	w, err := files.New(files.Default(), fsys.OS{}, dir, files.Options{Writer: files.NewID(time.Now())}, nil, time.Now)
	noError(t, err)
	for _, signal := range []otlp.Signal{otlp.Traces, otlp.Logs} {
		table := decode.New(signal)
		noError(t, table.Decode(generate.New(signal, 1, time.Now).Body(2500)))
		noError(t, w.Write(signal, 0, table.Batch()))
	}
	noError(t, w.Close())

	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	r := run1(t, Options{Destination: to(forward.OTLPGRPC, grpc), Paths: append(paths, dir)})
	if r.Fault != "" || r.Signals["traces"] != 6*30+2500 || r.Signals["logs"] != 2500 || s.received(otlp.Logs) != 2500 {
		t.Errorf("%+v", r)
	}
	r = run1(t, Options{Destination: to(forward.OTLPGRPC, grpc), Paths: []string{dir, paths[0]}, Signal: "logs"})
	if r.Fault != "" || r.Items != 2500 || r.Requests != 3 {
		t.Errorf("logs only: %+v", r)
	}
}

// TestRemovedMeanwhile: a file that an output directory listed may be gone by its turn, as by retention; one that
// the user named may not.
func TestRemovedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		w, err := files.New(files.Default(), fsys.OS{}, dir, files.Options{Writer: files.NewID(time.Now())}, nil, time.Now)
		noError(t, err)
		table := decode.New(otlp.Logs)
		noError(t, table.Decode(generate.New(otlp.Logs, 1, time.Now).Body(100)))
		noError(t, w.Write(otlp.Logs, 0, table.Batch()))
		noError(t, w.Close())
	}
	listed, err := files.Survey(fsys.OS{}, dir, otlp.Logs)
	noError(t, err)
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	for i, gone := range []int{0, 2} { // before the first is opened, and when it is being sent
		disk := &vanishing{gone: listed[gone].Path}
		var last Progress
		o := Options{Destination: to(forward.OTLPGRPC, grpc), Paths: []string{dir}, Progress: func(p Progress) { last = p }}
		r, err := Run(t.Context(), disk, o)
		noError(t, err)
		if r.Fault != "" || r.Items != 200 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], listed[gone].Path+": removed") {
			t.Errorf("%d: %+v", i, r)
		}
		if last.Done != last.Total || last.Total != listed[0].Bytes+listed[1].Bytes+listed[2].Bytes-listed[gone].Bytes {
			t.Errorf("%d: %+v", i, last)
		}
	}
	named := &vanishing{gone: listed[1].Path}
	r, err := Run(t.Context(), named, Options{Destination: to(forward.OTLPGRPC, grpc), Paths: []string{listed[0].Path, named.gone}})
	if err != nil || r.Items != 100 || !strings.Contains(r.Fault, named.gone) {
		t.Errorf("named: %+v, %v", r, err)
	}
}

// TestReplay: with one connection messages arrive as they are, in order; progress counts the bytes of all files.
func TestReplay(t *testing.T) {
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	var paths []string
	var size int64
	for i := range 3 {
		var lines strings.Builder
		for j := range 100 {
			fmt.Fprintf(&lines, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"record %03d"}]}]}]}`+"\n", 100*i+j)
		}
		paths = append(paths, file(t, "a.json", lines.String()))
		size += int64(lines.Len())
	}
	var last Progress
	r := run1(t, Options{Destination: to(forward.OTLPGRPC, grpc), Paths: paths, Progress: func(p Progress) { last = p }})
	if r.Items != 300 || last.Items != 300 || last.Done != size || last.Total != size {
		t.Errorf("%+v, %+v", r, last)
	}
	for i, body := range s.bodies {
		if want := fmt.Sprintf("record %03d", i); !strings.HasSuffix(string(body), want) {
			t.Fatalf("%q, want %s", body, want)
		}
	}
}

// TestRejected: items of an acknowledged request that the receiver does not take count as such.
func TestRejected(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}`)) // the test would fail
	}))
	defer server.Close()
	r := run1(t, Options{Destination: to(forward.OTLPHTTPJSON, server.URL), Generate: "traces", Items: 20, BatchItems: 10})
	if r.Items != 14 || r.Rejected != 6 || r.Requests != 2 || r.Signals["traces"] != 14 || len(r.Notes) != 1 || r.Notes[0] != "too old" {
		t.Errorf("%+v", r)
	}
}

// TestLarge: a message that no request can have is split, and again where the receiver takes less.
func TestLarge(t *testing.T) {
	for name, limits := range map[string][2]int64{"batch.max_bytes": {64 << 20, 20_000}, "the receiver's": {20_000, 4 << 20}} {
		var s sink
		grpc, _ := s.receivers(t, limits[0])
		c := to(forward.OTLPGRPC, grpc)
		c.Batch.MaxBytes = limits[1]
		path := file(t, "logs.pb", string(generate.New(otlp.Logs, 1, time.Now).Body(1000)))
		r := run1(t, Options{Destination: c, Paths: []string{path}, From: convert.ProtoMessage})
		if r.Items != 1000 || r.Requests < 5 || len(r.Failures) > 0 || s.received(otlp.Logs) != 1000 {
			t.Errorf("%s: %+v", name, r)
		}
		for _, body := range s.bodies {
			if len(body) > 20_000 {
				t.Errorf("%s: a request of %d bytes", name, len(body))
			}
		}
	}
}

// TestWhatIsNotTaken is counted by why, and what is welcome later is sent again.
func TestWhatIsNotTaken(t *testing.T) {
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	s.answer = func(context.Context, otlp.Signal, []byte) error {
		switch s.requests {
		case 1:
			return fault.New(fault.Overloaded, "", "a moment")
		case 3:
			return fault.New(fault.Invalid, "", "odd")
		}
		return nil
	}
	o := Options{Destination: to(forward.OTLPGRPC, grpc), Generate: "logs", Items: 30, BatchItems: 10}
	r := run1(t, o)
	if r.Items != 20 || r.Refused != 10 || r.Retries != 1 || len(r.Failures) != 1 {
		t.Fatalf("%+v", r)
	}
	if f := r.Failures[0]; f.Code != "InvalidArgument" || f.Requests != 1 || f.Items != 10 || !strings.Contains(f.Message, "odd") {
		t.Errorf("%+v", f)
	}
	s.answer = func(context.Context, otlp.Signal, []byte) error { return fault.New(fault.Overloaded, "", "a moment") }
	o.Destination.RetryOnFailure.Enabled = false
	if r = run1(t, o); r.GivenUp != 30 || r.Items != 0 || r.Latency.P50 != 0 || r.Failures[0].Requests != 3 {
		t.Errorf("%+v", r)
	}
}

// TestInterrupted: what was acknowledged until then is told, and what hung.
func TestInterrupted(t *testing.T) {
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(of context.Context, _ otlp.Signal, _ []byte) error {
		if s.requests == 3 {
			cancel()
			<-of.Done()
		}
		return nil
	}
	r, err := Run(ctx, fsys.OS{}, Options{Destination: to(forward.OTLPGRPC, grpc), Generate: "traces", BatchItems: 10})
	noError(t, err)
	if !r.Interrupted || r.Items != 20 || r.Unanswered != 10 || r.GivenUp+r.Refused != 0 {
		t.Errorf("%+v", r)
	}
}

// TestPanics: a fault of ours in a goroutine is told with what was acknowledged until then, and the others end.
func TestPanics(t *testing.T) {
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	o := Options{Destination: to(forward.OTLPGRPC, grpc), Generate: "logs", BatchItems: 10, Connections: 2}
	settings, err := o.check()
	noError(t, err)
	good, err := forward.NewClient(settings.Destination, key, slog.New(slog.DiscardHandler), time.Now)
	noError(t, err)
	defer good.Close()
	for name, tt := range map[string]struct {
		feed  feed
		other *forward.Client
	}{
		"feed": {&breaking{load: newLoad(settings), after: 3}, good},
		"lane": {newLoad(settings), nil}, // without an end
	} {
		r := &run{settings: settings, feed: tt.feed, parcels: make(chan parcel), began: time.Now()}
		result, err := r.finish(t.Context(), []*forward.Client{good, tt.other})
		if fault.KindOf(err) != fault.Internal || !strings.Contains(err.Error(), "panic: ") || result.Fault != err.Error() {
			t.Errorf("%s: %v, %+v", name, err, result)
		}
		if result.Interrupted || name == "feed" && result.Items > 30 {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

// TestPanickingProgress is the caller's own, and leaves no goroutine behind.
func TestPanickingProgress(t *testing.T) {
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	defer func() {
		if cause := recover(); cause != "theirs" {
			t.Errorf("%v", cause)
		}
	}()
	_, err := Run(context.WithoutCancel(t.Context()), fsys.OS{}, Options{
		Destination: to(forward.OTLPGRPC, grpc), Generate: "logs", Progress: func(Progress) { panic("theirs") },
	})
	t.Errorf("it came back: %v", err)
}

// TestDamagedFile: what came before the damage is sent, and the fault is told.
func TestDamagedFile(t *testing.T) {
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	const record = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`
	path := file(t, "logs.json", record+"\n{\"resourceLogs\":[{}]}\n"+record[:20])
	r := run1(t, Options{Destination: to(forward.OTLPGRPC, grpc), Paths: []string{path}})
	if r.Items != 1 || r.Requests != 1 || !strings.Contains(r.Fault, "logs.json: line 3: the document is cut short") {
		t.Errorf("%+v", r)
	}
}

// TestRate: items are handed out in time, and no later than the duration.
func TestRate(t *testing.T) {
	var s sink
	grpc, _ := s.receivers(t, 64<<20)
	var told []Progress
	o := Options{
		Destination: to(forward.OTLPGRPC, grpc), Generate: "logs", Rate: 1000, Duration: forward.Duration(500 * time.Millisecond),
		Progress: func(p Progress) { told = append(told, p) },
	}
	r := run1(t, o)
	if r.Items != 500 || r.Requests != 5 || r.Elapsed < 0.4 {
		t.Errorf("%+v", r)
	}
	last := told[len(told)-1]
	if last.Items != 500 || last.Total != 500 || last.Elapsed <= 0 || len(told) < 3 {
		t.Errorf("%d times, the last %+v", len(told), last)
	}
	o.Rate, o.Duration, o.Items = 5, 0, 2 // a request each
	if r = run1(t, o); r.Requests != 2 || r.Elapsed < 0.2 {
		t.Errorf("%+v", r)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Destination: to(forward.OTLPGRPC, "http://127.0.0.1:1"), Generate: "logs", Items: 1}
	tests := []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Generate = "" }, "want files, or a signal"},
		{func(o *Options) { o.Paths = []string{"x"} }, "want files, or a signal"},
		{func(o *Options) { o.Generate = "spans" }, "generate: "},
		{func(o *Options) { o.Rate = math.NaN() }, "rate: NaN"},
		{func(o *Options) { o.Items = -1 }, "below 0"},
		{func(o *Options) { o.Connections = 2000 }, "connections: 2000 is not within 1 to 1024"},
		{func(o *Options) { o.BatchItems = -1 }, "batch_items: -1"},
		{func(o *Options) { o.Destination.Endpoint = "nowhere" }, "destination.endpoint"},
		{func(o *Options) { o.Generate, o.Paths = "", []string{"none"} }, "items: is for generated load alone"},
		{func(o *Options) { o.Generate, o.Paths, o.Items, o.Duration = "", []string{"none"}, 0, 1 }, "duration: is for generated load alone"},
		{func(o *Options) { o.Generate, o.Paths, o.Items, o.BatchItems = "", []string{"none"}, 0, 5 }, "batch_items: is for generated load alone"},
		{func(o *Options) { o.Generate, o.Paths, o.Items = "", []string{"none"}, 0 }, "none"},
		{func(o *Options) { o.Generate, o.Paths, o.Items = "", []string{t.TempDir()}, 0 }, "is no output directory"},
		{func(o *Options) { o.Generate, o.Paths, o.Items = "", []string{file(t, "x", "what")}, 0 }, "neither name nor content tell the format"},
	}
	for _, tt := range tests {
		o := good
		tt.change(&o)
		if _, err := Run(t.Context(), fsys.OS{}, o); fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v; want %q", err, tt.want)
		}
	}
}

func TestLatencies(t *testing.T) {
	var l latencies
	if l.quantile(0.5) != 0 {
		t.Error("of nothing")
	}
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 500, 0.95: 950, 0.99: 990, 1: 1000} {
		if got := l.quantile(q); math.Abs(got-want) > 0.02*want {
			t.Errorf("%v: %v ms, want %v", q, got, want)
		}
	}
	l.add(0)
	l.add(1000 * time.Hour)
	if l.quantile(1e-9) > 0.01 || l.quantile(1) < 1e6 {
		t.Errorf("%v to %v", l.quantile(1e-9), l.quantile(1))
	}
}

func TestNotes(t *testing.T) {
	var n notes
	for i := range 100 {
		_, _ = fmt.Fprintf(&n, "line %d\n", i/2)
	}
	if got := n.lines(); len(got) != maxNotes || got[1] != "line 1" {
		t.Errorf("%q", got)
	}
}
