package forward

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// Config is one destination's settings.
type Config struct {
	Name     string   `json:"name"`
	Endpoint string   `json:"endpoint"`
	Protocol string   `json:"protocol"`
	Signals  []string `json:"signals"`
	// Headers and Auth go with every request.
	Headers map[string]secure.Value `json:"headers"`
	Auth    Auth                    `json:"auth"`

	Compression    string           `json:"compression"`
	TLS            secure.ClientTLS `json:"tls"`
	Timeout        Duration         `json:"timeout"`
	Batch          Batch            `json:"batch"`
	RetryOnFailure Retry            `json:"retry_on_failure"`
	CircuitBreaker Breaker          `json:"circuit_breaker"`
	SendingQueue   Queue            `json:"sending_queue"`
}

// Auth is one of three ways to show who sends.
type Auth struct {
	APIKey      secure.Value `json:"api_key"`
	BearerToken secure.Value `json:"bearer_token"`
	Basic       *Basic       `json:"basic"`
}

// Basic is HTTP's basic authentication.
type Basic struct {
	Username string       `json:"username"`
	Password secure.Value `json:"password"`
}

// Batch says what is sent at a time: as much as there is after FlushInterval, up to the bounds.
type Batch struct {
	MaxItems      int64    `json:"max_items"` // 0 sets no bound
	MaxBytes      int64    `json:"max_bytes"` // of protobuf, uncompressed
	FlushInterval Duration `json:"flush_interval"`
}

// Retry says how a request that the destination may take later is sent again.
type Retry struct {
	Enabled             bool     `json:"enabled"`
	InitialInterval     Duration `json:"initial_interval"`
	RandomizationFactor float64  `json:"randomization_factor"`
	Multiplier          float64  `json:"multiplier"`
	MaxInterval         Duration `json:"max_interval"`
	MaxElapsedTime      Duration `json:"max_elapsed_time"` // 0: as long as the queue's bounds let it
}

// Breaker says when a destination is left alone for a while.
type Breaker struct {
	Enabled  bool     `json:"enabled"`
	Failures uint32   `json:"failures"`
	Open     Duration `json:"open"`
}

// Queue bounds, for each signal, what waits for the destination. It is in the journal.
type Queue struct {
	MaxBytes int64    `json:"max_bytes"` // 0: half of queue.max_bytes
	MaxAge   Duration `json:"max_age"`   // 0 sets no bound
}

// The protocols.
const (
	OTLPGRPC     = "otlp_grpc"
	OTLPHTTP     = "otlp_http"
	OTLPHTTPJSON = "otlp_http_json"
	OTAP         = "otap"
)

const (
	none = "none"
	gzip = "gzip"
	zstd = "zstd"
)

// Bounds of settings.
const (
	// MaxDestinations is how many there may be.
	MaxDestinations = 64

	minBatchBytes = 1 << 10
	maxBatchBytes = 1 << 30
	minQueueBytes = 1 << 20
	maxHeaders    = 64
)

// Default is a destination that only lacks its name and endpoint.
func Default() Config {
	return Config{
		Protocol: OTLPGRPC, Signals: []string{"traces", "metrics", "logs"}, Compression: none, Timeout: Duration(10 * time.Second),
		Batch: Batch{MaxBytes: 4 << 20, FlushInterval: Duration(20 * time.Millisecond)},
		RetryOnFailure: Retry{
			Enabled: true, InitialInterval: Duration(time.Second), RandomizationFactor: 0.5, Multiplier: 1.5, MaxInterval: Duration(30 * time.Second),
		},
		CircuitBreaker: Breaker{Enabled: true, Failures: 5, Open: Duration(30 * time.Second)},
	}
}

// UnmarshalJSON lays what a document says over the defaults.
func (c *Config) UnmarshalJSON(document []byte) error {
	type plain Config
	all := plain(Default())
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	*c = Config(all)
	return nil
}

// Duration is a time.Duration that is written "1.5s"; a number is seconds.
type Duration time.Duration

// UnmarshalJSON takes either.
func (d *Duration) UnmarshalJSON(document []byte) error {
	var text string
	if json.Unmarshal(document, &text) == nil {
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 1.5s", text)
		}
		*d = Duration(parsed)
		return nil
	}
	var seconds float64
	if err := json.Unmarshal(document, &seconds); err != nil || seconds < 0 || seconds > 1e9 {
		return fmt.Errorf("%s is not a duration such as 1.5s", document)
	}
	*d = Duration(seconds * float64(time.Second))
	return nil
}

// MarshalText writes it as it is read.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidateAll lists every fault of the destinations, which stand under key. queueBytes is the journal's bound.
func ValidateAll(key string, all []Config, queueBytes int64) []error {
	var faults []error
	if len(all) > MaxDestinations {
		return []error{fmt.Errorf("%s: %d destinations, more than %d", key, len(all), MaxDestinations)}
	}
	names := map[string]bool{}
	for i, c := range all {
		at := fmt.Sprintf("%s[%d]", key, i)
		faults = append(faults, c.Validate(at, queueBytes)...)
		if names[strings.ToLower(c.Name)] {
			faults = append(faults, fmt.Errorf("%s.name: %q is another's name", at, c.Name))
		}
		names[strings.ToLower(c.Name)] = true // some file systems tell no case
	}
	return faults
}

