package forward

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Options are a stage's surroundings.
type Options struct {
	Disk   fsys.FS
	Root   string // the directory of cursors
	Writer string // whose journal is followed; "" keeps no cursors
	Mode   fs.FileMode
	Sync   bool
	Log    *slog.Logger
	Now    func() time.Time
}

// Stage is all destinations of a node.
type Stage struct {
	Options
	destinations []*destination
	store        Store

	passed chan struct{} // there may be something to let go
	stop   chan struct{}
	cancel context.CancelFunc // nil before Start
	pipes  sync.WaitGroup
	ticker sync.WaitGroup
	ending sync.Once

	mu   sync.Mutex // guards dead
	dead []*Dead
}

// New opens what the destinations need; nothing is sent before Start.
func New(o Options, key string, all []Config, queueBytes int64) (*Stage, error) {
	s := &Stage{Options: o, passed: make(chan struct{}, 1), stop: make(chan struct{})}
	for i, c := range all {
		d, err := newDestination(c, fmt.Sprintf("%s[%d]", key, i), &s.Options, queueBytes)
		if err != nil {
			s.closeSenders()
			return nil, err
		}
		d.passed = s.passed
		for _, p := range d.pipes {
			p.stop = s.stop
		}
		s.destinations = append(s.destinations, d)
	}
	return s, nil
}

func (s *Stage) closeSenders() {
	for _, d := range s.destinations {
		d.sender.close()
	}
}

// Adopt takes a dead writer's journal that is in files, if a destination still wants it: then its reader
// belongs to the stage, and gone removes it when all have had it.
func (s *Stage) Adopt(in *Inventory, reader *journal.Reader, gone func() error) bool {
	d := &Dead{Inventory: in, reader: reader, log: s.Log, gone: gone, last: in.newest()}
	feeds := map[*pipe]*deadFeed{}
	for _, to := range s.destinations {
		for _, p := range to.pipes {
			if in.wants(to.Name, p.signal) {
				feeds[p] = d.feed(to.Name, p.signal)
			}
		}
	}
	s.tellUnwanted(in)
	if d.open = len(feeds); d.open == 0 {
		return false
	}
	s.mu.Lock()
	s.dead = append(s.dead, d)
	s.mu.Unlock()
	for p, f := range feeds {
		p.mu.Lock()
		p.dead = append(p.dead, f)
		p.mu.Unlock()
		p.nudge()
	}
	s.Log.Info("a dead process's journal is kept for destinations", "writer", in.writer, "destinations", in.Wanting())
	return true
}

// tellUnwanted is for destinations that are not in the settings any more.
func (s *Stage) tellUnwanted(in *Inventory) {
	known := map[string]bool{}
	for _, d := range s.destinations {
		known[d.Name] = true
	}
	for _, name := range in.Wanting() {
		if !known[name] {
			s.Log.Warn("what a destination had not had is given up, since it is not in the settings any more", "destination", name, "writer", in.writer)
		}
	}
}

// Start makes the cursors and begins to send. What is in the store from its beginning on is sent.
func (s *Stage) Start(store Store) error {
	s.store = store
	for _, d := range s.destinations {
		for _, p := range d.pipes {
			p.live = store.follow(p.signal)
		}
		if err := s.save(d); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, d := range s.destinations {
		for _, p := range d.pipes {
			s.pipes.Go(func() { p.run(ctx) })
		}
	}
	s.look()
	s.ticker.Go(func() { s.keep(ctx) })
	return nil
}

// keep looks at bounds and saves cursors until ctx ends.
func (s *Stage) keep(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.look()
			s.saveAll()
		case <-s.passed:
		}
		s.letGo()
	}
}

// letGo tells the store what no destination wants any more. A cursor that is not saved yet does no harm: the
// next process finds nothing there.
func (s *Stage) letGo() {
	for _, d := range s.destinations {
		for _, p := range d.pipes {
			p.recent.Store(0)
			p.live.Done(p.acked.Load())
		}
	}
}

// look finds what is beyond the bounds of the destinations.
func (s *Stage) look() {
	now := mark{s.Now(), s.store.Next()}
	for _, d := range s.destinations {
		d.bound(now)
	}
}

func (d *destination) bound(now mark) {
	d.marks.note(now)
	low := now.position
	for _, p := range d.pipes {
		low = min(low, p.acked.Load())
	}
	d.marks.forget(low)
	for _, p := range d.pipes {
		if age := time.Duration(d.SendingQueue.MaxAge); age > 0 {
			p.old.Store(d.marks.olderThan(now.at.Add(-age)))
		}
		p.over.Store(p.counts.held().Plus(p.live.Pending()).Bytes > uint64(d.queue))
		p.nudge()
	}
}

