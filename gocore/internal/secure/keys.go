package secure

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// The headers that carry keys: "X-API-Key: KEY" or "Authorization: Bearer TOKEN". gRPC
// metadata has the names in lower case.
const (
	APIKeyHeader        = "X-API-Key"
	AuthorizationHeader = "Authorization"
)

// Bounds: each request is compared with every key.
const (
	maxKeys     = 1024 // of one kind
	maxKeyBytes = 4096
	maxFaults   = 20 // told of one kind: a wrong file may have any number
)

// KeyConfig is the keys that clients of a listener may show. Empty lets everybody in.
type KeyConfig struct {
	APIKeys          []Secret `json:"api_keys" yaml:"api_keys"`
	APIKeysFile      string   `json:"api_keys_file" yaml:"api_keys_file"`
	BearerTokens     []Secret `json:"bearer_tokens" yaml:"bearer_tokens"`
	BearerTokensFile string   `json:"bearer_tokens_file" yaml:"bearer_tokens_file"`
}

// Enabled says that clients need a key.
func (c KeyConfig) Enabled() bool { return c.hasAPIKeys() || c.hasBearerTokens() }

func (c KeyConfig) hasAPIKeys() bool      { return len(c.APIKeys) > 0 || c.APIKeysFile != "" }
func (c KeyConfig) hasBearerTokens() bool { return len(c.BearerTokens) > 0 || c.BearerTokensFile != "" }

// Validate reads the files and lists every fault of the settings, which stand under key. It
// tells where a bad key stands, never the key.
func (c KeyConfig) Validate(key string) []error {
	contents, faults := readAll(c.sources(key))
	_, more := c.parse(key, contents)
	return append(faults, more...)
}

func (c KeyConfig) sources(key string) (all []source) {
	for _, s := range []source{
		{key + ".api_keys_file", c.APIKeysFile, true}, {key + ".bearer_tokens_file", c.BearerTokensFile, true},
	} {
		if s.path != "" {
			all = append(all, s)
		}
	}
	return all
}

// keySet is the digests of all keys: a comparison of these tells nothing of a key's length
// or of how much of it was right.
type keySet struct{ apiKeys, bearerTokens []digest }

// parse takes the contents in the order of sources; nil ones, which could not be read, have
// their fault already.
func (c KeyConfig) parse(key string, contents [][]byte) (*keySet, []error) {
	apiKeys := newGather(key + ".api_keys")
	apiKeys.list(c.APIKeys)
	if c.APIKeysFile != "" {
		apiKeys.file(contents[0])
		contents = contents[1:]
	}
	bearerTokens := newGather(key + ".bearer_tokens")
	bearerTokens.list(c.BearerTokens)
	if c.BearerTokensFile != "" {
		bearerTokens.file(contents[0])
	}
	return &keySet{apiKeys.digests, bearerTokens.digests}, append(apiKeys.faults, bearerTokens.faults...)
}

// gather collects the keys of one kind.
type gather struct {
	key     string
	digests []digest
	places  map[digest]string // where each stands
	faults  []error
}

func newGather(key string) *gather { return &gather{key: key, places: map[digest]string{}} }

func (g *gather) list(keys []Secret) {
	for i, key := range keys {
		g.add(fmt.Sprintf("%s[%d]", g.key, i), key.reveal())
	}
}

// file adds a file's lines; nil could not be read, which is told already.
func (g *gather) file(content []byte) {
	if content == nil {
		return
	}
	before := len(g.digests) + len(g.faults)
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if key := strings.TrimSpace(string(line)); key != "" && key[0] != '#' {
			g.add(fmt.Sprintf("%s_file: line %d", g.key, number), key)
		}
	}
	if len(g.digests)+len(g.faults) == before {
		g.faults = append(g.faults, fmt.Errorf("%s_file: has no keys", g.key))
	}
}

