package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// setter puts a value into one setting.
type setter func(value any) error

// keysOf lists the settings of a Config by the users' keys: "files.compression".
func keysOf(c *Config) map[string]setter {
	keys := map[string]setter{}
	collect(keys, "", reflect.ValueOf(c).Elem())
	return keys
}

func collect(keys map[string]setter, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		field, described := v.Field(i), v.Type().Field(i)
		name, _, _ := strings.Cut(described.Tag.Get("json"), ",")
		switch {
		case described.Anonymous:
			collect(keys, prefix, field)
		case field.Type() == reflect.TypeFor[[]secure.Secret]():
			keys[prefix+name] = func(value any) error { return assignSecrets(field, value) }
		case field.Type() == reflect.TypeFor[[]forward.Config]():
			keys[prefix+name] = func(value any) error { return assignDestinations(field, value) }
		case field.Kind() == reflect.Struct:
			collect(keys, prefix+name+".", field)
		default:
			keys[prefix+name] = func(value any) error { return assign(field, value) }
		}
	}
}

// assign converts a value of YAML, JSON or an environment variable.
func assign(field reflect.Value, value any) error {
	switch field.Kind() {
	case reflect.String:
		return assignString(field, value)
	case reflect.Bool:
		return assignBool(field, value)
	case reflect.Slice:
		return assignList(field, value)
	default:
		return assignInt(field, value)
	}
}

func assignString(field reflect.Value, value any) error {
	switch v := value.(type) {
	case string:
		field.SetString(v)
	case text:
		field.SetString(string(v))
	case unfinished:
		field.SetString(string(v))
	case literal:
		written, ok := v.value.(string)
		if !ok {
			return fmt.Errorf("%s is not a text; YAML wants it in quotes: %q", v.written, v.written)
		}
		field.SetString(written)
	case bool, int, int64, uint64, float64, json.Number:
		return fmt.Errorf("%v is not a text; YAML wants it in quotes", value)
	default:
		return fmt.Errorf("%v is not a text", value)
	}
	return nil
}

func assignBool(field reflect.Value, value any) error {
	switch v := value.(type) {
	case bool:
		field.SetBool(v)
		return nil
	case text:
		if v == "true" || v == "false" {
			field.SetBool(v == "true")
			return nil
		}
	}
	return fmt.Errorf("%v is not true or false", value)
}

func assignList(field reflect.Value, value any) error {
	var list []string
	switch v := value.(type) {
	case text:
		if v != "" {
			list = strings.Split(string(v), ",")
		}
	case nil: // print-config says null for an empty list
	case []string:
		list = append(list, v...)
	case []any:
		for _, one := range v {
			s, ok := one.(string)
			if !ok {
				return fmt.Errorf("%v is not a text", one)
			}
			list = append(list, s)
		}
	default:
		return fmt.Errorf("%v is not a list", value)
	}
	field.Set(reflect.ValueOf(list))
	return nil
}

// assignSecrets is assignList for values that no fault may tell. An empty variable or
// assignment is a list of one empty key, which is a fault later: a secret that got lost on its way here must not
// leave a listener open to all.
func assignSecrets(field reflect.Value, value any) error {
	if value == text("") {
		value = []string{""}
	}
	var list []string
	if err := assignList(reflect.ValueOf(&list).Elem(), value); err != nil {
		return errors.New("is not a list of texts; what it is is not told here")
	}
	field.Set(reflect.ValueOf(secure.Secrets(list)))
	return nil
}

func assignInt(field reflect.Value, value any) error {
	n, err := integer(value)
	if err != nil {
		return err
	}
	if field.CanUint() {
		if n < 0 || field.OverflowUint(uint64(n)) {
			return fmt.Errorf("%d is out of range", n)
		}
		field.SetUint(uint64(n))
		return nil
	}
	if field.OverflowInt(n) {
		return fmt.Errorf("%d is out of range", n)
	}
	field.SetInt(n)
	return nil
}

func integer(value any) (int64, error) {
	switch v := value.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v), nil
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
	case json.Number:
		if n, ok := whole(string(v)); ok {
			return n, nil
		}
	case text:
		if n, ok := whole(string(v)); ok {
			return n, nil
		}
	case literal:
		return integerOf(v)
	}
	return 0, fmt.Errorf("%v is not a whole number", value)
}

func integerOf(v literal) (int64, error) {
	if v.isAmbiguous() {
		return 0, v.ambiguity()
	}
	if written, ok := v.value.(string); ok {
		return integer(json.Number(written))
	}
	return integer(v.value)
}

// whole reads a decimal number that may have a fraction of zeros or an exponent. Its precision
// is beyond that of int64, so that what is nearly whole is not.
func whole(decimal string) (int64, bool) {
	if n, err := strconv.ParseInt(decimal, 10, 64); err == nil {
		return n, true
	}
	if strings.ContainsAny(decimal, "_xXoObBpPiI") { // which is more than decimals have
		return 0, false
	}
	v, _, err := big.ParseFloat(decimal, 10, 512, big.ToNearestEven)
	if err != nil || !v.IsInt() {
		return 0, false
	}
	n, accuracy := v.Int64()
	return n, accuracy == big.Exact
}
