// Package config composes the stages' settings: one schema with three ways in. A YAML
// file, OTLP_* variables, values given by code and assignments of a command line are laid over
// the defaults in this order; then every fault is told at once, with its key, value and range.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/receive"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// Config is everything that can be set. The json names are the users' keys.
type Config struct {
	OutputDir         string               `json:"output_dir"`
	WriteIntervalSecs int64                `json:"write_interval_secs"`
	Durability        string               `json:"durability"`
	OTLPGRPC          receive.GRPCConfig   `json:"otlp_grpc"`
	OTLPHTTP          receive.HTTPConfig   `json:"otlp_http"`
	Arrow             receive.GRPCConfig   `json:"arrow"`
	Health            receive.HealthConfig `json:"health"`
	Metrics           receive.Endpoint     `json:"metrics"`
	Files             files.Config         `json:"files"`
	Retention         files.Retention      `json:"retention"`
	Queue             Queue                `json:"queue"`
	Forwarding        []forward.Config     `json:"forwarding"`
	Limits            Limits               `json:"limits"`
	Log               Log                  `json:"log"`
}

// The levels of durability: what an acknowledgement means.
const (
	Memory = "memory" // decoded, and held in memory
	Write  = "write"  // in the operating system's hands: survives the end of the process
	Fsync  = "fsync"  // on the device: survives a loss of power
)

// What the journal holds in memory for destinations that keep up, of each signal.
const (
	maxRecent   = 4 << 20
	recentShare = 16 // of queue.max_bytes
)

// Queue bounds what was accepted and is not yet in files.
type Queue struct {
	MaxBytes int64 `json:"max_bytes"`
}

// Limits bound what requests may cost.
type Limits struct {
	receive.Limits
	MaxDecodedBytes int64 `json:"max_decoded_bytes"`
}

// Log says what of our own doings is told, and how.
type Log struct {
	Level  string `json:"level"`
	Format string `json:"format"`
}

// Sources are where settings come from; later fields win.
type Sources struct {
	// Embedded leaves listeners closed that nothing asks for.
	Embedded bool `json:"embedded"`
	// File is a YAML file, "" for none.
	File string `json:"file"`
	// Env is the OTLP_* environment.
	Env map[string]string `json:"env"`
	// Values are nested settings.
	Values map[string]any `json:"values"`
	// Set are the assignments of a command line, KEY=VALUE with a dotted key, in their order.
	Set []string `json:"set"`
}

// Default is the settings of a service that nobody configured.
func Default() Config {
	return Config{
		OutputDir: "./telemetry", WriteIntervalSecs: 5, Durability: Write,
		OTLPGRPC: receive.DefaultGRPC(), OTLPHTTP: receive.DefaultHTTP(), Arrow: receive.DefaultArrow(), Files: files.Default(),
		Health: receive.DefaultHealth(), Metrics: receive.DefaultMetrics(), Retention: files.DefaultRetention(),
		Queue:  Queue{MaxBytes: 256 << 20},
		Limits: Limits{Limits: receive.DefaultLimits(), MaxDecodedBytes: 256 << 20},
		Log:    Log{Level: "info", Format: "text"},
	}
}

// Load gives the settings that the sources make, or all their faults in one fault.Config
// error, a line each. warnings are about variables that nothing reads.
func Load(s Sources) (c Config, warnings []string, err error) {
	c = Default()
	if s.Embedded {
		c.OTLPGRPC.Enabled, c.OTLPHTTP.Enabled, c.Arrow.Enabled = false, false, false
		c.Health.Enabled, c.Metrics.Enabled = false, false
	}
	l := loader{keys: keysOf(&c)}
	if s.File != "" {
		l.file(s.File)
	}
	l.env(s.Env)
	l.tree("", s.Values)
	l.assignments(s.Set)
	return c, l.warnings, joined(append(l.faults, c.validate()...))
}

func joined(faults []error) error {
	if len(faults) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Config, Op: "configuration", Err: errors.Join(faults...)}
}

