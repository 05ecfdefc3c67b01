package otlparrow

import (
	"strings"
	"testing"
)

func TestSend(t *testing.T) {
	library, err := Open(t.Context(), Config{Embedded: true, Values: map[string]any{"output_dir": t.TempDir(), "otlp_grpc": map[string]any{"enabled": true, "endpoint": "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = library.Close(t.Context()) }()
	endpoint := "http://" + library.Endpoints()["otlp_grpc"]
	o, err := ParseSend([]byte(`{"destination": {"endpoint": "` + endpoint + `"}, "generate": "traces", "items": 10, "connections": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	if sent, err := Send(t.Context(), o); err != nil || sent.Items != 10 {
		t.Errorf("%+v, %v", sent, err)
	}
	for document, want := range map[string]string{`{"colour": 1}`: "colour", `{}`: "want files, or a signal"} {
		o, err := ParseSend([]byte(document))
		if err == nil {
			_, err = Send(t.Context(), o)
		}
		if Code(err) != 9 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", document, err)
		}
	}
}
