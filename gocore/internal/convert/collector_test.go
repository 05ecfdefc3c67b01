package convert

import (
	"path/filepath"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestCollectorFiles reads what the file exporter of Collector 0.159.0 wrote, with its formats
// json and proto, each without compression and with zstd: the same two requests of a span,
// and in all.json one of logs and one of metrics behind them.
func TestCollectorFiles(t *testing.T) {
	disk := memfs.New()
	for _, name := range []string{"all.json", "traces.proto", "zstd.json", "traces-zstd.proto"} {
		data, err := fsys.ReadFile(fsys.OS{}, filepath.Join("testdata", "collector", name))
		if err != nil {
			t.Fatal(err)
		}
		src := write(t, disk, "/"+name, data)
		r := convert(t, disk, src, src+".arrows", Options{Signal: "traces"})
		if r.Messages != 2 || (r.Skipped == 2) != (name == "all.json") {
			t.Errorf("%s: %+v", name, r)
		}
		wantSame(t, otlp.Traces, messageIn(t, disk, "/all.json", Options{Signal: "traces"}), messageIn(t, disk, src+".arrows", Options{}))
		for _, s := range []string{"logs", "metrics"} {
			if name == "all.json" {
				if r := convert(t, disk, src, "/b.parquet", Options{Signal: s}); r.Messages != 1 || r.Skipped != 3 {
					t.Errorf("%s: %+v", s, r)
				}
			}
		}
	}
}

// TestCollectorOTAP reads what the otelarrow exporter v0.24.0 of Collector 0.102.1 sent when it was
// given the requests in otelarrow.json.gz: two of each signal, with all kinds of values and points.
// It says milliseconds and delta where it means nanoseconds and quasi-delta, and keeps no order.
func TestCollectorOTAP(t *testing.T) {
	disk := memfs.New()
	for _, name := range []string{"otelarrow.otap.gz", "otelarrow.json.gz"} {
		data, err := fsys.ReadFile(fsys.OS{}, filepath.Join("testdata", "collector", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, disk, "/"+name, data)
	}
	for _, s := range otlp.Signals {
		o := Options{Signal: s.String()}
		want, got := messageIn(t, disk, "/otelarrow.json.gz", o), messageIn(t, disk, "/otelarrow.otap.gz", o)
		wantSame(t, s, sorted(t, s, want, everything), sorted(t, s, got, everything))
		if len(got) < 3000 {
			t.Errorf("%s: only %d bytes", s, len(got))
		}
	}
}
