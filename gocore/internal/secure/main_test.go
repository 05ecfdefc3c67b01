package secure

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure/securetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is the surroundings of a guard.
type rig struct {
	securetest.Dir
	clock *securetest.Clock
	log   *obstest.Log
}

func newRig(t *testing.T) rig {
	t.Helper()
	return rig{securetest.NewDir(t), securetest.NewClock(), &obstest.Log{}}
}

func (r rig) env() Env { return Env{r.clock.Now, r.log.Logger()} }

// expectLog checks how often texts were logged.
func (r rig) expectLog(t *testing.T, want map[string]int) {
	t.Helper()
	for text, times := range want {
		if got := r.log.Count(text); got != times {
			t.Errorf("%q was logged %d times, want %d:\n%s", text, got, times, r.log)
		}
	}
}

const hush = "hush-hush"

// TestSecretIsNeverPrinted: not by itself, not in a struct, and not where fmt may not ask.
func TestSecretIsNeverPrinted(t *testing.T) {
	config := KeyConfig{APIKeys: Secrets([]string{hush}), BearerTokens: Secrets([]string{hush})}
	hidden := struct{ config KeyConfig }{config}
	for name, value := range map[string]any{
		"secret": NewSecret(hush), "pointer": &config.APIKeys[0], "list": config.APIKeys, "config": config,
		"pointer to config": &config, "unexported": hidden, "pointer to unexported": &hidden, "map": map[string]any{"a": config},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, hush) || strings.Contains(text, fmt.Sprintf("%x", hush)) {
				t.Errorf("%s of %s is %s", verb, name, text)
			}
		}
		log := &obstest.Log{}
		log.Logger().Info("text", "value", value)
		slog.New(slog.NewJSONHandler(log, nil)).Info("json", "value", value)
		document, err := json.Marshal(value)
		if err != nil || strings.Contains(string(document)+log.String(), hush) {
			t.Errorf("%s: JSON %s, %v, log %s", name, document, err, log)
		}
	}
	if got := NewSecret(hush).String() + fmt.Sprint(Secret{}); got != Hidden+Hidden {
		t.Errorf("got %s", got)
	}
	if got := (Secret{}).reveal() + NewSecret(hush).reveal(); got != hush {
		t.Errorf("reveals %q", got)
	}
}
