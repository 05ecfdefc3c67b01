package otlparrow

import (
	"context"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
)

func TestMock(t *testing.T) {
	c := embedded(t)
	c.Mock = true
	library := open(t, c)
	if err := library.Script([]byte(`{"rules": [{"do": "refuse", "count": 1}]}`)); err != nil {
		t.Error(err)
	}
	if err := library.Script([]byte(`{"rules": [{"do": "laugh", "count": 1}]}`)); Code(err) != codeConfig {
		t.Errorf("%v, want a config error", err)
	}
	if err := library.Export(t.Context(), Logs, sample.New(1, 1).Body("logs", 3)); err != nil {
		t.Errorf("what comes without a receiver follows no script: %v", err)
	}
	if seen, err := library.Requests(t.Context(), 0); err != nil || seen.Answered != 0 {
		t.Errorf("%+v, %v", seen, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := library.Requests(ctx, 1); Code(err) != codeTimeout {
		t.Errorf("%v, want a timeout", err)
	}
}

func TestOnlyAMockTakesAScript(t *testing.T) {
	library := open(t, embedded(t))
	if err := library.Script([]byte(`{}`)); Code(err) != codeInvalid {
		t.Errorf("%v, want an argument error", err)
	}
	if _, err := library.Requests(t.Context(), 0); Code(err) != codeInvalid {
		t.Errorf("%v, want an argument error", err)
	}
}
