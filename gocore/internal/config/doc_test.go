package config

import (
	"fmt"
	"math/bits"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
)

const (
	configurationDoc = "../../../docs/configuration.md"
	begin            = "<!-- settings: made from gocore/internal/config; OTLP_ARROW_UPDATE_DOCS=1 go test ./gocore/internal/config -->\n"
	end              = "<!-- end of settings -->\n"
)

// meanings says what settings are for, by key, or by the end of a key that several listeners or signals have.
// Keys, types, defaults and ranges are asked of the code.
var meanings = map[string]string{
	"output_dir":                   "where files go, below `otlp/`; made if it is missing",
	"write_interval_secs":          "seconds for which a batch gathers before it is written",
	"durability":                   "what an acknowledgement means, see [durability.md](durability.md)",
	"otlp_grpc.enabled":            "OTLP over gRPC, and OTAP, see [protocols.md](protocols.md)",
	"otlp_http.enabled":            "OTLP over HTTP, see [protocols.md](protocols.md)",
	"arrow.enabled":                "OTAP and Arrow Flight, see [otap.md](otap.md) and [flight.md](flight.md)",
	"health.enabled":               "/livez, /readyz and /healthz, see [operations.md](operations.md)",
	"metrics.enabled":              "GET /metrics for Prometheus, see [operations.md](operations.md)",
	".endpoint":                    "port 0 takes a free one",
	".max_concurrent_streams":      "calls in flight on one connection",
	".cors_allowed_origins":        "web pages that may send",
	".tls.cert_file":               "PEM; the certificate first, then those that it was signed with. Needs a key file",
	".tls.key_file":                "PEM. Needs a certificate file",
	".tls.client_ca_file":          "PEM; each client then needs a certificate signed by one of these",
	".auth.api_keys":               "keys; a request passes with `X-API-Key: KEY`",
	".auth.api_keys_file":          "a file with a key on each line; empty lines and those that begin with # are skipped",
	".auth.bearer_tokens":          "keys; a request passes with `Authorization: Bearer TOKEN`",
	".auth.bearer_tokens_file":     "a file with a token on each line, as for `api_keys_file`",
	"files.compression":            "of the batches",
	"files.rotate_bytes":           "size at which the next file is begun",
	"files.rotate_interval_secs":   "age in seconds at which the next file is begun",
	"files.compact_after_rotation": "closed files get few large batches, see [durability.md](durability.md#compact)",
	"files.file_mode":              "permissions of files; in quotes in YAML",
	"files.dir_mode":               "permissions of directories; in quotes in YAML",
	"files.promote": "attributes that get a column of their own in all three tables, 100 at most, " +
		"see [format.md](format.md#types)",
	"retention.check_interval_secs": "seconds between looks at the files, see [durability.md](durability.md#retention)",
	".max_age_secs":                 "seconds since a file's last data at which it is removed; 0 keeps",
	".max_bytes":                    "bytes of all files of the signal above which the oldest are removed; 0 sets no bound",
	"queue.max_bytes": "bytes that the journal may take on disk, and, for each signal, what waits to be written in memory " +
		"(with [destinations](forwarding.md#what-it-costs) a little more); beyond it clients are told to retry",
	"forwarding":                "destinations, 64 at most; as JSON in the variable. See [forwarding.md](forwarding.md) for their keys",
	"limits.max_request_bytes":  "bytes of the largest request, before and after inflating, and as protobuf",
	"limits.max_inflight_bytes": "bytes of all bodies held at a time, those that are still coming included",
	"limits.max_decoded_bytes":  "bytes that one request may become",
	"log.level":                 "the least level that the service tells; embedded, Python's logger `otlp_arrow` decides",
	"log.format":                "of the service's own log",
}

