package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// watched are settings with health and metrics on free ports.
func watched(t *testing.T) config.Config {
	t.Helper()
	c := settings(t)
	c.Health.Enabled, c.Health.Endpoint = true, "127.0.0.1:0"
	c.Metrics.Enabled, c.Metrics.Endpoint = true, "127.0.0.1:0"
	return c
}

// page asks a node over HTTP.
func page(t *testing.T, address string) (int, string) {
	t.Helper()
	return request(t, http.MethodGet, address, nil)
}

func request(t *testing.T, method, address string, body []byte, headers ...string) (int, string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

var sampleLine = regexp.MustCompile(`(?m)^(otlp_arrow_\S*?)(?:\{(.*)\})? (\S+)$`)

// scrape gives the values of our metrics by name and labels: `x{signal="logs"}`, or `x`.
func scrape(t *testing.T, n *Node) map[string]float64 {
	t.Helper()
	code, text := page(t, n.Endpoints()["metrics"]+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	values := map[string]float64{}
	for _, match := range sampleLine.FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(match[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(match[1], obs.Prefix)
		if match[2] != "" {
			name += "{" + match[2] + "}"
		}
		values[name] = value
	}
	return values
}

// changes are the values that differ, but for those that time and disk decide.
func changes(before, after map[string]float64) map[string]float64 {
	all := map[string]float64{}
	for name, value := range after {
		timely := strings.Contains(name, "_seconds") && !strings.Contains(name, "_seconds_count")
		if was := before[name]; was != value && !timely && !strings.Contains(name, "_bucket") {
			all[name] = value - was
		}
	}
	return all
}

func expectChanges(t *testing.T, before, after, want map[string]float64) {
	t.Helper()
	got := changes(before, after)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s has grown by %v, want %v", name, got[name], value)
		}
	}
	for name, value := range got {
		if _, wanted := want[name]; !wanted {
			t.Errorf("%s has grown by %v, want nothing", name, value)
		}
	}
}

// oddLogs has two records, an unknown field, a span id of 3 bytes and a resource without records.
func oddLogs(t *testing.T) []byte {
	t.Helper()
	records := []*logspb.LogRecord{{SpanId: []byte("abc")}, {EventName: "x"}}
	body, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{
		{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}, {},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return protowire.AppendVarint(protowire.AppendTag(body, 99, protowire.VarintType), 1)
}

// TestScrape sends a request of each kind, each by each transport, and expects exact counts.
func TestScrape(t *testing.T) {
	c := watched(t)
	c.Limits.MaxRequestBytes = 1 << 16
	c.OTLPHTTP.Auth = secure.KeyConfig{APIKeys: secure.Secrets([]string{"key"})}
	c.OTLPGRPC.Auth = c.OTLPHTTP.Auth
	n := start(t, c)
	at := n.Endpoints()
	conn, err := grpc.NewClient(at["otlp_grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	withKey := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "key")
	export := func(ctx context.Context, items int, large bool) {
		message := &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: make([]*logspb.LogRecord, items)}}}}}
		for i := range items {
			message.ResourceLogs[0].ScopeLogs[0].LogRecords[i] = &logspb.LogRecord{EventName: strings.Repeat("x", 1+map[bool]int{true: 1 << 17}[large])}
		}
		_ = conn.Invoke(ctx, "/"+otlp.Logs.GRPCService()+"/Export", message, &emptypb.Empty{}) // what came of it is in the metrics
	}
	post := func(path string, body []byte, headers ...string) {
		request(t, http.MethodPost, at["otlp_http"]+path, body, append(headers, "Content-Type", "application/x-protobuf")...)
	}
	traces, odd := body(otlp.Traces), oddLogs(t)
	before := scrape(t, n)

	export(withKey, 3, false)
	export(withKey, 1, true)
	export(t.Context(), 1, false)
	post("/v1/traces", traces, "X-API-Key", "key")
	post("/v1/traces", traces)
	post("/v1/traces", []byte{0xff}, "X-API-Key", "key")
	post("/v1/metrics", make([]byte, 1<<17), "X-API-Key", "key")
	post("/v1/metrics", nil, "X-API-Key", "key", "Content-Encoding", "br")
	post("/v1/metrics", nil, "X-API-Key", "key") // no items: accepted, and nothing to journal
	_ = n.Accept(t.Context(), otlp.Logs, odd)
	_ = n.Accept(t.Context(), otlp.Logs, odd[:len(odd)-4])
	_ = n.Accept(t.Context(), otlp.Count, nil) // of no signal, so it is in no metric

	perRecord := 3 // {EventName: "x"}
	logBytes := 3*(perRecord+2) + 2 + 2
	want := map[string]float64{
		`receiver_accepted_requests_total{signal="logs",transport="grpc"}`:    1,
		`receiver_accepted_items_total{signal="logs",transport="grpc"}`:       3,
		`receiver_accepted_bytes_total{signal="logs",transport="grpc"}`:       float64(logBytes),
		`receiver_accepted_requests_total{signal="traces",transport="http"}`:  1,
		`receiver_accepted_items_total{signal="traces",transport="http"}`:     10,
		`receiver_accepted_bytes_total{signal="traces",transport="http"}`:     float64(len(traces)),
		`receiver_accepted_requests_total{signal="metrics",transport="http"}`: 1,
		`receiver_accepted_requests_total{signal="logs",transport="library"}`: 1,
		`receiver_accepted_items_total{signal="logs",transport="library"}`:    2,
		`receiver_accepted_bytes_total{signal="logs",transport="library"}`:    float64(len(odd)),

		`receiver_refused_requests_total{reason="too_large",signal="logs",transport="grpc"}`:         1,
		`receiver_refused_requests_total{reason="unauthenticated",signal="logs",transport="grpc"}`:   1,
		`receiver_refused_requests_total{reason="unauthenticated",signal="traces",transport="http"}`: 1,
		`receiver_refused_requests_total{reason="invalid",signal="traces",transport="http"}`:         1,
		`receiver_refused_requests_total{reason="too_large",signal="metrics",transport="http"}`:      1,
		`receiver_refused_requests_total{reason="unsupported",signal="metrics",transport="http"}`:    1,
		`receiver_refused_requests_total{reason="invalid",signal="logs",transport="library"}`:        1,

		`decoder_dropped_total{signal="logs",what="unknown_fields"}`:   1,
		`decoder_dropped_total{signal="logs",what="ill_sized_ids"}`:    1,
		`decoder_dropped_total{signal="logs",what="empty_containers"}`: 1,

		"journal_appended_requests_total": 3,
		"journal_appended_bytes_total":    float64(logBytes + len(traces) + len(odd)),
		"journal_segments":                1,
		"journal_size_bytes":              float64(n.journal.Size()),
	}
	middle := scrape(t, n)
	expectChanges(t, before, middle, want)

	if err := n.Flush(t.Context(), otlp.Signals[:]...); err != nil {
		t.Fatal(err)
	}
	want = map[string]float64{}
	for signal, rows := range map[string]float64{"logs": 5, "traces": 10} {
		label := `{signal="` + signal + `"}`
		want["files_written_items_total"+label], want["files_written_batches_total"+label] = rows, 1
		want["files_opened_total"+label], want["files_write_seconds_count"+label] = 1, 1
		want["files_batch_rows_count"+label], want["files_batch_rows_sum"+label] = 1, rows
	}
	after := scrape(t, n)
	for _, s := range []otlp.Signal{otlp.Logs, otlp.Traces} {
		files, err := n.Files(t.Context(), s)
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		name := `files_written_bytes_total{signal="` + s.String() + `"}`
		if grown := after[name]; grown <= 0 || grown >= float64(files[0].Length) { // the schema is not of a batch
			t.Errorf("%s is %v, of a file with %d", name, grown, files[0].Length)
		}
		want[name] = after[name]
	}
	delete(want, "journal_size_bytes")
	for _, volatile := range []string{"journal_size_bytes", "journal_segments"} { // released in the background
		delete(after, volatile)
	}
	expectChanges(t, middle, after, want)
}

