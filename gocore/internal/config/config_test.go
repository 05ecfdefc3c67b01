package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// yamlFile writes a configuration and gives its path.
func yamlFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "otlp.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// under nests a value below a dotted key.
func under(key string, value any) map[string]any {
	parts := strings.Split(key, ".")
	for i := len(parts) - 1; i > 0; i-- {
		value = map[string]any{parts[i]: value}
	}
	return map[string]any{parts[0]: value}
}

func TestDefaultIsValid(t *testing.T) {
	c, warnings, err := Load(Sources{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("no sources give %+v", c)
	}
}

// TestKeys: these are the users' keys; renaming one breaks them.
func TestKeys(t *testing.T) {
	want := []string{
		"output_dir", "write_interval_secs", "durability", "otlp_grpc.enabled", "otlp_grpc.endpoint",
		"otlp_grpc.max_concurrent_streams", "otlp_http.enabled", "otlp_http.endpoint", "otlp_http.cors_allowed_origins",
		"otlp_grpc.tls.cert_file", "otlp_grpc.tls.key_file", "otlp_grpc.tls.client_ca_file",
		"otlp_http.tls.cert_file", "otlp_http.tls.key_file", "otlp_http.tls.client_ca_file",
		"otlp_grpc.auth.api_keys", "otlp_grpc.auth.api_keys_file", "otlp_grpc.auth.bearer_tokens", "otlp_grpc.auth.bearer_tokens_file",
		"otlp_http.auth.api_keys", "otlp_http.auth.api_keys_file", "otlp_http.auth.bearer_tokens", "otlp_http.auth.bearer_tokens_file",
		"arrow.enabled", "arrow.endpoint", "arrow.max_concurrent_streams", "arrow.tls.cert_file", "arrow.auth.api_keys",
		"files.compression", "files.rotate_bytes", "files.rotate_interval_secs", "files.file_mode", "files.dir_mode",
		"queue.max_bytes", "limits.max_request_bytes", "limits.max_inflight_bytes", "limits.max_decoded_bytes",
		"log.level", "log.format",
	}
	c := Default()
	keys := keysOf(&c)
	for _, key := range want {
		if keys[key] == nil {
			t.Errorf("%s is no key", key)
		}
	}
	for key := range keys {
		if key == "" || strings.HasSuffix(key, ".") {
			t.Errorf("%q is a key: a field has no json name", key)
		}
	}
}

func TestSet(t *testing.T) {
	tests := []struct {
		key   string
		value any
		got   func(c *Config) any
		want  any
	}{
		{"output_dir", "/data", func(c *Config) any { return c.OutputDir }, "/data"},
		{"write_interval_secs", 7, func(c *Config) any { return c.WriteIntervalSecs }, int64(7)},
		{"write_interval_secs", int64(8), func(c *Config) any { return c.WriteIntervalSecs }, int64(8)},
		{"write_interval_secs", uint64(9), func(c *Config) any { return c.WriteIntervalSecs }, int64(9)},
		{"write_interval_secs", 10.0, func(c *Config) any { return c.WriteIntervalSecs }, int64(10)},
		{"write_interval_secs", json.Number("11"), func(c *Config) any { return c.WriteIntervalSecs }, int64(11)},
		{"write_interval_secs", json.Number("10.0"), func(c *Config) any { return c.WriteIntervalSecs }, int64(10)},
		{"write_interval_secs", json.Number("1e1"), func(c *Config) any { return c.WriteIntervalSecs }, int64(10)},
		{"write_interval_secs", json.Number("120e-1"), func(c *Config) any { return c.WriteIntervalSecs }, int64(12)},
		{"otlp_grpc.enabled", false, func(c *Config) any { return c.OTLPGRPC.Enabled }, false},
		{"otlp_grpc.max_concurrent_streams", 3, func(c *Config) any { return c.OTLPGRPC.MaxConcurrentStreams }, uint32(3)},
		{"otlp_http.cors_allowed_origins", []any{"*"}, func(c *Config) any { return c.OTLPHTTP.CORSAllowedOrigins }, []string{"*"}},
		{"otlp_http.cors_allowed_origins", []string{"*"}, func(c *Config) any { return c.OTLPHTTP.CORSAllowedOrigins }, []string{"*"}},
		{"otlp_http.cors_allowed_origins", nil, func(c *Config) any { return len(c.OTLPHTTP.CORSAllowedOrigins) }, 0},
		{"limits.max_request_bytes", 4096, func(c *Config) any { return c.Limits.MaxRequestBytes }, int64(4096)},
		{"limits.max_decoded_bytes", 1 << 21, func(c *Config) any { return c.Limits.MaxDecodedBytes }, int64(1 << 21)},
		{"files.compression", "zstd", func(c *Config) any { return c.Files.Compression }, "zstd"},
		{"files", nil, func(c *Config) any { return c.Files.Compression }, "lz4"},
		{"log.level", "debug", func(c *Config) any { return c.Log.Level }, "debug"},
	}
	for _, tt := range tests {
		c, _, err := Load(Sources{Values: under(tt.key, tt.value)})
		if err != nil {
			t.Errorf("%s = %v: %v", tt.key, tt.value, err)
		} else if got := tt.got(&c); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s = %v gives %#v, want %#v", tt.key, tt.value, got, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	c, warnings, err := Load(Sources{Env: map[string]string{
		"OTLP_OUTPUT_DIR": "/env", "OTLP_OTLP_GRPC_ENABLED": "false", "OTLP_QUEUE_MAX_BYTES": "2097152",
		"OTLP_OTLP_HTTP_CORS_ALLOWED_ORIGINS": "https://a.example,https://b.example", "OTLP_FILES_FILE_MODE": "0640",
		"OTLP_SERVICE_PORT": "4317", "OTLP_PORT": "x", "PATH": "/bin",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if c.OutputDir != "/env" || c.OTLPGRPC.Enabled || c.Queue.MaxBytes != 2097152 || c.Files.FileMode != "0640" {
		t.Errorf("got %+v", c)
	}
	if want := []string{"https://a.example", "https://b.example"}; !reflect.DeepEqual(c.OTLPHTTP.CORSAllowedOrigins, want) {
		t.Errorf("a list is %q", c.OTLPHTTP.CORSAllowedOrigins)
	}
	want := []string{"OTLP_PORT is set but names no setting", "OTLP_SERVICE_PORT is set but names no setting"}
	if !reflect.DeepEqual(warnings, want) {
		t.Errorf("warnings are %q, want %q", warnings, want)
	}
}

func TestEmptyListInEnvironment(t *testing.T) {
	c, _, err := Load(Sources{
		File: yamlFile(t, "otlp_http: {cors_allowed_origins: ['*']}"),
		Env:  map[string]string{"OTLP_OTLP_HTTP_CORS_ALLOWED_ORIGINS": ""},
	})
	if err != nil || len(c.OTLPHTTP.CORSAllowedOrigins) != 0 {
		t.Errorf("%v, %v", c.OTLPHTTP.CORSAllowedOrigins, err)
	}
}

// TestOrder: defaults, then file, then environment, then values.
func TestOrder(t *testing.T) {
	c, _, err := Load(Sources{
		File: yamlFile(t, "output_dir: file\ndurability: memory\nwrite_interval_secs: 2\nlog:\n  level: warn\n  format: json\n"),
		Env:  map[string]string{"OTLP_OUTPUT_DIR": "env", "OTLP_LOG_LEVEL": "error"}, Values: map[string]any{"output_dir": "values"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.OutputDir != "values" || c.Log.Level != "error" || c.Log.Format != "json" || c.WriteIntervalSecs != 2 || c.Files.Compression != "lz4" {
		t.Errorf("got %+v", c)
	}
}

func TestEmbedded(t *testing.T) {
	tests := []struct {
		name                               string
		values                             map[string]any
		grpc, http, health, metrics, arrow bool
	}{
		{"nothing asked for", nil, false, false, false, false, false},
		{"gRPC", under("otlp_grpc.enabled", true), true, false, false, false, false},
		{"HTTP", under("otlp_http.enabled", true), false, true, false, false, false},
		{"health", under("health.enabled", true), false, false, true, false, false},
		{"metrics", under("metrics.enabled", true), false, false, false, true, false},
		{"arrow", under("arrow.enabled", true), false, false, false, false, true},
	}
	for _, tt := range tests {
		c, _, err := Load(Sources{Embedded: true, Values: tt.values})
		if err != nil || c.OTLPGRPC.Enabled != tt.grpc || c.OTLPHTTP.Enabled != tt.http || c.Health.Enabled != tt.health || c.Metrics.Enabled != tt.metrics || c.Arrow.Enabled != tt.arrow {
			t.Errorf("%s: %+v, %v", tt.name, c, err)
		}
	}
}

// TestFaults: each fault is told with the user's key, and with the value or range.
func TestFaults(t *testing.T) {
	tests := []struct {
		key   string
		value any
		want  string
	}{
		{"outputdir", "x", "outputdir: unknown key; did you mean output_dir?"},
		{"health.endpoint", "x", `health.endpoint: "x" is neither host:port, [::1]:port nor unix:/path`},
		{"health.auth.api_keys", "x", "health.auth: unknown key"},
		{"metrics.endpoint", "x", `metrics.endpoint: "x" is neither host:port, [::1]:port nor unix:/path`},
		{"files.compresion", "lz4", "files.compresion: unknown key; did you mean files.compression?"},
		{"qqqqqqqqqqqq", 1, "qqqqqqqqqqqq: unknown key"},
		{"output_dir.below", 1, "output_dir: map[below:1] is not a text"},
		{"output_dir", 5, "output_dir: 5 is not a text"},
		{"output_dir", "", "output_dir: is empty"},
		{"output_dir", "a\x00b", `output_dir: "a\x00b" has a NUL character, which no path has`},
		{"files", "lz4", "files: lz4 is not a mapping of settings"},
		{"otlp_grpc.enabled", "true", "otlp_grpc.enabled: true is not true or false"},
		{"otlp_grpc.enabled", 1, "otlp_grpc.enabled: 1 is not true or false"},
		{"write_interval_secs", "5", "write_interval_secs: 5 is not a whole number"},
		{"write_interval_secs", 1.5, "write_interval_secs: 1.5 is not a whole number"},
		{"write_interval_secs", json.Number("1e9x"), "write_interval_secs: 1e9x is not a whole number"},
		{"write_interval_secs", json.Number("1.5"), "write_interval_secs: 1.5 is not a whole number"},
		{"write_interval_secs", json.Number("0.99999999999999999999999"), "is not a whole number"},
		{"write_interval_secs", json.Number("1e999999999"), "write_interval_secs: 1e999999999 is not a whole number"},
		{"write_interval_secs", json.Number("1e99"), "write_interval_secs: 1e99 is not a whole number"},
		{"write_interval_secs", uint64(1 << 63), "write_interval_secs: 9223372036854775808 is not a whole number"},
		{"write_interval_secs", 0, "write_interval_secs: 0 is not within 1 to 3600"},
		{"otlp_grpc.max_concurrent_streams", -1, "otlp_grpc.max_concurrent_streams: -1 is out of range"},
		{"otlp_grpc.max_concurrent_streams", 1 << 32, "otlp_grpc.max_concurrent_streams: 4294967296 is out of range"},
		{"otlp_grpc.max_concurrent_streams", 0, "otlp_grpc.max_concurrent_streams: 0 is not within 1 to 65536"},
		{"otlp_http.cors_allowed_origins", "*", "otlp_http.cors_allowed_origins: * is not a list"},
		{"otlp_http.cors_allowed_origins", []any{1}, "otlp_http.cors_allowed_origins: 1 is not a text"},
		{"otlp_http.cors_allowed_origins", []any{"x"}, "otlp_http.cors_allowed_origins[0]: \"x\""},
		{"otlp_http.endpoint", "nowhere", "otlp_http.endpoint: \"nowhere\""},
		{"durability", "disk", "durability: \"disk\" is not one of memory"},
		{"log.level", "loud", "log.level: \"loud\" is not one of debug, info, warn, error"},
		{"log.format", "xml", "log.format: \"xml\" is not one of text, json"},
		{"files.compression", "rar", "files.compression: \"rar\" is not one of lz4, zstd, none"},
		{"files.rotate_bytes", 1, "files.rotate_bytes: 1 is not within 65536"},
		{"files.file_mode", "0400", "files.file_mode: \"0400\""},
		{"files.file_mode", 0o600, "files.file_mode: 384 is not a text; YAML wants it in quotes"},
		{"limits.max_request_bytes", 1, "limits.max_request_bytes: 1 is not within 1024"},
		{"limits.max_decoded_bytes", 1, "limits.max_decoded_bytes: 1 is not within 1048576"},
		{"queue.max_bytes", 1, "queue.max_bytes: 1 is not within 1048576"},
	}
	for _, tt := range tests {
		_, _, err := Load(Sources{Values: under(tt.key, tt.value)})
		if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Config {
			t.Errorf("%s = %v: got %v, want a config error with %q", tt.key, tt.value, err, tt.want)
		}
	}
}

func TestFaultsOfEnvironment(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"OTLP_QUEUE_MAX_BYTES", "1GB", "queue.max_bytes (OTLP_QUEUE_MAX_BYTES): 1GB is not a whole number"},
		{"OTLP_OTLP_GRPC_ENABLED", "yes", "otlp_grpc.enabled (OTLP_OTLP_GRPC_ENABLED): yes is not true or false"},
	}
	for _, tt := range tests {
		_, _, err := Load(Sources{Env: map[string]string{tt.name: tt.value}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%s: %v", tt.name, tt.value, err)
		}
	}
}

func TestFaultsOfFile(t *testing.T) {
	tests := []struct{ name, path, want string }{
		{"absent", filepath.Join(t.TempDir(), "none.yaml"), "none.yaml"},
		{"no YAML", yamlFile(t, "a: [1"), "config file"},
		{"no mapping", yamlFile(t, "- a\n- b\n"), "config file"},
		{"unknown key", yamlFile(t, "log:\n  levl: info\n"), "log.levl: unknown key; did you mean log.level?"},
		{"two documents", yamlFile(t, "output_dir: a\n---\noutput_dir: b\n"), "has more than one YAML document"},
		{"a document after the end", yamlFile(t, "output_dir: a\n...\noutput_dir: b\n"), "has more than one YAML document"},
		{"an empty document first", yamlFile(t, "---\n---\noutput_dir: b\n"), "has more than one YAML document"},
		{"unquoted mode", yamlFile(t, "files: {file_mode: 0600}\n"), `files.file_mode: 0600 is not a text; YAML wants it in quotes: "0600"`},
		{"unquoted octal mode", yamlFile(t, "files:\n  dir_mode: 0o700\n"), `files.dir_mode: 0o700 is not a text; YAML wants it in quotes: "0o700"`},
		{"unquoted mode without 0", yamlFile(t, "files: {file_mode: 600}\n"), `files.file_mode: 600 is not a text; YAML wants it in quotes: "600"`},
		{"tagged mode", yamlFile(t, "files: {file_mode: !!str 0600}\n"), `files.file_mode: 0600 is not a text; YAML wants it in quotes: "0600"`},
		{"octal", yamlFile(t, "write_interval_secs: 010\n"), "write_interval_secs: 010 begins with 0, which YAML reads as octal; leave it out, or write 0o10"},
		{"signed octal", yamlFile(t, "write_interval_secs: +010\n"), "write_interval_secs: +010 begins with 0"},
		{"octal elsewhere", yamlFile(t, "log: {<<: {level: 010}}\n"), "log.<<.level: 010 begins with 0"},
		{"octal section", yamlFile(t, "log: 010\n"), "log: 010 is not a mapping of settings"},
		{"not whole", yamlFile(t, "write_interval_secs: 15e-1\n"), "write_interval_secs: 15e-1 is not a whole number"},
		{"quoted number", yamlFile(t, "write_interval_secs: '1e1'\n"), "write_interval_secs: 1e1 is not a whole number"},
		{"wrong type", yamlFile(t, "write_interval_secs: soon\n"), "write_interval_secs: soon is not a whole number"},
	}
	for _, tt := range tests {
		_, _, err := Load(Sources{File: tt.path})
		if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Config {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestAllFaultsAtOnce: one restart, not five.
func TestAllFaultsAtOnce(t *testing.T) {
	tests := []struct {
		name    string
		sources Sources
		want    []string
	}{
		{"types and keys", Sources{
			File: yamlFile(t, "output_dirr: x\nlog: 5\n"), Env: map[string]string{"OTLP_QUEUE_MAX_BYTES": "much"},
			Values: map[string]any{"durability": 3},
		}, []string{"output_dirr: ", "log: ", "queue.max_bytes ", "durability: "}},
		{"values", Sources{Values: map[string]any{
			"output_dir": "", "durability": "disk", "write_interval_secs": 0, "otlp_grpc": map[string]any{"endpoint": "x"},
			"files": map[string]any{"compression": "rar", "dir_mode": "9"}, "queue": map[string]any{"max_bytes": 0},
			"log": map[string]any{"level": "x", "format": "y"}, "limits": map[string]any{"max_request_bytes": 0},
		}}, []string{"output_dir: ", "durability: ", "write_interval_secs: ", "otlp_grpc.endpoint: ", "files.compression: ",
			"files.dir_mode: ", "queue.max_bytes: ", "log.level: ", "log.format: ", "limits.max_request_bytes: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Load(tt.sources)
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.Count(err.Error(), "\n") + 1; got != len(tt.want) {
				t.Errorf("%d lines, want %d", got, len(tt.want))
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not told in:\n%v", want, err)
				}
			}
		})
	}
}

// TestJSON: what is printed can be given back, as a file too, since JSON is YAML.
func TestJSON(t *testing.T) {
	c, _, err := Load(Sources{Values: map[string]any{"output_dir": "/x", "log": map[string]any{"level": "warn"}}})
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := Load(Sources{File: yamlFile(t, string(c.JSON()))})
	if err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("%v\n%s\n%s", err, back.JSON(), c.JSON())
	}
}

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "ab", 2}, {"abc", "abc", 0}, {"kitten", "sitting", 3}, {"level", "levle", 2}}
	for _, tt := range tests {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestNumbersOfYAML are read as in JSON, and what is octal or hexadecimal beyond doubt as such.
func TestNumbersOfYAML(t *testing.T) {
	for text, want := range map[string]int64{
		"10": 10, "1e1": 10, "1E+1": 10, "10.0": 10, "1.2e1": 12, "0o10": 8, "0x10": 16, "0b11": 3, "1_0": 10, "+10": 10,
	} {
		c, _, err := Load(Sources{File: yamlFile(t, "write_interval_secs: "+text+"\n")})
		if err != nil || c.WriteIntervalSecs != want {
			t.Errorf("%s gives %d, %v; want %d", text, c.WriteIntervalSecs, err, want)
		}
	}
	c, _, err := Load(Sources{File: yamlFile(t, "output_dir: 1e9\n")})
	if err != nil || c.OutputDir != "1e9" {
		t.Errorf("a text is %q, %v", c.OutputDir, err)
	}
}

// TestOneDocument: marks around it, and comments, make no second one.
func TestOneDocument(t *testing.T) {
	for _, text := range []string{
		"---\noutput_dir: x\n", "# a\n---\noutput_dir: x\n...\n", "output_dir: x\n---\n# nothing\n", "output_dir: x\n...\n---\n",
		"output_dir: x\nlog:\n  level: >-\n    info\n", "%YAML 1.2\n---\noutput_dir: x\n", "--- {output_dir: x}\n",
	} {
		c, _, err := Load(Sources{File: yamlFile(t, text)})
		if err != nil || c.OutputDir != "x" {
			t.Errorf("%q gives %q, %v", text, c.OutputDir, err)
		}
	}
}

// TestAssignments are what command lines give: in their order, and over everything else.
func TestAssignments(t *testing.T) {
	origins := func(c *Config) any { return c.OTLPHTTP.CORSAllowedOrigins }
	tests := []struct {
		set  []string
		got  func(c *Config) any
		want any
	}{
		{[]string{"output_dir=a", "output_dir=b"}, func(c *Config) any { return c.OutputDir }, "b"},
		{[]string{`output_dir="a\tb"`}, func(c *Config) any { return c.OutputDir }, "a\tb"},
		{[]string{"output_dir=5"}, func(c *Config) any { return c.OutputDir }, "5"},
		{[]string{"output_dir=a=b"}, func(c *Config) any { return c.OutputDir }, "a=b"},
		{[]string{"output_dir=[x"}, func(c *Config) any { return c.OutputDir }, "[x"},
		{[]string{"write_interval_secs=1e1"}, func(c *Config) any { return c.WriteIntervalSecs }, int64(10)},
		{[]string{"write_interval_secs=10.0"}, func(c *Config) any { return c.WriteIntervalSecs }, int64(10)},
		{[]string{"otlp_grpc.enabled=false"}, func(c *Config) any { return c.OTLPGRPC.Enabled }, false},
		{[]string{"otlp_grpc.enabled=false", `otlp_grpc={"endpoint":"127.0.0.1:1"}`}, func(c *Config) any { return c.OTLPGRPC.Enabled }, false},
		{[]string{`otlp_grpc={"endpoint":"127.0.0.1:1"}`, "otlp_grpc=null"}, func(c *Config) any { return c.OTLPGRPC.Endpoint.Endpoint }, "127.0.0.1:1"},
		{[]string{`log={"level":"warn"}`, "log.format=json"}, func(c *Config) any { return c.Log }, Log{"warn", "json"}},
		{[]string{"otlp_http.cors_allowed_origins=https://a.example,https://b.example"}, origins, []string{"https://a.example", "https://b.example"}},
		{[]string{`otlp_http.cors_allowed_origins=["*"]`}, origins, []string{"*"}},
		{[]string{"otlp_http.cors_allowed_origins=*"}, origins, []string{"*"}},
		{[]string{"otlp_http.cors_allowed_origins=*", "otlp_http.cors_allowed_origins="}, func(c *Config) any { return len(c.OTLPHTTP.CORSAllowedOrigins) }, 0},
		{[]string{"otlp_http.cors_allowed_origins=*", "otlp_http.cors_allowed_origins=null"}, func(c *Config) any { return len(c.OTLPHTTP.CORSAllowedOrigins) }, 0},
	}
	for _, tt := range tests {
		c, _, err := Load(Sources{Set: tt.set, Values: map[string]any{"output_dir": "values"}})
		if err != nil {
			t.Errorf("%q: %v", tt.set, err)
		} else if got := tt.got(&c); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q gives %#v, want %#v", tt.set, got, tt.want)
		}
	}
}

// TestFaultsOfAssignments: nothing that was given is forgotten, be it given again later.
func TestFaultsOfAssignments(t *testing.T) {
	tests := []struct {
		set  []string
		want string
	}{
		{[]string{"otlp_grpc=1", "otlp_grpc.enabled=false"}, "otlp_grpc: 1 is not a mapping of settings"},
		{[]string{"otlp_grpc={x", "otlp_grpc.enabled=false"}, "otlp_grpc: {x is not a mapping of settings"},
		{[]string{"write_interval_secs=soon", "write_interval_secs=5"}, "write_interval_secs: soon is not a whole number"},
		{[]string{"write_interval_secs="}, "write_interval_secs:  is not a whole number"},
		{[]string{`write_interval_secs="5"`}, "write_interval_secs: 5 is not a whole number"},
		{[]string{"otlp_grpc.enabled=yes"}, "otlp_grpc.enabled: yes is not true or false"},
		{[]string{"otlp_http.cors_allowed_origins=[*"}, "otlp_http.cors_allowed_origins: [* is not a list"},
		{[]string{"files..x=1"}, "files..x: unknown key"},
		{[]string{"output_dir"}, "output_dir: want KEY=VALUE"},
		{[]string{"=x"}, ": unknown key"},
	}
	for _, tt := range tests {
		_, _, err := Load(Sources{Set: tt.set})
		if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Config {
			t.Errorf("%q: got %v, want %q", tt.set, err, tt.want)
		}
	}
}
