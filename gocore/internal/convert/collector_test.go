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
