package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure/securetest"
)

const hush = "hush-hush"

// passes asks the settings' own check whether a key is good.
func passes(t *testing.T, c *Config, apiKey, authorization string) bool {
	t.Helper()
	keys, err := c.OTLPHTTP.Auth.Keys("a", secure.Env{Now: securetest.NewClock().Now, Log: (&obstest.Log{}).Logger()})
	if err != nil {
		t.Fatal(err)
	}
	return keys.Check(apiKey, authorization) == nil
}

// TestKeysFromEverySource: and printing shows none of them.
func TestKeysFromEverySource(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(hush+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, sources := range map[string]Sources{
		"YAML":     {File: yamlFile(t, "otlp_http:\n  auth:\n    api_keys: [other, "+hush+"]\n")},
		"variable": {Env: map[string]string{"OTLP_OTLP_HTTP_AUTH_API_KEYS": "other," + hush}},
		"values":   {Values: under("otlp_http.auth.api_keys", []any{hush})},
		"flags":    {Set: []string{"otlp_http.auth.api_keys=other," + hush}},
		"JSON":     {Set: []string{`otlp_http.auth.api_keys=["` + hush + `"]`}},
		"strings":  {Values: under("otlp_http.auth.api_keys", []string{hush})},
		"file":     {Values: under("otlp_http.auth.api_keys_file", file)},
		"over":     {File: yamlFile(t, "otlp_http: {auth: {api_keys: [x]}}"), Values: under("otlp_http.auth.api_keys", []any{hush})},
	} {
		c, _, err := Load(sources)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !passes(t, &c, hush, "") || passes(t, &c, "x", "") || passes(t, &c, "", "Bearer "+hush) {
			t.Errorf("%s: the key is not good, or another is", name)
		}
		for _, text := range []string{string(c.JSON()), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", &c)} {
			if strings.Contains(text, hush) {
				t.Errorf("%s: printed as %s", name, text)
			}
		}
	}
	c, _, err := Load(Sources{Env: map[string]string{"OTLP_OTLP_HTTP_AUTH_BEARER_TOKENS": hush}})
	if err != nil || !passes(t, &c, "", "Bearer "+hush) || !strings.Contains(string(c.JSON()), `"bearer_tokens":["***"]`) {
		t.Errorf("%s, %v", c.JSON(), err)
	}
}

// TestFaultsTellNoKeys: whatever is wrong with it or around it.
func TestFaultsTellNoKeys(t *testing.T) {
	const key = "otlp_http.auth.api_keys"
	notTold := key + ": is not a list of texts; what it is is not told here"
	for _, tt := range []struct {
		want    string
		sources Sources
	}{
		{notTold, Sources{Values: under(key, hush)}},
		{notTold, Sources{Values: under(key, map[string]any{hush: hush})}},
		{notTold, Sources{Values: under(key, []any{hush, 5})}},
		{notTold, Sources{Values: under(key, []any{json.Number("123456789")})}},
		{notTold, Sources{File: yamlFile(t, "otlp_http: {auth: {api_keys: 123456789}}")}},
		{notTold, Sources{Set: []string{key + "=[" + hush}}},
		{notTold, Sources{Set: []string{key + "={\"" + hush + "\":1}"}}},
		{notTold, Sources{File: yamlFile(t, "otlp_http: {auth: {api_keys: 0123456789}}")}},
		{notTold, Sources{File: yamlFile(t, "otlp_http: {auth: {api_keys: [01234567]}}")}},
		{"otlp_http.auth: *** is not a mapping of settings", Sources{Set: []string{"otlp_http.auth=" + hush}}},
		{key + "[0]: is empty", Sources{Set: []string{key + "="}}},
		{"otlp_http.auth: *** is not a mapping of settings", Sources{Values: under("otlp_http.auth", hush)}},
		{"otlp_http.auth: *** is not a mapping of settings", Sources{Values: under("otlp_http.auth", []any{hush})}},
		{"otlp_http.auth.api_key: unknown key; did you mean otlp_http.auth.api_keys?", Sources{Values: under("otlp_http.auth.api_key", hush)}},
		{key + "[0]: has a space or another character that headers do not carry", Sources{Values: under(key, []any{hush + " "})}},
		{key + "[1]: has a space or another character that headers do not carry", Sources{Env: map[string]string{"OTLP_OTLP_HTTP_AUTH_API_KEYS": "a, " + hush}}},
		{key + "[1]: is the same as otlp_http.auth.api_keys[0]", Sources{Values: under(key, []any{hush, hush})}},
		{key + "[0]: is what stands for a hidden key, not a key", Sources{Values: under(key, []any{secure.Hidden})}},
		{key + "[0]: is empty", Sources{Values: under(key, []any{""})}},
		{key + "[0]: is empty", Sources{Env: map[string]string{"OTLP_OTLP_HTTP_AUTH_API_KEYS": ""}}},
		{key + "[1]: is empty", Sources{Env: map[string]string{"OTLP_OTLP_HTTP_AUTH_API_KEYS": hush + ","}}},
		{"otlp_http.tls.key_file: is empty, and otlp_http.tls.cert_file needs it", Sources{Env: map[string]string{"OTLP_OTLP_HTTP_TLS_CERT_FILE": "c.pem"}}},
		{"otlp_grpc.tls.client_ca_file: stat /-/ca: no such file or directory", Sources{Values: under("otlp_grpc.tls", map[string]any{"cert_file": "/-/c", "key_file": "/-/k", "client_ca_file": "/-/ca"})}},
		{"config file", Sources{File: yamlFile(t, "otlp_http: {auth: {api_keys: ["+hush+"]}\nb: [")}},
		{"config file", Sources{File: yamlFile(t, "otlp_http:\n  auth:\n    api_keys: {"+hush+"\n")}},
		{"config file", Sources{File: yamlFile(t, "otlp_http:\n  auth:\n    api_keys: ["+hush+"]\n    api_keys: ["+hush+"]\n")}},
		{"config file", Sources{File: yamlFile(t, "otlp_http:\n  auth:\n    api_keys: ["+hush+": *"+hush+"]\n")}},
		{"config file", Sources{File: yamlFile(t, "otlp_http:\n  auth:\n    api_keys: [\""+hush+"]\n")}},
		{"config file", Sources{File: yamlFile(t, "- "+hush+"\n")}},
		{"config file", Sources{File: yamlFile(t, hush)}},
		{"config file", Sources{File: yamlFile(t, "otlp_http:\n\tauth: "+hush+"\n")}},
		{"config file", Sources{File: yamlFile(t, "otlp_http: {auth: {api_keys: [|"+hush+"]}}\n")}},
		{"config file", Sources{File: yamlFile(t, "otlp_http: {auth: {api_keys: [!<"+hush+"]}}\n")}},
	} {
		_, _, err := Load(tt.sources)
		if err == nil || fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		} else if text := err.Error(); strings.Contains(text, hush) || strings.Contains(text, "1234567") {
			t.Errorf("told: %s", text)
		}
	}
}

// TestClosedListenersNeedNoFiles: a configuration may be shared with a host that has none.
func TestClosedListenersNeedNoFiles(t *testing.T) {
	file := yamlFile(t, "otlp_grpc: {tls: {cert_file: /-/c, key_file: /-/k}, auth: {api_keys_file: /-/f}}")
	if _, _, err := Load(Sources{Embedded: true, File: file}); err != nil {
		t.Error(err)
	}
	if _, _, err := Load(Sources{File: file}); err == nil {
		t.Error("an open listener starts without its files")
	}
}
