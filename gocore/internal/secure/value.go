package secure

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Value is a secret that a setting gives as a text, or as where it stands:
//
//	"the secret"    {"env": "NAME"}    {"file": "/path"}
//
// A file is read again when it changes; white space around its text does not count.
type Value struct {
	text Secret
	env  string
	file string
}

// NewValue is a value that is given as a text.
func NewValue(text string) Value { return Value{text: NewSecret(text)} }

// IsSet tells whether there is one.
func (v Value) IsSet() bool { return v != Value{} }

// errValue quotes nothing: what was meant to be a secret may stand anywhere.
var errValue = errors.New(`want a text, {"env": NAME} or {"file": PATH}`)

// UnmarshalJSON takes one of the three, or null for none.
func (v *Value) UnmarshalJSON(document []byte) error {
	if string(document) == "null" { // print-config says it of what is not set
		*v = Value{}
		return nil
	}
	var text string
	if json.Unmarshal(document, &text) == nil {
		*v = NewValue(text)
		return nil
	}
	var where map[string]string
	if json.Unmarshal(document, &where) != nil || len(where) != 1 {
		return errValue
	}
	*v = Value{env: where["env"], file: where["file"]}
	if !v.IsSet() {
		return errValue
	}
	return nil
}

// MarshalJSON tells where it stands, or Hidden.
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case v.env != "":
		return json.Marshal(map[string]string{"env": v.env})
	case v.file != "":
		return json.Marshal(map[string]string{"file": v.file})
	case v.text.text != nil:
		return json.Marshal(Hidden)
	}
	return []byte("null"), nil
}

// Validate reads the value, which stands under key. It tells no secret.
func (v Value) Validate(key string) []error {
	if !v.IsSet() {
		return nil
	}
	contents, faults := readAll(v.sources(key))
	if len(faults) == 0 {
		_, faults = v.parse(key, contents)
	}
	return faults
}

func (v Value) sources(key string) []source {
	if v.file == "" {
		return nil
	}
	return []source{{key + ".file", v.file, true}}
}

func (v Value) parse(key string, contents [][]byte) (*string, []error) {
	text := v.text.reveal()
	switch {
	case v.env != "":
		text = os.Getenv(v.env)
		key += ".env: " + v.env
	case v.file != "":
		text = strings.TrimSpace(string(contents[0]))
		key += ".file"
	}
	switch {
	case text == "":
		return nil, []error{fmt.Errorf("%s: is empty", key)}
	case text == Hidden:
		return nil, []error{fmt.Errorf("%s: is what stands for a hidden secret, not one", key)}
	case len(text) > maxKeyBytes:
		return nil, []error{fmt.Errorf("%s: is longer than %d bytes", key, maxKeyBytes)}
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return nil, []error{fmt.Errorf("%s: has a character that headers do not carry", key)}
	}
	return &text, nil
}

// Shown is a value that is shown to others, and follows its file.
type Shown struct{ text *watched[string] }

// Open reads the value, which stands under key.
func (v Value) Open(key string, env Env) (*Shown, error) {
	parse := func(contents [][]byte) (*string, []error) { return v.parse(key, contents) }
	text, err := watch(key, v.sources(key), parse, env)
	if err != nil {
		return nil, err
	}
	return &Shown{text}, nil
}

// Reveal is the secret as of now: for who sends it, never for who prints.
func (s *Shown) Reveal() string { return *s.text.get() }
