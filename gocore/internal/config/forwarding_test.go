package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
)

const yamlDestinations = `
forwarding:
  - name: a
    endpoint: collector:4317
    headers: {x-tenant: SECRET}
    auth: {api_key: SECRET}
  - {name: b, protocol: otlp_http, endpoint: "http://b:4318", timeout: 2.5, sending_queue: {max_age: 1h}}
`

// TestForwarding: the list has the same meaning from each of the ways in, and its secrets are hidden.
func TestForwarding(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(yamlDestinations), 0o600); err != nil {
		t.Fatal(err)
	}
	document := `[{"name":"a","endpoint":"collector:4317","headers":{"x-tenant":"SECRET"},"auth":{"api_key":"SECRET"}},` +
		`{"name":"b","protocol":"otlp_http","endpoint":"http://b:4318","timeout":"2.5s","sending_queue":{"max_age":3600}}]`
	values, err := parseJSON(document)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Sources{
		"file": {File: file}, "environment": {Env: map[string]string{"OTLP_FORWARDING": document}},
		"values": {Values: map[string]any{"forwarding": values}}, "assignment": {Set: []string{"forwarding=" + document}},
	} {
		c, _, err := Load(s)
		if err != nil || len(c.Forwarding) != 2 {
			t.Errorf("%s: %v, %+v", name, err, c.Forwarding)
			continue
		}
		a, b := c.Forwarding[0], c.Forwarding[1]
		if a.Protocol != forward.OTLPGRPC || !a.Auth.APIKey.IsSet() || b.Timeout != forward.Duration(2500*time.Millisecond) || b.SendingQueue.MaxAge != forward.Duration(time.Hour) {
			t.Errorf("%s: %+v", name, c.Forwarding)
		}
		if text := string(c.JSON()); strings.Contains(text, "SECRET") || !strings.Contains(text, `"api_key":"***"`) {
			t.Errorf("%s: %s", name, text)
		}
	}
	for _, none := range []Sources{{Env: map[string]string{"OTLP_FORWARDING": ""}}, {Values: map[string]any{"forwarding": nil}}, {Set: []string{"forwarding=[]"}}} {
		if c, _, err := Load(none); err != nil || c.Forwarding != nil {
			t.Errorf("%v, %v", c.Forwarding, err)
		}
	}
}

func TestForwardingFaults(t *testing.T) {
	for value, want := range map[string]string{
		`{"SECRET":1}`:                           "is not a list of destinations",
		`SECRET`:                                 "is not a list of destinations",
		`[{"nam":"a"}]`:                          `[0]: unknown field "nam"`,
		`[{"name":"a","endpoint":"SECRET:x:1"}]`: "forwarding[0].endpoint",
		`[{"name":"a","endpoint":"h:1","protocol":"smtp"}]`:                                `forwarding[0].protocol: "smtp" is not one of`,
		`[{"name":"a","endpoint":"h:1","auth":{"bearer_token":{"env":"NOT_SET_AT_ALL"}}}]`: "forwarding[0].auth.bearer_token.env",
	} {
		_, _, err := Load(Sources{Env: map[string]string{"OTLP_FORWARDING": value}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "configuration: forwarding") || strings.Contains(err.Error(), `"SECRET"`) {
			t.Errorf("%s: %v", value, err)
		}
	}
	if _, _, err := Load(Sources{Values: map[string]any{"forwarding": func() {}}}); err == nil {
		t.Error("a function is taken")
	}
}
