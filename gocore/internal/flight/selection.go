package flight

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Selection is which rows and columns of a signal's table are wanted, with the names that the
// Python functions give to the same:
//
//	traces
//	{"signal": "traces", "since": 1767323045000000000, "until": "2026-01-02T04:00:00Z",
//	 "service": ["shop"], "columns": ["name", "duration_nano"]}
type Selection struct {
	Signal otlp.Signal
	// Since and Until are nanoseconds since 1970 UTC, since <= time < until; nil: no bound.
	Since, Until *int64
	// Services are the wanted values of service_name; nil: all.
	Services []string
	// Columns in the wanted order; nil: all.
	Columns []string
}

// Whole tells whether all rows and columns are wanted.
func (s Selection) Whole() bool { return s.Columns == nil && !s.Filters() }

// Filters tells whether some rows may not be wanted.
func (s Selection) Filters() bool { return s.Since != nil || s.Until != nil || s.Services != nil }

const (
	signals = "traces, logs or metrics"
	form    = `want traces, logs or metrics, or a JSON object with "signal" and, if need be, "since", "until", "service", "columns"`
	op      = "select"
)

// ParseSelection reads a ticket or a command.
func ParseSelection(text []byte) (s Selection, err error) {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return parseSignal("the ticket", string(text))
	}
	var asked struct {
		Signal  string
		Since   moment
		Until   moment
		Service texts
		Columns *[]string
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err = d.Decode(&asked); err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if err != nil {
		return s, fault.New(fault.Invalid, op, "%w; %s", err, form)
	}
	if s, err = parseSignal(`"signal"`, asked.Signal); err != nil {
		return s, err
	}
	s.Since, s.Until, s.Services = asked.Since.nanos, asked.Until.nanos, asked.Service
	if asked.Columns != nil {
		s.Columns = distinct(*asked.Columns)
	}
	return s, nil
}

func parseSignal(place, text string) (Selection, error) {
	signal, err := otlp.ParseSignal(text)
	if err != nil {
		return Selection{}, fault.New(fault.Invalid, op, "%s is %.100q: %s", place, text, form)
	}
	return Selection{Signal: signal}, nil
}

func distinct(all []string) []string {
	once, seen := make([]string, 0, len(all)), map[string]bool{}
	for _, one := range all {
		if !seen[one] {
			once = append(once, one)
		}
		seen[one] = true
	}
	return once
}

// Ticket is the shortest text that ParseSelection reads as this.
func (s Selection) Ticket() []byte {
	if s.Whole() {
		return []byte(s.Signal.String())
	}
	type ticket struct {
		Signal  string    `json:"signal"`
		Since   *int64    `json:"since,omitempty"`
		Until   *int64    `json:"until,omitempty"`
		Service *[]string `json:"service,omitempty"`
		Columns *[]string `json:"columns,omitempty"`
	}
	t := ticket{Signal: s.Signal.String(), Since: s.Since, Until: s.Until}
	if s.Services != nil {
		t.Service = &s.Services
	}
	if s.Columns != nil {
		t.Columns = &s.Columns
	}
	text, _ := json.Marshal(t) // texts and numbers cannot fail
	return text
}

// moment is nanoseconds, or a time as in RFC 3339.
type moment struct{ nanos *int64 }

// UnmarshalJSON is of json.Unmarshaler.
func (m *moment) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return json.Unmarshal(b, &m.nanos)
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("%q is no time as in RFC 3339", text)
	}
	if year := at.Year(); year < 1678 || year > 2261 {
		return fmt.Errorf("%q is not within the years 1678 to 2261", text)
	}
	nanos := at.UnixNano()
	m.nanos = &nanos
	return nil
}

// texts is one text, or several.
type texts []string

// UnmarshalJSON is of json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	if b[0] != '"' {
		return json.Unmarshal(b, (*[]string)(t))
	}
	*t = make(texts, 1)
	return json.Unmarshal(b, &(*t)[0])
}
