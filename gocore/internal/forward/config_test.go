package forward

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, document string) (Config, error) {
	t.Helper()
	var c Config
	err := json.Unmarshal([]byte(document), &c)
	return c, err
}

// TestFaults: each wrong setting is told by its key, and no secret is.
func TestFaults(t *testing.T) {
	tests := []struct{ settings, want string }{
		{`"name":"a b"`, "d.name: "},
		{`"protocol":"otlp"`, "d.protocol: \"otlp\" is not one of"},
		{`"protocol":"smtp"`, "d.protocol: "},
		{`"endpoint":""`, "d.endpoint: is empty"},
		{`"endpoint":"localhost"`, "d.endpoint: "},
		{`"endpoint":"localhost:0"`, "d.endpoint: "},
		{`"endpoint":"http://localhost:1/path"`, "d.endpoint: gRPC has no path"},
		{`"endpoint":"https://localhost:1"`, "d.endpoint: is https"},
		{`"endpoint":"http://me:SECRET@localhost:1"`, "d.endpoint: "},
		{`"protocol":"otlp_http"`, "d.endpoint: "},
		{`"signals":[]`, "d.signals: is empty"},
		{`"signals":["logs","logs"]`, "d.signals: logs comes twice"},
		{`"signals":["spans"]`, "d.signals: "},
		{`"compression":"lz4"`, "d.compression: "},
		{`"timeout":"1ms"`, "d.timeout: 1ms is not within"},
		{`"batch":{"max_bytes":1}`, "d.batch.max_bytes: "},
		{`"batch":{"max_items":-1}`, "d.batch.max_items: "},
		{`"retry_on_failure":{"randomization_factor":2}`, "d.retry_on_failure.randomization_factor: "},
		{`"retry_on_failure":{"multiplier":0.5}`, "d.retry_on_failure.multiplier: "},
		{`"circuit_breaker":{"failures":0}`, "d.circuit_breaker.failures: "},
		{`"sending_queue":{"max_bytes":5000000}`, "d.sending_queue.max_bytes: "},
		{`"headers":{"content-type":"SECRET"}`, "d.headers.content-type: is set by the protocol"},
		{`"headers":{"a b":"SECRET"}`, "d.headers.a b: is no name"},
		{`"headers":{"x":""}`, "d.headers.x: is empty"},
		{`"headers":{"x":null}`, "d.headers.x: "},
		{`"headers":{"x":"SECRET\n"}`, "d.headers.x: has a character"},
		{`"headers":{"x":{"env":"NOT_SET_AT_ALL"}}`, "d.headers.x.env: NOT_SET_AT_ALL: is empty"},
		{`"headers":{"x":{"file":"/nowhere"}}`, "d.headers.x.file: "},
		{`"auth":{"api_key":"SECRET","bearer_token":"SECRET"}`, "d.auth: want one of"},
		{`"auth":{"basic":{"username":"a:b","password":"SECRET"}}`, "d.auth.basic.username: "},
		{`"auth":{"basic":{"username":"a"}}`, "d.auth.basic.password: is missing"},
		{`"tls":{"insecure":true,"ca_file":"x"}`, "d.tls.insecure: "},
		{`"tls":{"insecure":false,"cert_file":"x"}`, "d.tls.key_file: "},
	}
	for _, tt := range tests {
		t.Run(tt.settings, func(t *testing.T) {
			c, err := parse(t, `{"name":"a","endpoint":"localhost:4317","tls":{"insecure":true},`+tt.settings+`}`)
			noError(t, err)
			text := errors.Join(c.Validate("d", 4<<20)...)
			if text == nil || !strings.Contains(text.Error(), tt.want) || strings.Contains(text.Error(), "SECRET") {
				t.Errorf("%v, want %s", text, tt.want)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	for _, document := range []string{
		`{"nam":"a"}`, `{"timeout":"soon"}`, `{"timeout":-1}`, `{"timeout":true}`, `{"auth":{"api_key":{"SECRET":"x"}}}`, `{"auth":{"api_key":["SECRET"]}}`,
	} {
		if _, err := parse(t, document); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", document, err)
		}
	}
}

func TestValidateAll(t *testing.T) {
	a := Default()
	a.Name, a.Endpoint = "a", "localhost:4317"
	b := a
	b.Name = "A"
	if faults := ValidateAll("forwarding", []Config{a, b}, 4<<20); len(faults) != 1 || !strings.HasPrefix(faults[0].Error(), `forwarding[1].name: "A" is another's name`) {
		t.Errorf("%v", faults)
	}
	if faults := ValidateAll("forwarding", make([]Config, MaxDestinations+1), 4<<20); len(faults) != 1 {
		t.Errorf("%d faults", len(faults))
	}
}

// TestDefaults: what is not said has its default, and what is printed can be read but for secrets.
func TestDefaults(t *testing.T) {
	c, err := parse(t, `{"name":"a","endpoint":"https://host","timeout":2.5,"auth":{"basic":{"username":"u","password":"SECRET"}},
		"headers":{"x":"SECRET","y":{"env":"HOME"},"z":{"file":"/f"}},"retry_on_failure":{"max_interval":"1m"}}`)
	noError(t, err)
	if c.Timeout != Duration(2500*time.Millisecond) || !c.RetryOnFailure.Enabled || c.Batch.MaxBytes != 4<<20 || c.CircuitBreaker.Failures != 5 ||
		c.CircuitBreaker.Open != Duration(30*time.Second) || len(c.Signals) != 3 {
		t.Errorf("%+v", c)
	}
	printed, err := json.Marshal(c)
	noError(t, err)
	if strings.Contains(string(printed), "SECRET") || !strings.Contains(string(printed), `{"x":"***","y":{"env":"HOME"},"z":{"file":"/f"}}`) {
		t.Errorf("%s", printed)
	}
	var again Config
	noError(t, json.Unmarshal(printed, &again))
	bare := Default()
	bare.Name, bare.Endpoint = "a", "host:1"
	printed, err = json.Marshal(bare)
	noError(t, err)
	var same Config
	noError(t, json.Unmarshal(printed, &same))
	if faults := same.Validate("d", 4<<20); len(faults) > 0 {
		t.Errorf("what is printed cannot be used: %v", faults)
	}
	if again.Timeout != c.Timeout || again.RetryOnFailure != c.RetryOnFailure {
		t.Errorf("%+v", again)
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		protocol, endpoint string
		insecure           bool
		want               target
	}{
		{OTLPGRPC, "host:4317", false, target{address: "host:4317"}},
		{OTLPGRPC, "[::1]:4317", true, target{address: "[::1]:4317", plain: true}},
		{OTLPGRPC, "http://host:4317", false, target{address: "host:4317", plain: true}},
		{OTLPGRPC, "https://host/", false, target{address: "host:443"}},
		{OTLPHTTP, "http://host:4318/", false, target{url: "http://host:4318", plain: true}},
		{OTLPHTTPJSON, "https://host/otlp", false, target{url: "https://host/otlp"}},
	}
	for _, tt := range tests {
		c := Config{Protocol: tt.protocol, Endpoint: tt.endpoint}
		c.TLS.Insecure = tt.insecure
		if got, err := c.target(); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.endpoint, got, err)
		}
	}
}
