package journal

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func recentConfig(bytes int64) Config { return Config{MaxBytes: 64 << 20, Recent: bytes} }

// TestRecentReadsNothing: who keeps up opens no file, whatever the size of records.
func TestRecentReadsNothing(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, recentConfig(1<<20))
	tail := j.Tail(otlp.Traces, func([]byte) int { panic("items are known") })
	defer tail.Close()
	for id, size := range []int{16, 1000, memoryBytes / 2, memoryBytes - recordHeader - markSize, memoryBytes, 700_000, 50, memoryBytes - 100} {
		add(t, j, otlp.Logs, 9, 100)
		add(t, j, otlp.Traces, uint64(id), size)
		failing(disk, memfs.Open, memfs.Read)
		record, err := tail.Next()
		noError(t, err)
		if got := idOf(t, record.Body); got != uint64(id) || record.Items != 2 || record.Memory == nil {
			t.Errorf("%d with %d items instead of %d", got, record.Items, id)
		}
		if ids := drain(t, tail); ids != nil || tail.At() != j.Next() {
			t.Errorf("%v after it, at %d", ids, tail.At())
		}
		disk.SetHook(nil)
	}
}

// TestRecentFallsBack: what is not in memory any more, or never was, is read from the file, in order.
func TestRecentFallsBack(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, recentConfig(500_000))
	tail := j.Tail(otlp.Traces, twice)
	defer tail.Close()
	var want []uint64
	for id, size := range []int{100, 450_000, 100, 600_000, 200_000, 200_000, 200_000, 5_000_000, 100} {
		add(t, j, otlp.Traces, uint64(id), size)
		want = append(want, uint64(id))
		if id == 1 {
			if ids := drain(t, tail); !slices.Equal(ids, want) {
				t.Fatalf("%v instead of %v", ids, want)
			}
			want = nil
		}
	}
	if r := &j.recent[otlp.Traces]; r.bytes > j.config.Recent || len(r.entries) == 0 {
		t.Errorf("%d bytes of %d records are in memory", r.bytes, len(r.entries))
	}
	if ids := drain(t, tail); !slices.Equal(ids, want) || tail.Lost() != (Tally{}) {
		t.Errorf("%v instead of %v, %+v lost", ids, want, tail.Lost())
	}
	if r := &j.recent[otlp.Traces]; len(r.entries) != 0 || r.bytes != 0 {
		t.Errorf("%d records of %d bytes stay in memory for nobody", len(r.entries), r.bytes)
	}
}

// TestRecentHeld: a body stays as it is while it is held, and its memory is used again afterwards.
func TestRecentHeld(t *testing.T) {
	j := create(t, memfs.New(), recentConfig(1<<20))
	tail := j.Tail(otlp.Traces, twice)
	defer tail.Close()
	add(t, j, otlp.Traces, 1, 100_000)
	record, err := tail.Next()
	noError(t, err)
	record.Memory.Hold()
	for id := range uint64(100) {
		add(t, j, otlp.Traces, id, 100_000)
		drain(t, tail)
	}
	if idOf(t, record.Body) != 1 {
		t.Error("it has changed")
	}
	if refs := record.Memory.refs.Load(); refs != 1 {
		t.Errorf("held %d times", refs)
	}
	record.Memory.Release()
	if record.Memory.used != 0 {
		t.Error("its memory is not free")
	}
}

// TestRecentClose: a Tail that ends holds nothing.
func TestRecentClose(t *testing.T) {
	j := create(t, memfs.New(), recentConfig(1<<20))
	tail := j.Tail(otlp.Traces, twice)
	for id := range uint64(3) {
		add(t, j, otlp.Traces, id, 1000)
	}
	record, err := tail.Next()
	noError(t, err)
	tail.Close()
	if refs := record.Memory.refs.Load(); refs != 1 { // it is being filled
		t.Errorf("held %d times", refs)
	}
}

// TestRecentFailedAppend: what was not written is not read.
func TestRecentFailedAppend(t *testing.T) {
	for _, size := range []int{100, 400_000} {
		disk := memfs.New()
		j := create(t, disk, recentConfig(1<<20))
		tail := j.Tail(otlp.Traces, twice)
		defer tail.Close()
		add(t, j, otlp.Traces, 1, size)
		failing(disk, memfs.Write)
		_, err := j.Append(otlp.Traces, 2, body(2, size))
		wantError(t, err, fault.IO, nil)
		disk.SetHook(nil)
		j.retryAt = j.retryAt.Add(-retryInterval)
		add(t, j, otlp.Traces, 3, size)
		if ids := drain(t, tail); !slices.Equal(ids, []uint64{1, 3}) {
			t.Errorf("read %v", ids)
		}
	}
}

// TestRecentMixed: Tails that now and then keep up read all of their signal, once and in order.
func TestRecentMixed(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a test
	j := create(t, memfs.New(), Config{MaxBytes: 64 << 20, SegmentBytes: 200_000, Recent: 100_000})
	var want [otlp.Count][]uint64
	var tails []*Tail
	got := make([][]uint64, 4)
	for i := range got {
		tails = append(tails, j.Tail(signalOf(uint64(i)), twice))
		defer tails[i].Close()
	}
	for id := range uint64(3000) {
		s := signalOf(random.Uint64())
		add(t, j, s, id, random.IntN(10_000))
		want[s] = append(want[s], id)
		if i := random.IntN(5); i < len(tails) {
			for range random.IntN(60) {
				record, err := tails[i].Next()
				if errors.Is(err, io.EOF) {
					break
				}
				noError(t, err)
				got[i] = append(got[i], idOf(t, record.Body))
			}
			tails[i].Done(tails[i].At())
			j.Release(j.Next())
		}
	}
	for i, tail := range tails {
		got[i] = append(got[i], drain(t, tail)...)
		if !slices.Equal(got[i], want[tail.signal]) || tail.Lost() != (Tally{}) || tail.Pending() != (Tally{}) {
			t.Errorf("tail %d read %d of %d records, %+v lost", i, len(got[i]), len(want[tail.signal]), tail.Lost())
		}
	}
}
