package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// assignments lays what a command line gives over the settings, one by one: a later one wins,
// and one that cannot be used is a fault, be it overruled later.
func (l *loader) assignments(all []string) {
	for _, one := range all {
		key, value, ok := strings.Cut(one, "=")
		if !ok {
			l.faults = append(l.faults, fmt.Errorf("%s: want KEY=VALUE", one))
			continue
		}
		l.set(key, assigned(value))
	}
}

// unfinished is a value that begins as JSON and is none. It can only be a text.
type unfinished string

// assigned reads a value: objects, lists and texts of JSON as such, everything else as if it
// came from the environment.
func assigned(value string) any {
	if value == "null" {
		return nil
	}
	if value == "" || !strings.Contains(`{["`, value[:1]) {
		return text(value)
	}
	parsed, err := parseJSON(value)
	if err != nil {
		return unfinished(value)
	}
	return parsed
}

func parseJSON(document string) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(document)))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the document")
	}
	return value, nil
}