func (g *gather) add(place, key string) {
	sum := digest(sha256.Sum256([]byte(key)))
	why := objection(key)
	if earlier, twice := g.places[sum]; twice {
		why = "is the same as " + strings.Replace(earlier, ": line", " line", 1)
	} else if len(g.digests) == maxKeys {
		why = fmt.Sprintf("is one more than the %d allowed", maxKeys)
	}
	if why == "" {
		g.digests = append(g.digests, sum)
		g.places[sum] = place
	} else if len(g.faults) < maxFaults {
		g.faults = append(g.faults, fmt.Errorf("%s: %s", place, why))
	}
}

// objection says why a text is no key; "" when it is.
func objection(key string) string {
	switch {
	case key == "":
		return "is empty"
	case key == Hidden:
		return "is what stands for a hidden key, not a key"
	case len(key) > maxKeyBytes:
		return fmt.Sprintf("is longer than %d bytes", maxKeyBytes)
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "has a space or another character that headers do not carry"
	}
	return ""
}

// Keys checks what clients show, and follows the files.
type Keys struct {
	set       *watched[keySet]
	challenge []string
	refused   atomic.Int64

	none, wrong *fault.Error // made once: refusing must be cheap
}

// Keys reads the settings, which stand under key.
func (c KeyConfig) Keys(key string, env Env) (*Keys, error) {
	parse := func(contents [][]byte) (*keySet, []error) { return c.parse(key, contents) }
	set, err := watch(key, c.sources(key), parse, env)
	if err != nil {
		return nil, err
	}
	k := &Keys{set: set}
	var wanted []string
	if c.hasAPIKeys() {
		wanted = append(wanted, APIKeyHeader+": KEY")
		k.challenge = append(k.challenge, `ApiKey realm="otlp", header="`+APIKeyHeader+`"`)
	}
	if c.hasBearerTokens() {
		wanted = append(wanted, AuthorizationHeader+": Bearer TOKEN")
		k.challenge = append(k.challenge, `Bearer realm="otlp"`)
	}
	hint := "want " + strings.Join(wanted, " or ")
	k.none = fault.New(fault.Unauthenticated, "authenticate", "no key was sent; %s", hint)
	k.wrong = fault.New(fault.Unauthenticated, "authenticate", "the key that was sent is not known here; %s", hint)
	return k, nil
}

// Check takes the two headers' values, "" for none. One good key is enough.
func (k *Keys) Check(apiKey, authorization string) error {
	token := bearer(authorization)
	set := k.set.get()
	if apiKey != "" && known(set.apiKeys, apiKey) || token != "" && known(set.bearerTokens, token) {
		return nil
	}
	k.refused.Add(1)
	if apiKey == "" && authorization == "" {
		return k.none
	}
	return k.wrong
}

// CheckAny is Check for protocols whose clients have one place for a key of whatever kind: a key of
// either kind is good as X-API-Key, Bearer token or password of Basic, and as one of the others.
func (k *Keys) CheckAny(apiKey, authorization string, others ...string) error {
	set := k.set.get()
	shown := append([]string{apiKey, bearer(authorization), Password(authorization)}, others...)
	none := authorization == ""
	for _, key := range shown {
		if key != "" && known(set.apiKeys, key) || key != "" && known(set.bearerTokens, key) {
			return nil
		}
		none = none && key == ""
	}
	k.refused.Add(1)
	if none {
		return k.none
	}
	return k.wrong
}

// Refused counts the checks that failed.
func (k *Keys) Refused() int64 { return k.refused.Load() }

// Challenge is the values of the WWW-Authenticate headers of a 401.
func (k *Keys) Challenge() []string { return k.challenge }

// known compares with every key, found or not, so that its time depends on their number only.
func known(keys []digest, shown string) bool {
	sum := sha256.Sum256([]byte(shown))
	found := 0
	for i := range keys {
		found |= subtle.ConstantTimeCompare(keys[i][:], sum[:])
	}
	return found == 1
}

// Password is the one in an Authorization header of the scheme Basic; "" when that has another.
func Password(authorization string) string {
	scheme, encoded, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	if !strings.EqualFold(scheme, "basic") {
		return ""
	}
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return ""
	}
	_, password, _ := strings.Cut(string(pair), ":")
	return password
}

// bearer is the token in an Authorization header; "" when that has another scheme.
func bearer(authorization string) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}
