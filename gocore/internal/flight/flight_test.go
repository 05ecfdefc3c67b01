package flight

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMessages: what is read and written by hand is what the reference reads and writes.
func TestMessages(t *testing.T) {
	d, err := ParseData(marshal(t, &flight.FlightData{FlightDescriptor: &flight.FlightDescriptor{Path: []string{"logs"}},
		DataHeader: []byte("head"), AppMetadata: []byte("meta"), DataBody: []byte("body")}))
	if err != nil || string(d.Header) != "head" || string(d.Body) != "body" {
		t.Errorf("%+v: %v", d, err)
	}
	size := Size{300, 4}
	memory := make([]byte, size.Frame())
	frame := NewFrame(&memory, size)
	frame.Head[299], frame.Body[3] = 1, 2
	var data flight.FlightData
	if err := proto.Unmarshal(memory, &data); err != nil || !bytes.Equal(data.DataHeader, frame.Head) || !bytes.Equal(data.DataBody, frame.Body) {
		t.Errorf("%v: %v", &data, err)
	}
	var schema flight.FlightData
	if err := proto.Unmarshal(AppendHeader(nil, []byte("head")), &schema); err != nil || string(schema.DataHeader) != "head" {
		t.Errorf("%v: %v", &schema, err)
	}
	ticket, err := ParseTicket(marshal(t, &flight.Ticket{Ticket: []byte("logs")}))
	if err != nil || string(ticket) != "logs" {
		t.Errorf("%q: %v", ticket, err)
	}
	var info flight.FlightInfo
	made := AppendInfo(nil, []byte("schema"), AppendPath(nil, "logs"), []byte("ticket"))
	if err := proto.Unmarshal(made, &info); err != nil || string(info.Schema) != "schema" || info.FlightDescriptor.Path[0] != "logs" ||
		info.FlightDescriptor.Type != flight.DescriptorPATH || string(info.Endpoint[0].Ticket.Ticket) != "ticket" || info.TotalRecords != -1 || info.TotalBytes != -1 {
		t.Errorf("%v: %v", &info, err)
	}
	payload, err := ParseHandshake(marshal(t, &flight.HandshakeRequest{Payload: []byte("key")}))
	if err != nil || string(payload) != "key" {
		t.Errorf("%q: %v", payload, err)
	}
	var shaken flight.HandshakeResponse
	if err := proto.Unmarshal(AppendHandshake(nil, []byte("key")), &shaken); err != nil || string(shaken.Payload) != "key" {
		t.Errorf("%v: %v", &shaken, err)
	}
	for _, c := range []struct{ payload, want string }{
		{string(marshal(t, &flight.BasicAuth{Username: "me", Password: "key"})), "key"},
		{string(marshal(t, &flight.BasicAuth{Password: "key"})), "key"},
		{"plain key", "plain key"}, {"\x12\x01x", "\x12\x01x"}, {"\x1a\x01x\x08\x01", "\x1a\x01x\x08\x01"}, {"", ""},
	} {
		if got := Password([]byte(c.payload)); got != c.want {
			t.Errorf("the password in %q is %q, want %q", c.payload, got, c.want)
		}
	}
}

func TestBadMessages(t *testing.T) {
	cut := []byte{0x0a, 5, 'x'}
	for name, parse := range map[string]func([]byte) error{
		"FlightData":       func(b []byte) error { _, err := ParseData(b); return err },
		"Ticket":           func(b []byte) error { _, err := ParseTicket(b); return err },
		"FlightDescriptor": func(b []byte) error { _, err := ParseDescriptor(b); return err },
		"HandshakeRequest": func(b []byte) error { _, err := ParseHandshake(b); return err },
	} {
		if err := parse(cut); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func at(nanos int64) *int64 { return &nanos }

func TestSelection(t *testing.T) {
	for text, want := range map[string]Selection{
		"traces":                {Signal: otlp.Traces},
		" logs\n":               {Signal: otlp.Logs},
		`{"signal": "metrics"}`: {Signal: otlp.Metrics},
		`{"signal": "logs", "since": 5, "until": "1970-01-01T00:00:00.000000009Z"}`:   {Signal: otlp.Logs, Since: at(5), Until: at(9)},
		`{"signal": "logs", "service": "shop", "columns": ["body", "body", "flags"]}`: {Signal: otlp.Logs, Services: []string{"shop"}, Columns: []string{"body", "flags"}},
		`{"signal": "logs", "service": ["a", "b"], "columns": []}`:                    {Signal: otlp.Logs, Services: []string{"a", "b"}, Columns: []string{}},
		`{"signal": "logs", "service": null, "since": null, "columns": null}`:         {Signal: otlp.Logs},
	} {
		got, err := ParseSelection([]byte(text))
		if err != nil || !same(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseSelection(got.Ticket()); err != nil || !same(again, want) {
			t.Errorf("%s became %s: %+v, %v", text, got.Ticket(), again, err)
		}
	}
}

func same(a, b Selection) bool {
	moments := func(x, y *int64) bool { return (x == nil) == (y == nil) && (x == nil || *x == *y) }
	lists := func(x, y []string) bool { return (x == nil) == (y == nil) && slices.Equal(x, y) }
	return a.Signal == b.Signal && moments(a.Since, b.Since) && moments(a.Until, b.Until) && lists(a.Services, b.Services) && lists(a.Columns, b.Columns)
}

func TestBadSelections(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "want traces, logs or metrics",
		"spans":                              `"spans"`,
		`{}`:                                 `"signal" is ""`,
		`{"signal": "logs"} x`:               "something follows",
		`{"signal": "logs"`:                  "unexpected EOF",
		`{"signal": "logs", "where": "x"}`:   `unknown field "where"`,
		`{"signal": "logs", "since": "now"}`: `"now" is no time`,
		`{"signal": "logs", "since": 1.5}`:   "cannot unmarshal",
		`{"signal": "logs", "until": "2300-01-01T00:00:00Z"}`: "not within the years",
		`{"signal": "logs", "columns": "body"}`:               "cannot unmarshal",
		`{"signal": "logs", "service": [1]}`:                  "cannot unmarshal",
	} {
		if _, err := ParseSelection([]byte(text)); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestDescriptors(t *testing.T) {
	for _, c := range []struct {
		of   *flight.FlightDescriptor
		want string // of the error, "" for logs
	}{
		{&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"logs"}}, ""},
		{&flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte(`{"signal": "logs"}`)}, ""},
		{&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"logs", "x"}}, "a path of 2 parts"},
		{&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"spans"}}, `"spans"`},
		{&flight.FlightDescriptor{}, "a descriptor of type 0"},
	} {
		d, err := ParseDescriptor(marshal(t, c.of))
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Selection()
		if c.want == "" && (err != nil || got.Signal != otlp.Logs) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %+v, %v", c.of, got, err)
		}
	}
}
