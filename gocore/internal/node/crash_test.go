package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/tests/go/readback"
)

// crashConfig is a node without listeners, that writes when it is told to.
func crashConfig(durability string) config.Config {
	c := config.Default()
	c.OutputDir, c.Durability, c.WriteIntervalSecs = "/out", durability, 3600
	c.OTLPGRPC.Enabled, c.OTLPHTTP.Enabled, c.Arrow.Enabled = false, false, false
	c.Health.Enabled, c.Metrics.Enabled = false, false
	c.Queue.MaxBytes = 1 << 20
	return c
}

func logRequest(t testing.TB, id string) []byte {
	t.Helper()
	text := id + "|" + strings.Repeat("x", 50<<10) // so long that the journal has several segments
	record := &logspb.LogRecord{Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: text}}}
	body, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{
		LogRecords: []*logspb.LogRecord{record}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// stored counts how often each request is in the files, by reading them as anybody would.
func stored(disk fsys.FS) (map[string]int, error) {
	counts := map[string]int{}
	dir := filepath.Join(files.Root("/out"), "logs")
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return counts, nil //nolint:nilerr // no directory has no files
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		data, err := fsys.ReadFile(disk, filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		bodies, err := readback.Texts(data, "body")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		for _, text := range bodies {
			id, _, _ := strings.Cut(text, "|")
			counts[id]++
		}
	}
	return counts, nil
}

// acks are the requests that were acknowledged so far.
type acks struct {
	mu  sync.Mutex // guards ids
	ids []string
}

func (a *acks) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = append(a.ids, id)
}

func (a *acks) now() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.ids...)
}

// moment is a crash: what the disk has then, and what must not be lost.
type moment struct {
	name  string
	disk  *memfs.FS
	acked []string
}

// everyMoment runs a small life on a disk and gives a crash before each call that changes it.
func everyMoment(t *testing.T, disk *memfs.FS, mode memfs.Mode, acked *acks, life func()) (all []moment) {
	t.Helper()
	var mu sync.Mutex
	disk.SetHook(func(op memfs.Op) error {
		if op.Kind.Changes() {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, moment{fmt.Sprintf("before call %d, %s %s", len(all), op.Kind, op.Name), disk.Clone(mode), acked.now()})
		}
		return nil
	})
	life()
	disk.SetHook(nil)
	return append(all, moment{"at the end", disk.Clone(mode), acked.now()})
}

func (m moment) expect(t *testing.T, disk fsys.FS, when string) {
	t.Helper()
	counts, err := stored(disk)
	if err != nil {
		t.Fatalf("%s, %s: %v", m.name, when, err)
	}
	for _, id := range m.acked {
		if counts[id] != 1 {
			t.Fatalf("%s, %s: %s was acknowledged and is stored %d times", m.name, when, id, counts[id])
		}
	}
	for id, n := range counts {
		if n > 1 {
			t.Fatalf("%s, %s: %s is stored %d times", m.name, when, id, n)
		}
	}
}

// life is a node that takes requests, writes some of them, and is not stopped but crashes; a
// second one adopts what it left and goes on.
func life(t *testing.T, disk fsys.FS, durability string, acked *acks) {
	t.Helper()
	n, err := StartOn(disk, crashConfig(durability), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		id := fmt.Sprintf("request %d of node %p", i, n)
		if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, id)); err != nil {
			t.Fatal(err)
		}
		acked.add(id)
		if i%2 == 1 && i < 5 {
			if err := n.Flush(t.Context(), otlp.Logs); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() { _ = n.Shutdown(context.Background()) })
}

// TestEveryCrash: at whichever call a process is killed or loses its power, what it acknowledged
// is stored exactly once after the next start, and nothing is stored twice; also when that start
// crashes at whichever call of its own (for every eighth crash, or for all with OTLP_ARROW_LONG=1).
func TestEveryCrash(t *testing.T) {
	for _, tt := range []struct {
		durability string
		mode       memfs.Mode
	}{
		{config.Write, memfs.KillNine()},
		{config.Fsync, memfs.PowerLoss()},
		{config.Fsync, memfs.PowerLossPartly(1)},
		{config.Fsync, memfs.PowerLossPartly(2)},
	} {
		t.Run(tt.durability+" "+tt.mode.String(), func(t *testing.T) {
			disk, acked := memfs.New(), &acks{}
			first := everyMoment(t, disk, tt.mode, acked, func() { life(t, disk, tt.durability, acked) })
			recoveries := 0
			for i, m := range first {
				again := everyMoment(t, m.disk, tt.mode, &acks{}, func() { restart(t, m.disk, tt.durability) })
				m.expect(t, m.disk, "after the next start")
				if i%8 != 0 && os.Getenv("OTLP_ARROW_LONG") == "" {
					continue
				}
				for _, second := range again {
					second.name, second.acked = m.name+", then "+second.name, m.acked
					restart(t, second.disk, tt.durability)
					second.expect(t, second.disk, "after two starts")
					recoveries++
				}
			}
			t.Logf("%d crashes, and %d while recovering from them", len(first), recoveries)
		})
	}
}

// restart starts a node, which adopts, and stops it.
func restart(t *testing.T, disk fsys.FS, durability string) {
	t.Helper()
	n, err := StartOn(disk, crashConfig(durability), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}
