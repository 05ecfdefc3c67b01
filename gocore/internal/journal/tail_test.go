package journal

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// twice are the items of every body in these tests.
func twice([]byte) int { return 2 }

func add(t tb, j *Journal, s otlp.Signal, id uint64, size int) uint64 {
	t.Helper()
	position, err := j.Append(s, 2, body(id, size))
	noError(t, err)
	return position
}

// drain reads what there is at present.
func drain(t tb, tail *Tail) (ids []uint64) {
	t.Helper()
	for {
		record, err := tail.Next()
		if errors.Is(err, io.EOF) {
			return ids
		}
		noError(t, err)
		if record.Signal != tail.signal {
			t.Fatalf("a record of %v", record.Signal)
		}
		ids = append(ids, idOf(t, record.Body))
	}
}

func woken(tail *Tail) bool {
	select {
	case <-tail.Wake():
		return true
	default:
		return false
	}
}

// small makes a segment of every few records.
func small(sync bool) Config {
	return Config{MaxBytes: 1 << 20, SegmentBytes: minSegmentBytes, Sync: sync}
}

// smalls are small, with and without what is in memory.
func smalls(t *testing.T, sync bool, test func(t *testing.T, c Config)) {
	for _, recent := range []int64{0, 25_000, 1 << 20} {
		c := small(sync)
		c.Recent = recent
		t.Run(fmt.Sprintf("sync=%v/recent=%d", sync, recent), func(t *testing.T) { test(t, c) })
	}
}

func TestTailFollows(t *testing.T) { smalls(t, false, testTailFollows) }

func testTailFollows(t *testing.T, c Config) {
	j := create(t, memfs.New(), c)
	tail := j.Tail(otlp.Traces, twice)
	defer tail.Close()
	if ids := drain(t, tail); ids != nil || woken(tail) || tail.At() != 1 {
		t.Fatalf("an empty journal gives %v, up to %d", ids, tail.At())
	}
	add(t, j, otlp.Logs, 7, 100)
	if woken(tail) {
		t.Error("woken by another signal")
	}
	for id := range uint64(50) { // in several segments
		add(t, j, otlp.Traces, id, 10_000)
		if !woken(tail) || woken(tail) {
			t.Fatal("not woken once")
		}
		if got := tail.Pending(); got != (Tally{1, 2, 10_000}) {
			t.Fatalf("%+v is pending", got)
		}
		if ids := drain(t, tail); !slices.Equal(ids, []uint64{id}) {
			t.Fatalf("%v instead of %d", ids, id)
		}
		add(t, j, otlp.Metrics, id, 3000)
	}
	drain(t, tail)
	if tail.At() != j.Next() || tail.Lost() != (Tally{}) || tail.Pending() != (Tally{}) {
		t.Errorf("at %d of %d, %+v is pending", tail.At(), j.Next(), tail.Pending())
	}
}

// TestTailHolds: what was released stays as long as a Tail wants it, and does not count as full.
func TestTailHolds(t *testing.T) { smalls(t, false, testTailHolds) }

func testTailHolds(t *testing.T, c Config) {
	disk := memfs.New()
	j := create(t, disk, c)
	fast, slow := j.Tail(otlp.Traces, twice), j.Tail(otlp.Traces, twice)
	defer fast.Close()
	defer slow.Close()
	var want []uint64
	for id := range uint64(30) {
		add(t, j, otlp.Traces, id, 10_000)
		want = append(want, id)
		j.Release(j.Next())
		drain(t, fast)
		fast.Done(fast.At())
	}
	if j.Size() > minSegmentBytes || j.KeptBytes() < 250_000 {
		t.Errorf("%d bytes are held, %d kept", j.Size(), j.KeptBytes())
	}
	if ids := drain(t, slow); !slices.Equal(ids, want) || slow.Lost() != (Tally{}) {
		t.Errorf("read %v", ids)
	}
	slow.Done(slow.At())
	if j.KeptBytes() != 0 {
		t.Errorf("%d bytes are kept for nobody", j.KeptBytes())
	}
	j.Release(j.Next())
	noError(t, j.Discard())
	if _, err := disk.Stat(where); err == nil {
		t.Error("the journal is still there")
	}
}

// TestTailYields: appends get the room, and every record is read or counted as lost.
func TestTailYields(t *testing.T) {
	for _, sync := range []bool{false, true} {
		smalls(t, sync, testTailYields)
	}
}

func testTailYields(t *testing.T, c Config) {
	disk := memfs.New()
	j := create(t, disk, c)
	tail, other := j.Tail(otlp.Traces, twice), j.Tail(otlp.Logs, twice)
	defer tail.Close()
	read := map[uint64]bool{}
	var lost Tally
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	total := uint64(0)
	for id := uint64(1); id < 1500; id++ {
		s := otlp.Traces
		if random.IntN(4) == 0 {
			s = otlp.Logs
		}
		position := add(t, j, s, id, 1000+random.IntN(5000))
		noError(t, j.Wait(t.Context(), position))
		if s == otlp.Traces {
			total++
		}
		j.Release(j.Next())
		if random.IntN(300) == 0 {
			for range random.IntN(40) {
				record, err := tail.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				noError(t, err)
				read[idOf(t, record.Body)] = true
			}
		}
		if bytes := held(t, disk); bytes > 1<<20+minSegmentBytes { // one that is open may be gone and not free
			t.Fatalf("%d bytes on disk", bytes)
		}
	}
	for _, id := range drain(t, tail) {
		read[id] = true
	}
	lost = lost.Plus(tail.Lost())
	if lost.Requests == 0 || lost.Items != 2*lost.Requests || uint64(len(read))+lost.Requests != total {
		t.Errorf("%d read and %+v lost of %d", len(read), lost, total)
	}
	if drain(t, other); other.Lost().Requests == 0 || other.At() != j.Next() {
		t.Error("the other tail lost nothing")
	}
	if j.Stats().Refused != 0 {
		t.Error("an append was refused")
	}
}

