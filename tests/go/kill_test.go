package blackbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

const (
	killRounds     = 30 // OTLP_ARROW_KILLS=500 go test ./tests/go -run Kill -timeout 60m for more
	recordsPerSend = 3
)

// service builds the binary.
func service(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "otlp-arrow")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", binary, "../../gocore/cmd/otlp-arrow")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// process is a running service.
type process struct {
	command   *exec.Cmd
	output    *bytes.Buffer
	endpoints map[string]string
}

func launch(t *testing.T, binary, dir string, settings ...string) *process {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	args := []string{"serve", "--output-dir", dir, "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0",
		"--arrow", "off", "--health", "off", "--metrics", "off", "--ready-file", ready}
	for _, setting := range settings {
		args = append(args, "--set", setting)
	}
	p := &process{command: exec.Command(binary, args...), output: &bytes.Buffer{}}
	p.command.Stderr = p.output
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	for range 600 {
		if line, err := os.ReadFile(ready); err == nil && bytes.HasSuffix(line, []byte("\n")) {
			var told struct {
				Endpoints map[string]string `json:"endpoints"`
			}
			if err := json.Unmarshal(line, &told); err != nil {
				t.Fatal(err)
			}
			p.endpoints = told.Endpoints
			return p
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = p.command.Process.Kill()
	t.Fatalf("the service is not ready: %s", p.output)
	return nil
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// terminate stops the service as an operator would.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.command.Wait(); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, p.output)
	}
}

// ledger is what senders know: each request's name, and whether it was acknowledged.
type ledger struct {
	mu    sync.Mutex // guards acked
	acked map[string]bool
}

func (l *ledger) note(name string, acknowledged bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[name] = acknowledged
}

func namedRequest(t *testing.T, name string) []byte {
	t.Helper()
	var records []*logspb.LogRecord
	for i := range recordsPerSend {
		text := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: fmt.Sprintf("%s.%d", name, i)}}
		padding := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.Repeat("x", 2000)}}
		records = append(records, &logspb.LogRecord{Body: text, Attributes: []*commonpb.KeyValue{{Key: "padding", Value: padding}}})
	}
	body, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// load sends until ctx ends.
func load(ctx context.Context, t *testing.T, p *process, round int, l *ledger) *sync.WaitGroup {
	t.Helper()
	all := &sync.WaitGroup{}
	for sender := range 4 {
		send := dialGRPC(t, p.endpoints["otlp_grpc"])
		if sender%2 == 1 {
			send = dialHTTP(t, p.endpoints["otlp_http"], "application/x-protobuf")
		}
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := fmt.Sprintf("r%d-s%d-%d", round, sender, i)
				l.note(name, false)
				if err := send(ctx, otlparrow.Logs, namedRequest(t, name)); err == nil {
					l.note(name, true)
				} else {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	return all
}

// bodiesIn counts the log bodies in the files of a directory.
func bodiesIn(t *testing.T, dir string) map[string]int {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "otlp", "logs", "otlp_*.arrows"))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bodies, err := readback.Texts(data, "body")
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		for _, text := range bodies {
			counts[text]++
		}
	}
	return counts
}

// check compares the ledger with the files: acknowledged once, others at most once.
func (l *ledger) check(t *testing.T, dir string) {
	t.Helper()
	counts := bodiesIn(t, dir)
	acknowledged, unacknowledged, wrong := 0, 0, 0
	for name, acked := range l.acked {
		for i := range recordsPerSend {
			n := counts[fmt.Sprintf("%s.%d", name, i)]
			if acked && n != 1 || n > 1 {
				if wrong++; wrong < 10 {
					t.Errorf("%s.%d is stored %d times, acknowledged: %v", name, i, n, acked)
				}
			}
		}
		if acked {
			acknowledged++
		} else {
			unacknowledged++
		}
	}
	t.Logf("%d requests acknowledged, %d not; %d records wrong", acknowledged, unacknowledged, wrong)
	if acknowledged == 0 {
		t.Error("nothing was acknowledged: this shows nothing")
	}
}

// TestKill: the service under load is killed with SIGKILL at random moments. Each acknowledged
// request is in the tables exactly once, each other one at most once.
func TestKill(t *testing.T) {
	rounds := killRounds
	if n, err := strconv.Atoi(os.Getenv("OTLP_ARROW_KILLS")); err == nil {
		rounds = n
	}
	binary, dir := service(t), t.TempDir()
	l := &ledger{acked: map[string]bool{}}
	// A small queue and small files, so that the kills meet writing, rotating and releasing.
	settings := []string{"queue.max_bytes=1048576", "files.rotate_bytes=262144", "write_interval_secs=1", "log.level=warn"}
	for round := range rounds {
		p := launch(t, binary, dir, settings...)
		ctx, cancel := context.WithCancel(t.Context())
		senders := load(ctx, t, p, round, l)
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond) //nolint:gosec // a moment, not a secret
		p.kill()
		cancel()
		senders.Wait()
	}
	last := launch(t, binary, dir, settings...)
	last.terminate(t)
	l.check(t, dir)
	if left, err := os.ReadDir(filepath.Join(dir, "otlp", ".journal")); err != nil || len(left) != 0 {
		t.Errorf("a stop leaves %v, %v in the journals' directory", left, err)
	}
}

// TestTerminateUnderLoad: SIGTERM while requests come loses nothing that was acknowledged.
func TestTerminateUnderLoad(t *testing.T) {
	binary, dir := service(t), t.TempDir()
	l := &ledger{acked: map[string]bool{}}
	for round := range 3 {
		p := launch(t, binary, dir, "durability="+[]string{"memory", "write", "fsync"}[round])
		ctx, cancel := context.WithCancel(t.Context())
		senders := load(ctx, t, p, round, l)
		time.Sleep(300 * time.Millisecond)
		p.terminate(t)
		cancel()
		senders.Wait()
	}
	l.check(t, dir)
}
