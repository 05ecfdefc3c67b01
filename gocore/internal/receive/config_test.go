package receive

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

func TestDefaultsAreValid(t *testing.T) {
	faults := append(DefaultGRPC().Validate("grpc"), DefaultHTTP().Validate("http")...)
	if faults = append(faults, DefaultLimits().Validate("limits")...); len(faults) != 0 {
		t.Fatal(faults)
	}
}

func TestValidateTellsEveryFault(t *testing.T) {
	at := func(text string) Endpoint { return Endpoint{Enabled: true, Endpoint: text} }
	for want, faults := range map[string][]error{
		`[g.endpoint: "x" is neither host:port, [::1]:port nor unix:/path g.max_concurrent_streams: 0 is not within 1 to 65536]`: GRPCConfig{Endpoint: at("x")}.Validate("g"),
		`[h.endpoint: "a:70000": port "70000" is not within 0 to 65535 h.cors_allowed_origins[1]: "shop.example" is neither "*" nor scheme://host[:port]]`: HTTPConfig{
			Endpoint: at("a:70000"), CORSAllowedOrigins: []string{"*", "shop.example"}}.Validate("h"),
		`[h.endpoint: "unix:" names no socket: want unix:/path]`: HTTPConfig{Endpoint: at("unix:")}.Validate("h"),
		`[h.endpoint: "x" is neither host:port, [::1]:port nor unix:/path h.tls.key_file: is empty, and h.tls.cert_file needs it h.auth.api_keys[0]: is empty]`: Endpoint{
			Enabled: true, Endpoint: "x", TLS: secure.TLSConfig{CertFile: "c"}, Auth: secure.KeyConfig{APIKeys: secure.Secrets([]string{""})}}.Validate("h"),
		`[]`: HTTPConfig{CORSAllowedOrigins: []string{"https://a.b:80"}}.Validate("h"),
		`[l.max_request_bytes: 5 is not within 1024 to 1073741824 l.max_inflight_bytes: 9 is less than twice max_request_bytes, 10]`: Limits{5, 9}.Validate("l"),
	} {
		if got := fmt.Sprint(faults); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestClosedEndpointMayLackItsFiles(t *testing.T) {
	if faults := (Endpoint{TLS: secure.TLSConfig{CertFile: "-"}, Auth: secure.KeyConfig{APIKeysFile: "-"}}).Validate("h"); len(faults) != 0 {
		t.Error(faults)
	}
}

func TestConfigJSONNames(t *testing.T) {
	http := DefaultHTTP()
	http.Auth.APIKeys, http.Auth.BearerTokens = secure.Secrets([]string{"hush"}), secure.Secrets([]string{"a", "b"})
	got, err := json.Marshal([]any{DefaultGRPC(), http, DefaultLimits()})
	const noTLS = `"tls":{"cert_file":"","key_file":"","client_ca_file":""}`
	want := `[{"enabled":true,"endpoint":"127.0.0.1:4317",` + noTLS +
		`,"auth":{"api_keys":null,"api_keys_file":"","bearer_tokens":null,"bearer_tokens_file":""},"max_concurrent_streams":256},` +
		`{"enabled":true,"endpoint":"127.0.0.1:4318",` + noTLS +
		`,"auth":{"api_keys":["***"],"api_keys_file":"","bearer_tokens":["***","***"],"bearer_tokens_file":""},"cors_allowed_origins":null},` +
		`{"max_request_bytes":67108864,"max_inflight_bytes":268435456}]`
	if err != nil || string(got) != want {
		t.Fatalf("%s, %v", got, err)
	}
}

func TestAdmissionRefusesAndCounts(t *testing.T) {
	a := NewAdmission(10)
	if err := errors.Join(a.Acquire(7), a.Acquire(3)); err != nil {
		t.Fatal(err)
	}
	err := a.Acquire(1)
	if fault.KindOf(err) != fault.Overloaded || fault.RetryAfterOf(err) != retryAfter || a.Refused() != 1 || a.Held() != 10 {
		t.Fatalf("%v, %d refused, %d held", err, a.Refused(), a.Held())
	}
	a.Release(10)
	if err := a.Acquire(10); err != nil {
		t.Fatal(err)
	}
}
