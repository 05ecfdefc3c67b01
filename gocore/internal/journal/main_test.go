package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tb is what testing.TB and *rapid.T share.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// where is the journal of most tests.
const where = "/root/writer"

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func noError(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t tb, err error, kind fault.Kind, cause error) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || cause != nil && !errors.Is(err, cause) {
		t.Fatalf("error %v of kind %d, want %v of kind %d", err, fault.KindOf(err), cause, kind)
	}
}

// create makes a journal that is closed with the test.
func create(t testing.TB, disk fsys.FS, c Config) *Journal {
	t.Helper()
	j, err := Create(disk, where, c, quiet())
	noError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// body is what a test appends: it tells by itself whether it is whole.
func body(id uint64, size int) []byte {
	b := make([]byte, max(size, 16))
	binary.LittleEndian.PutUint64(b, id)
	binary.LittleEndian.PutUint64(b[8:], uint64(len(b)))
	for i := 16; i < len(b); i++ {
		b[i] = byte(id) + byte(i)*31
	}
	return b
}

// idOf is the id of a whole body.
func idOf(t tb, b []byte) uint64 {
	t.Helper()
	if len(b) < 16 {
		t.Fatalf("a body of %d bytes", len(b))
	}
	id := binary.LittleEndian.Uint64(b)
	if !bytes.Equal(b, body(id, len(b))) {
		t.Fatalf("body %d is not what was appended", id)
	}
	return id
}

func signalOf(id uint64) otlp.Signal { return otlp.Signals[id%otlp.Count] }

// put appends a body and waits until it is durable.
func put(t tb, j *Journal, id uint64, size int) uint64 {
	t.Helper()
	position, err := j.Append(signalOf(id), 0, body(id, size))
	noError(t, err)
	noError(t, j.Wait(context.Background(), position))
	return position
}

// read is the ids in a journal by position. It checks what must hold whatever happened.
func read(t tb, disk fsys.FS, dir string) (map[uint64]uint64, []Damage) {
	t.Helper()
	r, err := Open(disk, dir, quiet())
	noError(t, err)
	defer r.Close()
	ids := readAll(t, r)
	return ids, r.Damage()
}

func readAll(t tb, r *Reader) map[uint64]uint64 {
	t.Helper()
	ids := map[uint64]uint64{}
	last := uint64(0)
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return ids
		}
		noError(t, err)
		id := idOf(t, record.Body)
		if record.Position <= last || record.Signal != signalOf(id) {
			t.Fatalf("record %d of %v with id %d after %d", record.Position, record.Signal, id, last)
		}
		last = record.Position
		ids[last] = id
	}
}

func expectIDs(t tb, got map[uint64]uint64, want ...uint64) {
	t.Helper()
	have := slices.Sorted(maps.Values(got))
	if !slices.Equal(have, want) {
		t.Fatalf("read %v, want %v", have, want)
	}
}

// segments are the paths of a journal's segments, oldest first.
func segments(t tb, disk fsys.FS, dir string) []string {
	t.Helper()
	entries, err := disk.ReadDir(dir)
	noError(t, err)
	var paths []string
	for _, entry := range entries {
		paths = append(paths, filepath.Join(dir, entry.Name()))
	}
	return paths
}

// failing makes calls of a kind fail while it is set.
func failing(disk *memfs.FS, kinds ...memfs.Kind) {
	disk.SetHook(func(op memfs.Op) error {
		if slices.Contains(kinds, op.Kind) {
			return syscall.EIO
		}
		return nil
	})
}

// failNth makes the n-th call fail, without those of some kinds; calls tells how many there were.
func failNth(disk *memfs.FS, n int, but ...memfs.Kind) (calls *int) {
	calls = new(int)
	disk.SetHook(func(op memfs.Op) error {
		if slices.Contains(but, op.Kind) {
			return nil
		}
		if *calls++; *calls == n {
			return syscall.EIO
		}
		return nil
	})
	return calls
}

// pause is long enough for the next try; under synctest it takes no time.
func pause() { time.Sleep(retryInterval) }