func (c *Config) validate() []error {
	var faults []error
	switch {
	case c.OutputDir == "":
		faults = append(faults, errors.New("output_dir: is empty"))
	case strings.Contains(c.OutputDir, "\x00"):
		faults = append(faults, fmt.Errorf("output_dir: %q has a NUL character, which no path has", c.OutputDir))
	}
	faults = append(faults, oneOf("durability", c.Durability, Memory, Write, Fsync)...)
	faults = append(faults, oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")...)
	faults = append(faults, oneOf("log.format", c.Log.Format, "text", "json")...)
	faults = append(faults, c.OTLPGRPC.Validate("otlp_grpc")...)
	faults = append(faults, c.OTLPHTTP.Validate("otlp_http")...)
	faults = append(faults, c.Arrow.Validate("arrow")...)
	faults = append(faults, c.Health.Validate("health")...)
	faults = append(faults, c.Metrics.Validate("metrics")...)
	faults = append(faults, c.Files.Validate("files")...)
	faults = append(faults, c.Retention.Validate("retention")...)
	faults = append(faults, c.Limits.Validate("limits")...)
	faults = append(faults, forward.ValidateAll("forwarding", c.Forwarding, c.Queue.MaxBytes)...)
	return append(faults, c.Ingest().Validate()...)
}

// Journal is the settings of the journal.
func (c *Config) Journal() journal.Config {
	return journal.Config{
		MaxBytes: c.Queue.MaxBytes, Recent: min(maxRecent, c.Queue.MaxBytes/recentShare), Sync: c.Durability == Fsync, DirMode: c.Files.Directories(), FileMode: c.Files.Permissions(),
	}
}

// Ingest is the settings of the ingest stage.
func (c *Config) Ingest() ingest.Config {
	return ingest.Config{
		WriteIntervalSecs: c.WriteIntervalSecs, MaxPendingBytes: c.Queue.MaxBytes, MaxGrowthBytes: c.Limits.MaxDecodedBytes,
		MaxBodyBytes: c.Limits.MaxRequestBytes, Promoted: c.Files.Promotions(),
	}
}

func oneOf(key, value string, allowed ...string) []error {
	for _, one := range allowed {
		if value == one {
			return nil
		}
	}
	return []error{fmt.Errorf("%s: %q is not one of %s", key, value, strings.Join(allowed, ", "))}
}

// loader lays sources over a Config.
type loader struct {
	keys     map[string]setter
	literals map[string]literal // of the file that is being laid
	faults   []error
	warnings []string
}

// tree sets nested values; in must be a mapping wherever a key has keys below it.
func (l *loader) tree(prefix string, in map[string]any) {
	names := make([]string, 0, len(in))
	for name := range in {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		l.set(prefix+name, in[name])
	}
}

func (l *loader) set(key string, value any) {
	if written, ok := l.literals[key]; ok {
		value = written
	}
	if set, ok := l.keys[key]; ok {
		if err := set(value); err != nil {
			l.faults = append(l.faults, fmt.Errorf("%s: %w", key, err))
		}
		return
	}
	if !l.hasBelow(key) {
		l.faults = append(l.faults, fmt.Errorf("%s: unknown key%s", key, l.nearest(key)))
		return
	}
	switch nested := value.(type) {
	case nil:
	case map[string]any:
		l.tree(key+".", nested)
	default:
		if isSecret(key) {
			value = secure.Hidden
		}
		l.faults = append(l.faults, fmt.Errorf("%s: %v is not a mapping of settings", key, value))
	}
}

// isSecret says that what stands under a key is somebody's key, most likely.
func isSecret(key string) bool {
	return strings.HasSuffix(key, ".auth") || strings.Contains(key, ".auth.") || strings.HasPrefix(key, "forwarding")
}

func (l *loader) hasBelow(key string) bool {
	for known := range l.keys {
		if strings.HasPrefix(known, key+".") {
			return true
		}
	}
	return false
}

// nearest names the known key that is most alike, when one is close.
func (l *loader) nearest(key string) string {
	best, distance := "", len(key)/3+1
	for known := range l.keys {
		if d := editDistance(known, key); d < distance || d == distance && known < best {
			best, distance = known, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left, diagonal := i+1, i
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j], left = left, min(cost, left+1, diagonal+1)
		}
		row[len(b)] = left
	}
	return row[len(b)]
}

// env sets what OTLP_* variables name. An unknown one only warns: Kubernetes makes some
// for a service called otlp.
func (l *loader) env(variables map[string]string) {
	byVariable := map[string]string{}
	for key := range l.keys {
		byVariable["OTLP_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		key, ok := byVariable[name]
		if !ok {
			if strings.HasPrefix(name, "OTLP_") {
				l.warnings = append(l.warnings, name+" is set but names no setting")
			}
			continue
		}
		if err := l.keys[key](fromText(variables[name])); err != nil {
			l.faults = append(l.faults, fmt.Errorf("%s (%s): %w", key, name, err))
		}
	}
}

// text is a value that came as text and may stand for a number, a bool or a list.
type text string

func fromText(s string) any { return text(s) }

// JSON is the settings as JSON, secrets hidden.
func (c *Config) JSON() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // a struct of plain values
	}
	return b
}
