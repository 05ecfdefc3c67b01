package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
)

// assignDestinations takes the list of destinations as a list, or as its JSON. No fault quotes what is in
// it: that may be a key.
func assignDestinations(field reflect.Value, value any) error {
	document, err := documentOf(value)
	if err != nil {
		return err
	}
	var raw []json.RawMessage
	if json.Unmarshal(document, &raw) != nil {
		return errors.New("is not a list of destinations")
	}
	var all []forward.Config
	if len(raw) > 0 {
		all = make([]forward.Config, len(raw))
	}
	var faults []error
	for i := range raw {
		if err := json.Unmarshal(raw[i], &all[i]); err != nil {
			faults = append(faults, fmt.Errorf("[%d]: %w", i, err))
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	field.Set(reflect.ValueOf(all))
	return nil
}

func documentOf(value any) ([]byte, error) {
	if written, ok := value.(text); ok {
		if written == "" {
			return []byte("[]"), nil
		}
		return []byte(written), nil
	}
	document, err := json.Marshal(value)
	if err != nil {
		return nil, errors.New("is not a list of destinations")
	}
	return document, nil
}
