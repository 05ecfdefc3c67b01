package ingest

import (
	"fmt"
	"slices"
	"testing"
)

// A model of the protocol between journal, shards, files and cursors, small enough to be explored
// whole: every order of its steps, with a crash after each. The crash tests of package node run
// the real code; this shows why the protocol is as it is, for each weaker one loses or doubles
// records.

const (
	modelSignals = 2
	modelShards  = 2
)

// weakness is a protocol that was weighed and not taken, or a step left out.
type weakness int

const (
	sound        weakness = iota
	oneByOne              // shards are sealed one after the other, appends go on in between
	oneCursor             // one position for all signals
	cursorFirst           // the cursor is saved before the batch is written
	noCut                 // a recovery does not cut off what the cursor does not know
	early                 // the journal forgets what is sealed, not what is written
	unsyncedFile          // fsync: the cursor is synced, the batch was not
	reuse                 // positions begin again at the end of what is left of the journal
)

type record struct{ signal, pos int }

// modelGroup is a sealed group on its way: 0 sealed, 1 written, 2 synced, 3 cursor saved, 4 synced.
type modelGroup struct {
	records []int // positions
	below   int
	stage   int
	open    int // shards that are still to be sealed, with oneByOne
}

type modelCursor struct{ below, length int }

type modelSignal struct {
	shards  [modelShards][]int
	group   *modelGroup
	file    []int // what kill -9 leaves
	synced  int   // how much of it a loss of power leaves
	cursor  modelCursor
	durable modelCursor
}

type modelState struct {
	journal  []record
	syncedTo int // journal positions below it are on the device
	released int // positions below it may be gone
	signals  [modelSignals]modelSignal
}

func (s *modelState) clone() *modelState {
	c := *s
	c.journal = slices.Clone(s.journal)
	for i := range c.signals {
		from, to := &s.signals[i], &c.signals[i]
		for j := range to.shards {
			to.shards[j] = slices.Clone(from.shards[j])
		}
		to.file = slices.Clone(from.file)
		if from.group != nil {
			group := *from.group
			group.records = slices.Clone(from.group.records)
			to.group = &group
		}
	}
	return &c
}

func (s *modelState) key() string {
	text := fmt.Sprint(s.journal, s.syncedTo, s.released)
	for _, signal := range s.signals {
		text += fmt.Sprint(signal.shards, signal.file, signal.synced, signal.cursor, signal.durable)
		if signal.group != nil {
			text += fmt.Sprint(*signal.group)
		}
	}
	return text
}

func (s *modelState) next() int { return len(s.journal) + 1 }

// model explores a protocol.
type model struct {
	appends int
	weak    weakness
	fsync   bool
	seen    map[string]bool
	fault   string
}

func explore(appends int, weak weakness, fsync bool) (states int, fault string) {
	m := &model{appends: appends, weak: weak, fsync: fsync, seen: map[string]bool{}}
	m.visit(&modelState{syncedTo: 1, released: 1})
	return len(m.seen), m.fault
}

func (m *model) visit(s *modelState) {
	if key := s.key(); m.fault != "" || m.seen[key] {
		return
	} else {
		m.seen[key] = true
	}
	m.crash(s)
	if len(s.journal) < m.appends {
		for signal := range modelSignals {
			for shard := range modelShards - signal { // one shard will do for the second signal
				m.append(s.clone(), signal, shard)
			}
		}
	}
	if m.fsync && s.syncedTo < s.next() {
		c := s.clone()
		c.syncedTo = c.next()
		m.visit(c)
	}
	for signal := range modelSignals {
		m.step(s.clone(), signal)
	}
	m.release(s.clone())
}

func (m *model) append(s *modelState, signal, shard int) {
	pos := s.next()
	s.journal = append(s.journal, record{signal, pos})
	s.signals[signal].shards[shard] = append(s.signals[signal].shards[shard], pos)
	m.visit(s)
}

// step moves a signal's group on, or seals one.
func (m *model) step(s *modelState, i int) {
	signal := &s.signals[i]
	g := signal.group
	switch {
	case g == nil:
		g = &modelGroup{below: s.next(), open: modelShards}
		signal.group = g
		m.seal(signal, g)
	case g.open > 0:
		m.seal(signal, g)
	default:
		m.write(s, signal, g)
	}
	m.visit(s)
}