// held is what the journal's directory takes.
func held(t tb, disk fsys.FS) (bytes int64) {
	t.Helper()
	entries, err := disk.ReadDir(where)
	noError(t, err)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// TestTailOutlives: what a Tail wants is kept for the next process.
func TestTailOutlives(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, small(false))
	tail := j.Tail(otlp.Traces, twice)
	for id := uint64(0); id < 30; id += 3 {
		add(t, j, signalOf(id), id, 20_000)
	}
	j.Release(j.Next())
	tail.Close()
	wantError(t, j.Discard(), fault.Internal, ErrUnreleased)
	ids, damage := read(t, disk, where)
	if len(ids) != 10 || len(damage) != 0 {
		t.Errorf("the next finds %d records, damage %v", len(ids), damage)
	}
}

// TestTailDurable: a Tail sees what is durable only, and what a failed sync took is not missed.
func TestTailDurable(t *testing.T) { smalls(t, true, testTailDurable) }

func testTailDurable(t *testing.T, c Config) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		j := create(t, disk, c)
		tail := j.Tail(otlp.Traces, twice)
		defer tail.Close()
		position := add(t, j, otlp.Traces, 1, 100)
		if ids := drain(t, tail); ids != nil || tail.At() != 1 {
			t.Fatalf("read %v up to %d before the sync", ids, tail.At())
		}
		noError(t, j.Wait(t.Context(), position))
		synctest.Wait()
		if ids := drain(t, tail); len(ids) != 1 || !woken(tail) {
			t.Fatalf("read %v after the sync", ids)
		}
		failing(disk, memfs.Sync)
		position = add(t, j, otlp.Traces, 2, 100)
		if j.Wait(t.Context(), position) == nil {
			t.Fatal("the sync went well")
		}
		disk.SetHook(nil)
		pause()
		noError(t, j.Wait(t.Context(), add(t, j, otlp.Traces, 3, 100)))
		if ids := drain(t, tail); !slices.Equal(ids, []uint64{3}) || tail.Lost() != (Tally{}) {
			t.Fatalf("read %v", ids)
		}
	})
}

// TestTailErrors: a file that cannot be read is tried again, one that is gone is counted.
func TestTailErrors(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, small(false))
	tail := j.Tail(otlp.Traces, twice)
	defer tail.Close()
	for id := range uint64(20) {
		add(t, j, otlp.Traces, id, 10_000)
	}
	for _, kind := range []memfs.Kind{memfs.Open, memfs.Read} {
		failing(disk, kind)
		for range 3 {
			_, err := tail.Next()
			wantError(t, err, fault.IO, nil)
		}
		disk.SetHook(nil)
	}
	noError(t, disk.Remove(segments(t, disk, where)[1]))
	ids := drain(t, tail)
	if lost := tail.Lost(); len(ids)+int(lost.Requests) != 20 || lost.Requests == 0 || ids[0] != 0 {
		t.Errorf("read %v, lost %+v", ids, lost)
	}
}

// TestTailDamage: what cannot be read is counted as lost, the rest is read.
func TestTailDamage(t *testing.T) {
	disk := memfs.New()
	j := create(t, disk, small(false))
	tail := j.Tail(otlp.Traces, twice)
	defer tail.Close()
	for id := range uint64(20) {
		add(t, j, otlp.Traces, id, 10_000)
	}
	file, err := disk.OpenFile(segments(t, disk, where)[0], 2, 0)
	noError(t, err)
	_, err = file.WriteAt([]byte("damage"), 15_000)
	noError(t, err)
	noError(t, file.Close())
	ids := drain(t, tail)
	if lost := tail.Lost(); len(ids) != 19 || lost != (Tally{1, 2, 10_000}) {
		t.Errorf("read %v, lost %+v", ids, lost)
	}
}

// TestTailRace: appends, releases and Tails at the same time.
func TestTailRace(t *testing.T) { smalls(t, false, testTailRace) }

func testTailRace(t *testing.T, c Config) {
	const records = 2000
	j, err := Create(fsys.OS{}, filepath.Join(t.TempDir(), "writer"), c, quiet())
	noError(t, err)
	defer j.Close()
	var all sync.WaitGroup
	for range 2 {
		tail := j.Tail(otlp.Traces, twice)
		all.Go(func() {
			defer tail.Close()
			seen, last := uint64(0), uint64(0)
			for seen < records {
				<-tail.Wake()
				for _, id := range drain(t, tail) {
					if id <= last {
						t.Errorf("%d after %d", id, last)
					}
					last = id
					seen++
				}
				seen += tail.Lost().Requests
				tail.Done(tail.At())
			}
			if seen != records {
				t.Errorf("%d read or lost", seen)
			}
		})
	}
	for id := uint64(1); id <= records; id++ {
		add(t, j, otlp.Traces, id, 2000)
		if id%7 == 0 {
			j.Release(j.Next())
		}
	}
	all.Wait()
}
