//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

// TestServe: what was acknowledged before SIGTERM is in the files after it.
func TestServe(t *testing.T) {
	for _, stop := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(stop.String(), func(t *testing.T) {
			dir, file := t.TempDir(), filepath.Join(t.TempDir(), "ready")
			var out, log bytes.Buffer
			done := make(chan error, 1)
			go func() {
				done <- run([]string{"serve", "--output-dir", dir, "--otlp-grpc=127.0.0.1:0", "--otlp-http=127.0.0.1:0",
					"--health=127.0.0.1:0", "--metrics=127.0.0.1:0", "--ready-file", file, "--log-format", "json"}, &out, &log)
			}()
			line := await(t, file, done)
			post(t, line.Endpoints["otlp_http"])
			expectPage(t, line.Endpoints["health"]+"/readyz", "ok\n")
			expectPage(t, line.Endpoints["metrics"]+"/metrics", `otlp_arrow_receiver_accepted_items_total{signal="logs",transport="http"} 100`)
			if err := syscall.Kill(os.Getpid(), stop); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := rowsBelow(t, dir); got != 100 {
				t.Errorf("%d rows, want 100", got)
			}
			if !strings.Contains(out.String(), `"event":"ready"`) || !strings.Contains(log.String(), `"msg":"started"`) {
				t.Errorf("out %q, log %q", out.String(), log.String())
			}
		})
	}
}

type readyLine struct {
	Event     string
	PID       int
	Endpoints map[string]string
}

func await(t *testing.T, file string, done <-chan error) (line readyLine) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-done:
			t.Fatalf("serve ended: %v", err)
		default:
		}
		text, err := os.ReadFile(file)
		if err != nil || !bytes.HasSuffix(text, []byte("\n")) {
			continue
		}
		if err := json.Unmarshal(text, &line); err != nil || line.Event != "ready" || line.PID != os.Getpid() {
			t.Fatalf("the ready line is %s: %v", text, err)
		}
		return line
	}
	t.Fatal("no ready line")
	return line
}

func post(t *testing.T, address string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	body := bytes.NewReader(sample.New(1, 1).Body("logs", 100))
	answer, err := client.Post("http://"+address+"/v1/logs", "application/x-protobuf", body)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("answered %s", answer.Status)
	}
}

func expectPage(t *testing.T, at, want string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	page, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Get("http://" + at)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	if err != nil || page.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
		t.Errorf("%s: %d %v, lacks %q", at, page.StatusCode, err, want)
	}
}

func rowsBelow(t *testing.T, dir string) (n int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "otlp", "logs", "*.arrows"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		count, err := readback.Rows(data)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		n += count
	}
	return n
}