func (m *model) seal(signal *modelSignal, g *modelGroup) {
	for g.open > 0 {
		g.open--
		g.records = append(g.records, signal.shards[g.open]...)
		signal.shards[g.open] = nil
		if m.weak == oneByOne {
			return
		}
	}
}

func (m *model) write(s *modelState, signal *modelSignal, g *modelGroup) {
	batch := func() { signal.file = append(signal.file, g.records...) }
	cursor := func() { signal.cursor = modelCursor{g.below, len(signal.file)} }
	if m.weak == cursorFirst {
		batch, cursor = func() { signal.cursor = modelCursor{g.below, len(signal.file) + len(g.records)} }, batch
	}
	switch g.stage {
	case 0:
		batch()
	case 1:
		if m.fsync && m.weak != unsyncedFile {
			signal.synced = len(signal.file)
		}
	case 2:
		cursor()
		if m.weak == oneCursor {
			for i := range s.signals {
				s.signals[i].cursor.below = g.below
			}
		}
	case 3:
		signal.durable = signal.cursor
	case 4:
		signal.group = nil
		return
	}
	g.stage++
}

// release lets the journal forget what every signal's cursor has; a signal without records that
// wait has all.
func (m *model) release(s *modelState) {
	low := s.next()
	for i := range s.signals {
		low = min(low, m.progress(s, &s.signals[i]))
	}
	if low > s.released {
		s.released = low
		m.visit(s)
	}
}

func (m *model) progress(s *modelState, signal *modelSignal) int {
	waiting := signal.group != nil
	for _, shard := range signal.shards {
		waiting = waiting || len(shard) > 0
	}
	switch {
	case !waiting:
		return s.next()
	case m.weak == early && signal.group != nil:
		return signal.group.below
	case m.fsync:
		return signal.durable.below
	}
	return signal.cursor.below
}

// crash checks that a restart from here has each acknowledged record once.
func (m *model) crash(s *modelState) {
	for i := range s.signals {
		signal := &s.signals[i]
		cursor, file, end := signal.cursor, signal.file, s.next()
		if m.fsync {
			cursor, file, end = signal.durable, signal.file[:signal.synced], s.syncedTo
		}
		stored := slices.Clone(file)
		if m.weak != noCut {
			stored = stored[:min(cursor.length, len(stored))]
		}
		below := cursor.below
		if m.weak == reuse { // a position that was lost is given to a new record
			if fresh := end; fresh < below {
				m.fail(s, "a new record gets position %d, which the cursor at %d passes over", fresh, below)
			}
		}
		for _, r := range s.journal {
			if r.signal == i && r.pos >= max(below, s.released) && r.pos < end {
				stored = append(stored, r.pos)
			}
		}
		for _, r := range s.journal {
			if r.signal == i {
				m.check(s, r.pos, r.pos < end, stored)
			}
		}
	}
}

func (m *model) check(s *modelState, pos int, acknowledged bool, stored []int) {
	n := 0
	for _, p := range stored {
		if p == pos {
			n++
		}
	}
	if acknowledged && n != 1 || n > 1 {
		m.fail(s, "record %d is stored %d times", pos, n)
	}
}

func (m *model) fail(s *modelState, format string, args ...any) {
	if m.fault == "" {
		m.fault = fmt.Sprintf(format, args...) + " after " + s.key()
	}
}

func TestProtocolModel(t *testing.T) {
	// Three appends with fsync are 505,534 states, and sound too: 60 s with the race detector.
	for fsync, appends := range map[bool]int{false: 3, true: 2} {
		if states, fault := explore(appends, sound, fsync); fault != "" {
			t.Errorf("fsync %v: %s", fsync, fault)
		} else {
			t.Logf("fsync %v: %d states, each with a crash", fsync, states)
		}
	}
	for _, tt := range []struct {
		name  string
		weak  weakness
		fsync bool
	}{
		{"shards sealed one by one", oneByOne, false},
		{"one position for all signals", oneCursor, false},
		{"cursor before the batch", cursorFirst, false},
		{"tails not cut off", noCut, false},
		{"journal forgets too early", early, false},
		{"batch not synced before the cursor", unsyncedFile, true},
		{"positions used again", reuse, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			states, fault := explore(3, tt.weak, tt.fsync)
			if fault == "" {
				t.Errorf("%d states and no fault: the model does not see it", states)
			}
			t.Log(fault)
		})
	}
}
