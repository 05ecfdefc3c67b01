package node

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

var quiet = slog.New(slog.DiscardHandler)

// expectHealth: reasons are parts of those that are told.
func expectHealth(t *testing.T, n *Node, when, status string, ready bool, reasons ...string) {
	t.Helper()
	h := n.Health()
	same := func(told, want string) bool { return strings.Contains(told, want) }
	if h.Status != status || h.Ready != ready || !slices.EqualFunc(h.Reasons, reasons, same) {
		t.Errorf("%s: %+v, want %s, ready %v, %q", when, h, status, ready, reasons)
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// full is a disk without room below a path, while it is on.
type full struct {
	on    atomic.Bool
	below string
}

func (f *full) hook(op memfs.Op) error {
	grows := op.Kind == memfs.Write || op.Kind == memfs.Create || op.Kind == memfs.Truncate
	if f.on.Load() && grows && strings.HasPrefix(op.Name, f.below) {
		return syscall.ENOSPC
	}
	return nil
}

// TestHealthOfTheJournal: a disk without room refuses, is tried again, and is well again.
func TestHealthOfTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, noRoom := memfs.New(), &full{below: journals("/out")}
		n := startOn(t, disk, crashConfig(config.Write))
		expectHealth(t, n, "at first", "ok", true)
		disk.SetHook(noRoom.hook)
		noRoom.on.Store(true)
		if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, "1")); fault.KindOf(err) != fault.IO {
			t.Fatalf("%v, want an I/O error", err)
		}
		expectHealth(t, n, "without room", "degraded", false, "journaling fails: begin a journal segment: create ")
		time.Sleep(refusing)
		expectHealth(t, n, "when nobody tried for a while", "degraded", true, "no space left")
		_ = n.Accept(t.Context(), otlp.Logs, logRequest(t, "2"))
		expectHealth(t, n, "tried again", "degraded", false, "no space left")
		noRoom.on.Store(false)
		time.Sleep(time.Second)
		if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, "3")); err != nil {
			t.Fatal(err)
		}
		expectHealth(t, n, "with room again", "ok", true)
		if err := n.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		expectHealth(t, n, "at the end", "stopping", false, "is written")
	})
}

// TestHealthOfTheFiles: while batches cannot be written requests are taken, until the journal or
// the queue is full; when they can be written again, all is well without a further request.
func TestHealthOfTheFiles(t *testing.T) {
	for durability, reason := range map[string]string{config.Write: "the journal is full", config.Memory: "the queue of logs is full"} {
		t.Run(durability, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, noRoom := memfs.New(), &full{below: "/out/otlp/logs"}
				n := startOn(t, disk, crashConfig(durability))
				disk.SetHook(noRoom.hook)
				noRoom.on.Store(true)
				take := func() error { return n.Accept(t.Context(), otlp.Logs, logRequest(t, "x")) }
				if err := take(); err != nil {
					t.Fatal(err)
				}
				flush(t, n)
				expectHealth(t, n, "without room for files", "degraded", true, "writing fails, it is tried again: write logs: create ")
				crowdedOnce := false
				var err error
				for i := 0; err == nil && i < 100; i++ {
					err = take()
					flush(t, n)
					h := n.Health()
					crowdedOnce = crowdedOnce || h.Ready && strings.Contains(strings.Join(h.Reasons, ""), "% full")
				}
				if fault.KindOf(err) != fault.Overloaded {
					t.Fatalf("%v, want overloaded", err)
				}
				if !crowdedOnce && durability == config.Write {
					t.Error("a nearly full journal did not show")
				}
				h := n.Health()
				if h.Ready || !slices.ContainsFunc(h.Reasons, func(r string) bool { return strings.Contains(r, "is full, requests are refused") }) {
					t.Errorf("full: %+v, want %s", h, reason)
				}
				noRoom.on.Store(false)
				time.Sleep(10 * time.Second)
				expectHealth(t, n, "with room again", "ok", true)
			})
		})
	}
}

// flush seals and lets one try to write pass.
func flush(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = n.Flush(ctx, otlp.Logs)
}

// TestHealthOfAdoption: a journal that cannot be adopted at first is told until it is.
func TestHealthOfAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		first := startOn(t, disk, crashConfig(config.Write))
		if err := first.Accept(t.Context(), otlp.Logs, logRequest(t, "1")); err != nil {
			t.Fatal(err)
		}
		crashed, bad := disk.Clone(memfs.KillNine()), atomic.Bool{}
		bad.Store(true)
		crashed.SetHook(func(op memfs.Op) error {
			if bad.Load() && op.Kind == memfs.Rename {
				return errors.New("no")
			}
			return nil
		})
		n := startOn(t, crashed, crashConfig(config.Write))
		expectHealth(t, n, "not adopted", "degraded", true, "a dead process's journal could not be adopted")
		bad.Store(false)
		time.Sleep(5 * time.Second)
		expectHealth(t, n, "adopted", "ok", true)
	})
}