// Validate lists every fault of the settings, which stand under key.
func (c Config) Validate(key string, queueBytes int64) []error {
	var faults []error
	add := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s.%s: %s", key, name, fmt.Sprintf(format, args...)))
	}
	if !namePattern.MatchString(c.Name) {
		add("name", "%q is not 1 to 64 letters, digits, - or _", c.Name)
	}
	switch c.Protocol {
	case OTLPGRPC, OTLPHTTP, OTLPHTTPJSON, OTAP:
		if _, err := c.target(); err != nil {
			add("endpoint", "%v", err)
		}
	default:
		add("protocol", "%q is not one of otlp_grpc, otlp_http, otlp_http_json, otap", c.Protocol)
	}
	if _, err := c.signals(); err != nil {
		add("signals", "%v", err)
	}
	if c.Compression != none && c.Compression != gzip && c.Compression != zstd {
		add("compression", "%q is not one of none, gzip, zstd", c.Compression)
	}
	c.validateBounds(add, queueBytes)
	faults = append(faults, c.validateHeaders(key)...)
	faults = append(faults, c.Auth.validate(key+".auth")...)
	return append(faults, c.TLS.Validate(key+".tls")...)
}

func (c Config) validateBounds(add func(name, format string, args ...any), queueBytes int64) {
	within := func(name string, d Duration, low, high time.Duration) {
		if time.Duration(d) < low || time.Duration(d) > high {
			add(name, "%v is not within %v to %v", time.Duration(d), low, high)
		}
	}
	const day, year = 24 * time.Hour, 366 * 24 * time.Hour
	within("timeout", c.Timeout, 10*time.Millisecond, time.Hour)
	within("batch.flush_interval", c.Batch.FlushInterval, 0, time.Minute)
	within("retry_on_failure.initial_interval", c.RetryOnFailure.InitialInterval, time.Millisecond, time.Hour)
	within("retry_on_failure.max_interval", c.RetryOnFailure.MaxInterval, time.Millisecond, day)
	within("retry_on_failure.max_elapsed_time", c.RetryOnFailure.MaxElapsedTime, 0, year)
	within("circuit_breaker.open", c.CircuitBreaker.Open, 10*time.Millisecond, time.Hour)
	within("sending_queue.max_age", c.SendingQueue.MaxAge, 0, 10*year)
	if n := c.Batch.MaxBytes; n < minBatchBytes || n > maxBatchBytes {
		add("batch.max_bytes", "%d is not within %d to %d", n, minBatchBytes, maxBatchBytes)
	}
	if n := c.Batch.MaxItems; n < 0 {
		add("batch.max_items", "%d is below 0", n)
	}
	if f := c.RetryOnFailure.RandomizationFactor; !(f >= 0 && f <= 1) {
		add("retry_on_failure.randomization_factor", "%v is not within 0 to 1", f)
	}
	if f := c.RetryOnFailure.Multiplier; !(f >= 1 && f <= 100) {
		add("retry_on_failure.multiplier", "%v is not within 1 to 100", f)
	}
	if n := c.CircuitBreaker.Failures; n < 1 {
		add("circuit_breaker.failures", "%d is below 1", n)
	}
	if n := c.SendingQueue.MaxBytes; n != 0 && (n < minQueueBytes || n >= queueBytes) {
		add("sending_queue.max_bytes", "%d is not within %d and below queue.max_bytes, %d", n, minQueueBytes, queueBytes)
	}
}

func (c Config) validateHeaders(key string) (faults []error) {
	if len(c.Headers) > maxHeaders {
		return []error{fmt.Errorf("%s.headers: %d, more than %d", key, len(c.Headers), maxHeaders)}
	}
	for name, value := range c.Headers {
		at := key + ".headers." + name
		lower := strings.ToLower(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name) || strings.HasPrefix(lower, "grpc-") || strings.HasSuffix(lower, "-bin"):
			faults = append(faults, fmt.Errorf("%s: is no name of a header that can be sent", at))
		case reserved[lower]:
			faults = append(faults, fmt.Errorf("%s: is set by the protocol", at))
		case !value.IsSet():
			faults = append(faults, fmt.Errorf("%s: has no value", at))
		}
		faults = append(faults, value.Validate(at)...)
	}
	return faults
}

var reserved = map[string]bool{
	"content-type": true, "content-encoding": true, "content-length": true, "host": true, "te": true, "connection": true,
	"transfer-encoding": true, "accept-encoding": true,
}

func (a Auth) validate(key string) []error {
	ways := 0
	for _, set := range []bool{a.APIKey.IsSet(), a.BearerToken.IsSet(), a.Basic != nil} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		return []error{fmt.Errorf("%s: want one of api_key, bearer_token, basic", key)}
	}
	faults := append(a.APIKey.Validate(key+".api_key"), a.BearerToken.Validate(key+".bearer_token")...)
	if b := a.Basic; b != nil {
		if b.Username == "" || strings.Contains(b.Username, ":") {
			faults = append(faults, fmt.Errorf("%s.basic.username: is empty or has a colon", key))
		}
		if !b.Password.IsSet() {
			faults = append(faults, fmt.Errorf("%s.basic.password: is missing", key))
		}
		faults = append(faults, b.Password.Validate(key+".basic.password")...)
	}
	return faults
}

// signals are those that the destination gets.
func (c Config) signals() ([]otlp.Signal, error) {
	var all []otlp.Signal
	seen := map[otlp.Signal]bool{}
	for _, name := range c.Signals {
		s, err := otlp.ParseSignal(name)
		switch {
		case err != nil:
			return nil, err
		case seen[s]:
			return nil, fmt.Errorf("%s comes twice", name)
		}
		seen[s] = true
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, errors.New("is empty")
	}
	return all, nil
}
