package main

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

const (
	codeInternal  = 1
	codeBadHandle = 11
)

func newHandles() *table { return &table{open: map[uint64]*entry{}} }

func TestHandlesLife(t *testing.T) {
	tests := []struct {
		name     string
		do       func(h *table, handle uint64)
		get, any string // what the error says, "" for none
	}{
		{"open", func(*table, uint64) {}, "", ""},
		{"poisoned", func(h *table, n uint64) { h.poison(n) }, "close it", ""},
		{"removed", func(h *table, n uint64) { h.remove(n) }, "is not open", "is not open"},
		{"removed twice", func(h *table, n uint64) { h.remove(n); h.remove(n) }, "is not open", "is not open"},
		{"poisoned and removed", func(h *table, n uint64) { h.poison(n); h.remove(n) }, "is not open", "is not open"},
		{"removed and poisoned", func(h *table, n uint64) { h.remove(n); h.poison(n) }, "is not open", "is not open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, own, other := newHandles(), &entry{}, &entry{}
			handle, beside := h.add(own), h.add(other)
			tt.do(h, handle)
			expect(t, "get", own, tt.get)(h.get(handle))
			expect(t, "any", own, tt.any)(h.any(handle))
			expect(t, "get beside", other, "")(h.get(beside))
		})
	}
}

func expect(t *testing.T, what string, want *entry, text string) func(*entry, error) {
	t.Helper()
	return func(e *entry, err error) {
		t.Helper()
		switch {
		case text == "" && (err != nil || e != want):
			t.Errorf("%s: got %p, %v; want the entry %p", what, e, err, want)
		case text != "" && (err == nil || !strings.Contains(err.Error(), text) || otlparrow.Code(err) != codeBadHandle):
			t.Errorf("%s: got %v, want a bad handle that %q", what, err, text)
		}
	}
}

func TestHandlesAreNeverReused(t *testing.T) {
	h := newHandles()
	seen := map[uint64]bool{0: true} // 0 means "none" to C
	for range 100 {
		handle := h.add(&entry{})
		if seen[handle] {
			t.Fatalf("handle %d was given before", handle)
		}
		seen[handle] = true
		h.remove(handle)
	}
	if _, err := h.get(0); err == nil {
		t.Error("handle 0 is open")
	}
}

func TestHandlesConcurrently(t *testing.T) {
	h := newHandles()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				own := &entry{}
				handle := h.add(own)
				if got, err := h.get(handle); err != nil || got != own {
					t.Errorf("handle %d: %v", handle, err)
				}
				h.poison(handle)
				h.remove(handle)
			}
		})
	}
	all.Wait()
	if len(h.open) != 0 {
		t.Errorf("%d handles are left", len(h.open))
	}
}

func TestPanicked(t *testing.T) {
	err := panicked("oa_export", "index out of range", []byte("goroutine 1"))
	if otlparrow.Code(err) != codeInternal {
		t.Errorf("code %d, want %d", otlparrow.Code(err), codeInternal)
	}
	if want := "oa_export: internal error: index out of range\ngoroutine 1"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestTimeoutOf(t *testing.T) {
	tests := []struct {
		milliseconds int64
		want         time.Duration
	}{
		{0, 0}, {1, time.Millisecond}, {-1, 0}, {math.MinInt64, 0},
		{math.MaxInt64, 9_223_372_036_854 * time.Millisecond},
		{9_300_000_000_000_000, 9_223_372_036_854 * time.Millisecond},
	}
	for _, tt := range tests {
		if got := timeoutOf(tt.milliseconds); got != tt.want {
			t.Errorf("%d ms: got %v, want %v", tt.milliseconds, got, tt.want)
		}
	}
}

func TestSchemaOf(t *testing.T) {
	library, err := otlparrow.Open(t.Context(), otlparrow.Config{Embedded: true, Values: map[string]any{"output_dir": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	handle := handles.add(&entry{library: library})
	defer func() {
		handles.remove(handle)
		if err := library.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, number := range []uint64{0, handle} {
		if stream, err := schemaOf(number, otlparrow.Logs); err != nil || len(stream) == 0 {
			t.Errorf("handle %d: %d bytes, %v", number, len(stream), err)
		}
	}
	if _, err := schemaOf(handle+1, otlparrow.Logs); otlparrow.Code(err) != codeBadHandle {
		t.Errorf("an unknown handle gives %v", err)
	}
}