// TestConfigurationDocHasEverySetting keeps docs/configuration.md what the code says.
func TestConfigurationDocHasEverySetting(t *testing.T) {
	text, err := os.ReadFile(configurationDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the settings", configurationDoc)
	}
	want := before + begin + reference(t) + end + after
	if want == string(text) {
		return
	}
	if os.Getenv("OTLP_ARROW_UPDATE_DOCS") == "" {
		t.Fatalf("%s is out of date: run OTLP_ARROW_UPDATE_DOCS=1 go test ./gocore/internal/config", configurationDoc)
	}
	if err := os.WriteFile(configurationDoc, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// setting is a key of users with its default.
type setting struct {
	key   string
	value reflect.Value
}

// settingsOf lists all settings in the order of the structs.
func settingsOf(prefix string, v reflect.Value) (all []setting) {
	for i := range v.NumField() {
		field, described := v.Field(i), v.Type().Field(i)
		name, _, _ := strings.Cut(described.Tag.Get("json"), ",")
		switch {
		case described.Anonymous:
			all = append(all, settingsOf(prefix, field)...)
		case field.Kind() == reflect.Struct:
			all = append(all, settingsOf(prefix+name+".", field)...)
		default:
			all = append(all, setting{prefix + name, field})
		}
	}
	return all
}

// reference is the settings as tables in Markdown, one for each section.
func reference(t *testing.T) string {
	t.Helper()
	c := Default()
	known, used := keysOf(&c), map[string]bool{}
	var b strings.Builder
	section := ""
	for _, s := range settingsOf("", reflect.ValueOf(c)) {
		if known[s.key] == nil {
			t.Errorf("%s is no key of the loader", s.key)
		}
		delete(known, s.key)
		if next := s.section(); next != section {
			section = next
			fmt.Fprintf(&b, "\n### %s\n\n| key and variable | type | default | range | |\n|---|---|---|---|---|\n", section)
		}
		at := meaningOf(s.key)
		used[at] = true
		b.WriteString(s.row(meanings[at]))
	}
	for key := range known {
		t.Errorf("%s is a key of the loader alone", key)
	}
	for at := range meanings {
		if !used[at] {
			t.Errorf("%s is no setting, or the end of none", at)
		}
	}
	if used[""] {
		t.Error("of a setting nothing says what it is for")
	}
	return b.String() + "\n"
}

func (s setting) section() string {
	section, _, nested := strings.Cut(s.key, ".")
	if !nested && section != "forwarding" {
		return "At the top"
	}
	return section
}

func (s setting) row(meaning string) string {
	variable := "OTLP_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
	return fmt.Sprintf("| `%s` `%s` | %s | %s | %s | %s |\n", s.key, variable, s.typeName(), s.standard(), s.bounds(), meaning)
}

// meaningOf is the key in meanings for a setting: itself, or the longest end of it.
func meaningOf(key string) string {
	if _, ok := meanings[key]; ok {
		return key
	}
	for place := range key {
		if _, ok := meanings[key[place:]]; ok && key[place] == '.' {
			return key[place:]
		}
	}
	return ""
}

func (s setting) typeName() string {
	switch {
	case s.value.Type() == reflect.TypeFor[[]forward.Config]():
		return "list of destinations"
	case s.value.Kind() == reflect.Slice:
		return "list of texts"
	case s.value.Kind() == reflect.String:
		return "text"
	case s.value.Kind() == reflect.Bool:
		return "true, false"
	}
	return "whole number"
}

func (s setting) standard() string {
	value := fmt.Sprint(s.value.Interface())
	switch {
	case value == "" || value == "[]":
		return "none"
	case s.value.Kind() == reflect.Bool && strings.Count(s.key, ".") == 1 && strings.HasSuffix(s.key, ".enabled"):
		return "`" + value + "`; embedded: only when asked for"
	}
	return "`" + value + "`"
}

// refusals are how faults say what would have been taken.
var refusals = []struct {
	fault *regexp.Regexp
	want  string
}{
	{regexp.MustCompile(`is not within (\d+) to (\d+)$`), "$1 to $2"},
	{regexp.MustCompile(`is less than (\d+)$`), "$1 and more"},
	{regexp.MustCompile(`is less than twice max_request_bytes, \d+$`), "at least twice `limits.max_request_bytes`"},
	{regexp.MustCompile(`is not one of (.+)$`), "$1"},
	{regexp.MustCompile(`is neither (.+) nor (.+)$`), "$1, $2"},
	{regexp.MustCompile(`is not an (octal permission within \w+ to \w+) .+$`), "$1"},
	{regexp.MustCompile(`want (http, db, .+)$`), "$1"},
}

var number = regexp.MustCompile(`\b\d{6,}\b`)

// bounds asks the code for a setting's range: it refuses a value, and says what it wants.
func (s setting) bounds() string {
	for _, value := range []any{-1, 0, "?", []any{"?"}, []any{"? ?"}} {
		_, _, err := Load(Sources{Values: under(s.key, value)})
		if err == nil {
			continue
		}
		fault, _, _ := strings.Cut(err.Error(), "\n")
		for _, r := range refusals {
			if found := r.fault.FindStringSubmatchIndex(fault); found != nil {
				wanted := string(r.fault.ExpandString(nil, r.want, fault, found))
				return strings.ReplaceAll(number.ReplaceAllStringFunc(wanted, power), "|", "\\|")
			}
		}
	}
	return ""
}

// power writes powers of two as such.
func power(digits string) string {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || bits.OnesCount64(n) != 1 {
		return digits
	}
	return "2^" + strconv.Itoa(bits.TrailingZeros64(n))
}

// TestBoundsAreThoseOfTheCode: what the document says of ranges is not empty where it matters.
func TestBoundsAreThoseOfTheCode(t *testing.T) {
	c := Default()
	want := map[string]string{
		"write_interval_secs": "1 to 3600", "durability": "memory, write, fsync", "otlp_grpc.max_concurrent_streams": "1 to 65536",
		"otlp_grpc.endpoint": "host:port, [::1]:port, unix:/path", "queue.max_bytes": "2^20 to 2^40", "retention.logs.max_bytes": "0 and more",
		"otlp_http.cors_allowed_origins": `"*", scheme://host[:port]`, "output_dir": "",
	}
	for _, s := range settingsOf("", reflect.ValueOf(c)) {
		if bounds, ok := want[s.key]; ok && s.bounds() != bounds {
			t.Errorf("%s: %q, want %q", s.key, s.bounds(), bounds)
		}
		if s.value.CanInt() && s.bounds() == "" {
			t.Errorf("%s has no range", s.key)
		}
	}
}
