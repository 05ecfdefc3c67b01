package main

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// entry is what a handle stands for.
type entry struct {
	library  *otlparrow.Library
	logs     *otlparrow.LogQueue
	poisoned bool // an export panicked; only closing is left
}

// table gives out handles. They are never used twice, so a stale one is an error.
type table struct {
	mu   sync.Mutex // guards what follows
	next uint64
	open map[uint64]*entry
}

// handles is the process's one table: C knows no other place to keep it.
var handles = table{open: map[uint64]*entry{}}

func (t *table) add(e *entry) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	t.open[t.next] = e
	return t.next
}

// any is the entry of a handle, poisoned or not.
func (t *table) any(handle uint64) (*entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.open[handle]; ok {
		return e, nil
	}
	return nil, otlparrow.BadHandle(fmt.Sprintf("handle %d is not open", handle))
}

func (t *table) get(handle uint64) (*entry, error) {
	e, err := t.any(handle)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.poisoned {
		return nil, otlparrow.BadHandle(fmt.Sprintf("handle %d met an internal error before; close it", handle))
	}
	return e, nil
}

func (t *table) poison(handle uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.open[handle]; ok {
		e.poisoned = true
	}
}

func (t *table) remove(handle uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, handle)
}

func panicked(name string, cause any, stack []byte) error {
	return otlparrow.Internal(fmt.Sprintf("%s: internal error: %v\n%s", name, cause, stack))
}

// timeoutOf is a number of milliseconds from C, as far as a Duration reaches: 292 years.
func timeoutOf(milliseconds int64) time.Duration {
	return time.Duration(min(max(milliseconds, 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// schemaOf is a signal's empty table, as the handle's node has it; 0 is no node.
func schemaOf(handle uint64, signal otlparrow.Signal) ([]byte, error) {
	if handle == 0 {
		return otlparrow.Schema(signal)
	}
	e, err := handles.get(handle)
	if err != nil {
		return nil, err
	}
	return e.library.Schema(signal)
}