func (s *Stage) saveAll() {
	for _, d := range s.destinations {
		err := s.save(d)
		if err != nil && !d.saving {
			s.Log.Error("a cursor of forwarding cannot be saved; it is tried again", "destination", d.Name, "error", err)
		} else if err == nil && d.saving {
			s.Log.Info("saving cursors of forwarding goes on", "destination", d.Name)
		}
		d.saving = err != nil
	}
	s.mu.Lock()
	dead := append([]*Dead(nil), s.dead...)
	s.mu.Unlock()
	for _, one := range dead {
		if err := s.saveDead(one); err != nil {
			s.Log.Warn("a cursor of forwarding cannot be saved", "writer", one.writer, "error", err)
		}
	}
}

// save saves a destination's cursor, if it has changed.
func (s *Stage) save(d *destination) error {
	c := cursor{}
	for _, p := range d.pipes {
		c[p.signal.String()] = p.acked.Load()
	}
	if s.Writer != "" && !maps.Equal(c, d.saved) {
		if err := saveCursor(s.Disk, cursorPath(s.Root, s.Writer, d.Name), c, s.Mode, s.Sync); err != nil {
			return err
		}
	}
	d.saved = c
	return nil
}

// saveDead saves the cursors of a dead writer's journal, unless that is gone.
func (s *Stage) saveDead(one *Dead) error {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.open <= 0 {
		return nil
	}
	for _, d := range s.destinations {
		c, ok := one.cursors[d.Name]
		if !ok {
			continue
		}
		now := maps.Clone(c)
		for _, f := range one.feeds {
			if f.name == d.Name {
				now[f.signal.String()] = f.acked.Load()
			}
		}
		if maps.Equal(now, c) {
			continue
		}
		if err := saveCursor(s.Disk, cursorPath(s.Root, one.writer, d.Name), now, s.Mode, s.Sync); err != nil {
			return err
		}
		one.cursors[d.Name] = now
	}
	return nil
}

// Shutdown sends what there is to the destinations that take it, until ctx ends; then what is in flight is
// broken off. What is left is in the journal for the next process, or given up where there is none. It may
// be called unstarted and twice.
func (s *Stage) Shutdown(ctx context.Context) {
	s.ending.Do(func() {
		close(s.stop)
		if s.cancel != nil {
			defer context.AfterFunc(ctx, s.cancel)()
			s.pipes.Wait()
			s.cancel()
			s.ticker.Wait()
			s.saveAll()
			s.letGo()
			s.settle()
		}
		s.closeSenders()
		for _, d := range s.dead {
			_ = d.reader.Close() // the next start reads it
		}
	})
}

// settle tells what is left.
func (s *Stage) settle() {
	for _, d := range s.destinations {
		for _, p := range d.pipes {
			left := p.counts.held().Plus(p.live.Pending())
			if lost := p.live.Lost(); lost.Requests > 0 {
				p.giveUp(Room, lost, nil)
			}
			switch {
			case left.Requests == 0:
			case s.Writer == "":
				p.giveUp(Shutdown, left, d.trouble())
			default:
				p.log.Info("what a destination did not take is kept for the next start", "requests", left.Requests, "items", left.Items, "bytes", left.Bytes)
			}
		}
	}
}

// Stats are how each destination stands with each of its signals.
func (s *Stage) Stats() (all []Stats) {
	for _, d := range s.destinations {
		for _, p := range d.pipes {
			one := Stats{Destination: d.Name, Signal: p.signal, Capacity: d.queue, Open: d.breaker.open()}
			p.counts.fill(&one)
			one.Queued = one.Queued.Plus(p.live.Pending()).Plus(p.deadPending())
			all = append(all, one)
		}
	}
	return all
}

// Trouble is a destination that takes nothing at present.
type Trouble struct {
	Destination string
	Failure     error
}

// Troubles are those that take nothing at present.
func (s *Stage) Troubles() (all []Trouble) {
	for _, d := range s.destinations {
		if err := d.trouble(); err != nil {
			all = append(all, Trouble{d.Name, err})
		}
	}
	return all
}

// wants tells whether a destination has not had all of a signal.
func (in *Inventory) wants(name string, s otlp.Signal) bool {
	of := in.wanted[name]
	return of != nil && of[s].Requests > 0
}
