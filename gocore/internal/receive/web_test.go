package receive

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

func startWeb(t *testing.T, w *Web) {
	t.Helper()
	mustListen(t, w)
	w.Serve()
	t.Cleanup(func() { shutDown(t, w) })
}

func get(t *testing.T, client *http.Client, url string, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(request)
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

func TestWebAsksForKeysAndTLS(t *testing.T) {
	g := newGuarded(t).withTLS("server").withKeys()
	metrics := NewMetrics(g.at, hello, g.log.Logger())
	startWeb(t, metrics)
	health := NewHealth(HealthConfig{Enabled: true, Endpoint: g.at.Endpoint, TLS: g.at.TLS}, hello, g.log.Logger())
	startWeb(t, health)
	client := (&httpRig{}).newClient(t, g.authority.Client(), false)
	tests := []struct {
		name, at string
		headers  []string
		code     int
		text     string
	}{
		{"no key", metrics.Addr(), nil, 401, "key"},
		{"wrong key", metrics.Addr(), []string{secure.APIKeyHeader, "key-3"}, 401, "key"},
		{"key", metrics.Addr(), []string{secure.APIKeyHeader, "key-1"}, 200, "hello"},
		{"token", metrics.Addr(), []string{secure.AuthorizationHeader, "Bearer token-2"}, 200, "hello"},
		{"health needs none", health.Addr(), nil, 200, "hello"},
	}
	for _, tt := range tests {
		if code, text := get(t, client, "https://"+tt.at+"/", tt.headers...); code != tt.code || !strings.Contains(text, tt.text) {
			t.Errorf("%s: %d %q, want %d %q", tt.name, code, text, tt.code, tt.text)
		}
	}
}

// TestWebCutsOff: a scrape that does not end holds up no shutdown.
func TestWebCutsOff(t *testing.T) {
	begun := make(chan struct{})
	w := NewMetrics(Endpoint{Enabled: true, Endpoint: "127.0.0.1:0"}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}), quiet())
	mustListen(t, w)
	w.Serve()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var asking sync.WaitGroup
	asking.Go(func() {
		answer, err := (&http.Client{Transport: transport}).Get("http://" + w.Addr())
		if err == nil {
			_ = answer.Body.Close()
		}
	})
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := w.Shutdown(ctx); fault.KindOf(err) != fault.Timeout {
		t.Errorf("%v, want a timeout", err)
	}
	asking.Wait()
}

// TestHealthWarnsOfNothing: it is there for others; metrics are not.
func TestHealthWarnsOfNothing(t *testing.T) {
	for section, warns := range map[string]bool{healthSection: false, metricsSection: true} {
		var out strings.Builder
		Endpoint{Enabled: true, Endpoint: "0.0.0.0:0"}.warn(section, slog.New(slog.NewTextHandler(&out, nil)))
		if (out.Len() > 0) != warns {
			t.Errorf("%s: %q", section, out.String())
		}
	}
}

func TestWebConfig(t *testing.T) {
	for _, faults := range [][]error{DefaultHealth().Validate("health"), DefaultMetrics().Validate("metrics")} {
		if len(faults) > 0 {
			t.Error(faults)
		}
	}
	if got := (HealthConfig{Enabled: true, Endpoint: "x"}).Validate("health"); len(got) != 1 || !strings.HasPrefix(got[0].Error(), "health.endpoint: ") {
		t.Error(got)
	}
}
