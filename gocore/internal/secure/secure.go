// Package secure guards the listeners: TLS, the keys that clients show, what is shown to others, and secrets that no
// printing gives away. What the settings' files say is looked at again while the node runs,
// at most every few seconds and by whoever needs it just then, so there is no goroutine to
// end:
//
//	handshake or request ──> get ──> due? ── no ────────────────────────────┐
//	                                  │ yes, and nobody looks already       v
//	                                  └──> read, parse ── good ──> swap ──> current
//	                                                  └── bad: keep, log once
//
// A key file has a key on each line; empty lines and those that begin with # are skipped.
// Certificates and private keys are PEM. Everything here is safe for concurrent use.
package secure

import (
	"fmt"
	"io"
)

// Hidden stands for a secret wherever one would be printed.
const Hidden = "***"

// Secret is a text that no printing shows: every verb of fmt, JSON, YAML and slog tell
// Hidden. It holds a pointer, not the text, because fmt does not ask values in unexported
// fields how to print them.
type Secret struct{ text *string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{&text} }

// Secrets hides texts; nil for none.
func Secrets(texts []string) (hidden []Secret) {
	for _, text := range texts {
		hidden = append(hidden, NewSecret(text))
	}
	return hidden
}

func (s Secret) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Format is for fmt, whatever the verb.
func (Secret) Format(out fmt.State, _ rune) { _, _ = io.WriteString(out, Hidden) }

// String is for whoever does not ask fmt.
func (Secret) String() string { return Hidden }

// MarshalText is for JSON, YAML and slog.
func (Secret) MarshalText() ([]byte, error) { return []byte(Hidden), nil }