// TestScrapeRotations: a file that reached its size, and one that was removed.
func TestScrapeRotations(t *testing.T) {
	c := watched(t)
	n := start(t, c)
	for range 2 {
		if err := n.Accept(t.Context(), otlp.Logs, body(otlp.Logs)); err != nil {
			t.Fatal(err)
		}
		files, err := n.Files(t.Context(), otlp.Logs)
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if err := os.Remove(files[0].Path); err != nil {
			t.Fatal(err)
		}
	}
	values := scrape(t, n)
	if r, o := values[`files_rotations_total{signal="logs"}`], values[`files_opened_total{signal="logs"}`]; r != 1 || o != 2 {
		t.Errorf("%v rotations and %v files, want 1 and 2", r, o)
	}
}

// TestScrapeAdoption: what the dead left, and what of it is damaged.
func TestScrapeAdoption(t *testing.T) {
	disk, c := memfs.New(), crashConfig(config.Fsync)
	c.Health.Enabled, c.Metrics.Enabled, c.Metrics.Endpoint = false, true, "127.0.0.1:0"
	first := startOn(t, disk, c)
	for i := range 3 {
		if err := first.Accept(t.Context(), otlp.Logs, logRequest(t, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	crashed := disk.Clone(memfs.PowerLoss())
	if values := scrape(t, first); values["journal_fsync_seconds_count"] != 3 || values["journal_appended_requests_total"] != 3 {
		t.Errorf("%v syncs for %v requests", values["journal_fsync_seconds_count"], values["journal_appended_requests_total"])
	}
	damageSecond(t, crashed)
	second := startOn(t, crashed, c)
	values := scrape(t, second)
	for name, want := range map[string]float64{
		"journal_adopted_requests_total": 2, `journal_damaged_parts_total{tail="false"}`: 1, `journal_damaged_parts_total{tail="true"}`: 0,
		`files_written_items_total{signal="logs"}`: 2, `files_opened_total{signal="logs"}`: 1,
	} {
		if values[name] != want {
			t.Errorf("%s is %v, want %v", name, values[name], want)
		}
	}
	if values[`journal_damaged_bytes_total{tail="false"}`] < 50<<10 {
		t.Error("no damaged bytes")
	}
}

func startOn(t *testing.T, disk fsys.FS, c config.Config) *Node {
	t.Helper()
	n, err := StartOn(disk, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
	return n
}

// damageSecond turns a byte in the body of the journal's second record.
func damageSecond(t *testing.T, disk *memfs.FS) {
	t.Helper()
	entries, err := disk.ReadDir(journals("/out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		dir := filepath.Join(journals("/out"), entry.Name())
		segments, _ := disk.ReadDir(dir)
		for _, segment := range segments {
			file, err := disk.OpenFile(filepath.Join(dir, segment.Name()), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteAt([]byte{'!'}, 75<<10); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no segment")
}

// TestMetricNames: Prometheus' own linter has nothing to say of ours.
func TestMetricNames(t *testing.T) {
	n := start(t, forwarding(watched(t), "127.0.0.1:9"))
	registry := obs.NewRegistry()
	registry.Add(n.families()...)
	gathered, err := registry.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	ours := gathered[:0]
	for _, family := range gathered {
		if strings.HasPrefix(family.GetName(), obs.Prefix) {
			ours = append(ours, family)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(ours).Lint()
	if err != nil || len(problems) > 0 || len(ours) != len(n.families()) {
		t.Errorf("%d families, %v, %v", len(ours), problems, err)
	}
}

// row is how docs/operations.md tells of a family.
func row(f obs.Family) string {
	unit := strings.TrimSuffix(f.Name, "_total")
	unit = unit[strings.LastIndexByte(unit, '_')+1:]
	switch unit {
	case "bytes", "seconds", "items", "requests", "batches", "rows", "segments", "records", "parts":
	case "failures":
		unit = "tries"
	case "opened", "rotations":
		unit = "files"
	case "refusals":
		unit = "requests"
	case "dropped":
		unit = "fields, ids, containers"
	default:
		unit = ""
	}
	labels := make([]string, len(f.Labels))
	for i, label := range f.Labels {
		labels[i] = "`" + label + "`"
	}
	return fmt.Sprintf("| `%s%s` | %s | %s | %s | %s |", obs.Prefix, f.Name, f.Kind, strings.Join(labels, ", "), unit, f.Help)
}

// TestMetricsAreDocumented: each family has its row in docs/operations.md, and nothing else has.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	families := start(t, forwarding(watched(t), "127.0.0.1:9")).families()
	for _, f := range families {
		if !strings.Contains(string(text), "\n"+row(f)+"\n") {
			t.Errorf("docs/operations.md lacks\n%s", row(f))
		}
	}
	if rows := strings.Count(string(text), "\n| `"+obs.Prefix); rows != len(families) {
		t.Errorf("docs/operations.md has %d rows of metrics, want %d", rows, len(families))
	}
}

// BenchmarkDoor is what counting adds to a request.
func BenchmarkDoor(b *testing.B) {
	c := crashConfig(config.Memory)
	n, err := StartOn(memfs.New(), c, quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = n.Shutdown(context.Background()) }()
	b.Run("counted", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = n.library.Accept(b.Context(), otlp.Logs, nil)
		}
	})
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = n.ingest.Accept(b.Context(), otlp.Logs, nil)
		}
	})
}