// TestHealthPages: what probes see of a node's life. The disk holds it up where it starts and stops.
func TestHealthPages(t *testing.T) {
	disk := memfs.New()
	c := crashConfig(config.Write)
	c.Health.Enabled, c.Health.Endpoint = true, freePort(t)
	at := c.Health.Endpoint
	expect := func(when, path string, code int, text string) {
		t.Helper()
		if gotCode, got := page(t, at+path); gotCode != code || !strings.Contains(got, text) {
			t.Errorf("%s: %s is %d %q, want %d %q", when, path, gotCode, got, code, text)
		}
	}
	hold := make(chan struct{})
	disk.SetHook(func(memfs.Op) error { <-hold; return nil })
	started := make(chan *Node)
	go func() {
		n, err := StartOn(disk, c, quiet)
		if err != nil {
			t.Error(err)
		}
		started <- n
	}()
	await(t, "it answers", func() bool {
		answer, err := http.Get("http://" + at + "/livez")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
	http.DefaultClient.CloseIdleConnections()
	expect("starting", "/livez", 200, "ok\n")
	expect("starting", "/readyz", 503, "starting\n")
	expect("starting", "/healthz", 503, `{"status":"starting","ready":false,"reasons":["files are opened`)
	close(hold)
	n := <-started
	if n == nil {
		t.FailNow()
	}
	expect("running", "/livez", 200, "ok\n")
	expect("running", "/readyz", 200, "ok\n")
	expect("running", "/nothing", 404, "")
	for _, path := range []string{"/", "/healthz"} {
		expect("running", path, 200, `{"status":"ok","ready":true,"reasons":[],"version":"`+obs.Version+`","uptime_secs":`)
	}
	if code, _ := request(t, http.MethodPost, at+"/", nil); code != http.StatusMethodNotAllowed {
		t.Errorf("POST gets %d", code)
	}
	hold = make(chan struct{})
	held := hold
	disk.SetHook(func(memfs.Op) error { <-held; return nil })
	if err := n.Accept(ended(t), otlp.Logs, nil); err != nil { // nothing to journal
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.Shutdown(ctx); fault.KindOf(err) != fault.Timeout {
		t.Errorf("Shutdown: %v, want a timeout", err)
	}
	expect("stopping", "/livez", 200, "ok\n")
	expect("stopping", "/readyz", 503, "stopping\n")
	var h Health
	if _, text := page(t, at+"/"); json.Unmarshal([]byte(text), &h) != nil || h.Status != "stopping" || h.Ready {
		t.Errorf("stopping: %s", text)
	}
	close(held)
	if err := n.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	expectListening(t, at, false)
}

func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestGRPCHealth: the health service on the OTLP port follows.
func TestGRPCHealth(t *testing.T) {
	disk, noRoom := memfs.New(), &full{below: journals("/out")}
	c := crashConfig(config.Write)
	c.OTLPGRPC.Enabled, c.OTLPGRPC.Endpoint.Endpoint = true, "127.0.0.1:0"
	n := startOn(t, disk, c)
	conn, err := grpc.NewClient(n.Endpoints()["otlp_grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	status := func() healthpb.HealthCheckResponse_ServingStatus {
		answer, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetStatus()
	}
	if got := status(); got != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("at first %s", got)
	}
	disk.SetHook(noRoom.hook)
	noRoom.on.Store(true)
	if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, "1")); err == nil {
		t.Fatal("accepted without room")
	}
	await(t, "NOT_SERVING", func() bool { return status() == healthpb.HealthCheckResponse_NOT_SERVING })
	noRoom.on.Store(false)
	await(t, "a request is accepted", func() bool { return n.Accept(t.Context(), otlp.Logs, logRequest(t, "1")) == nil })
	await(t, "SERVING", func() bool { return status() == healthpb.HealthCheckResponse_SERVING })
}

// TestWatchersFail: a port in use is told with its key, before anything is on disk.
func TestWatchersFail(t *testing.T) {
	other := start(t, watched(t))
	for _, key := range []string{"health", "metrics"} {
		c := watched(t)
		c.OutputDir = filepath.Join(c.OutputDir, "new")
		if at := other.Endpoints()[key]; key == "health" {
			c.Health.Endpoint = at
		} else {
			c.Metrics.Endpoint = at
		}
		n, err := Start(c, quiet)
		if n != nil || fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), key+".endpoint") {
			t.Errorf("%s: %v, want a config error", key, err)
		}
		if _, err := os.Stat(c.OutputDir); err == nil {
			t.Errorf("%s: files were made", key)
		}
	}
	c := watched(t)
	c.OutputDir = filepath.Join(c.OutputDir, "file")
	if err := os.WriteFile(c.OutputDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Health.Endpoint = freePort(t)
	if n, err := Start(c, quiet); n != nil || fault.KindOf(err) != fault.Config {
		t.Errorf("%v, want a config error", err)
	}
	expectListening(t, c.Health.Endpoint, false)
}
