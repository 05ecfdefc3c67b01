package blackbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

// TestForwardOTAP: what one service forwards as OTAP is in another's files, all signals.
func TestForwardOTAP(t *testing.T) {
	binary, from, to := service(t), t.TempDir(), t.TempDir()
	second := launch(t, binary, to)
	destination := fmt.Sprintf(`forwarding=[{"name":"second","protocol":"otap","endpoint":%q,"tls":{"insecure":true}}]`,
		second.endpoints["otlp_grpc"])
	first := launch(t, binary, from, destination)
	send := dialGRPC(t, first.endpoints["otlp_grpc"])
	maker := sample.New(1, 1_700_000_000_000_000_000)
	signals := map[otlparrow.Signal]string{otlparrow.Traces: "name", otlparrow.Metrics: "metric_name", otlparrow.Logs: "body"}
	for range 20 {
		for signal := range signals {
			if err := send(t.Context(), signal, maker.Body(signal.String(), 100)); err != nil {
				t.Fatal(err)
			}
		}
	}
	first.terminate(t) // it sends what waits
	second.terminate(t)
	for signal, column := range signals {
		sent, arrived := stored(t, from, signal.String(), column), stored(t, to, signal.String(), column)
		if len(sent) != 2000 || !slices.Equal(sent, arrived) {
			t.Errorf("%s: %d sent, %d arrived, or others\n%s", signal, len(sent), len(arrived), first.output)
		}
	}
}

// stored is a column of all rows of a signal, in alphabetical order.
func stored(t *testing.T, dir, signal, column string) (all []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "otlp", signal, "otlp_*.arrows"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		stream, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := readback.Texts(stream, column)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, texts...)
	}
	slices.Sort(all)
	return all
}
