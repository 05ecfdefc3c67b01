package node

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// journals is where every process on an output directory has its journal and cursors.
func journals(outputDir string) string { return files.Journals(outputDir) }

// adoption brings the records of dead processes into files. It is tried once before anything
// listens, so that tables are whole from the start; what fails then, on a full disk say, is
// tried again in the background.
type adoption struct {
	stop    chan struct{}
	done    sync.WaitGroup
	pending atomic.Bool // something failed and is tried again
}

// adopted counts what came from the dead.
type adopted struct {
	requests      atomic.Uint64
	inside, tails damage
}

type damage struct{ parts, bytes atomic.Uint64 }

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

func (n *Node) startAdoption() {
	n.adoption.stop = make(chan struct{})
	if n.adoptAll() {
		return
	}
	n.adoption.pending.Store(true)
	n.adoption.done.Go(func() {
		for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
			select {
			case <-n.adoption.stop:
				return
			case <-time.After(wait):
			}
			if n.adoptAll() {
				n.adoption.pending.Store(false)
				return
			}
		}
	})
}

func (n *Node) stopAdoption() {
	close(n.adoption.stop)
	n.adoption.done.Wait()
}

// adoptAll tells whether no journal of the dead is left.
func (n *Node) adoptAll() bool {
	dead, err := journal.Dead(n.disk, journals(n.Config.OutputDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Error("journals cannot be looked at", "error", err)
		return false
	}
	all := true
	for _, dir := range dead {
		switch err := n.adopt(dir); {
		case errors.Is(err, fsys.ErrLocked), errors.Is(err, fs.ErrNotExist): // another process was faster
		case errors.Is(err, journal.ErrVersion):
			n.log.Error("a journal of a newer version is left alone", "dir", dir, "error", err)
		case err != nil:
			n.log.Error("a journal could not be adopted; it is kept and tried again", "dir", dir, "error", err)
			all = false
		}
	}
	return all
}

func (n *Node) adopt(dir string) error {
	return adopter{n.disk, &n.Config, n.log, &n.counts, &n.written, &n.adopted, n.forward, false}.adopt(dir)
}

// Adopt brings one dead journal's records into files, for who has no node. A journal that destinations
// still want is kept, which is an error.
func Adopt(disk fsys.FS, c *config.Config, dir string, log *slog.Logger) error {
	var all [otlp.Count]written
	for s := range all {
		all[s].init()
	}
	return adopter{disk, c, log, new(files.Counts), &all, new(adopted), nil, true}.adopt(dir)
}

// adopter is who adopts, with what is counted.
type adopter struct {
	disk    fsys.FS
	config  *config.Config
	log     *slog.Logger
	counts  *files.Counts
	written *[otlp.Count]written
	adopted *adopted
	forward *forward.Stage // nil without destinations
	alone   bool           // without a node
}

// adopt brings one dead journal's records into files of its writer and removes it. A crash in the
// middle is like the one before: the cursors tell how far it came.
func (r adopter) adopt(dir string) error {
	reader, err := journal.Open(r.disk, dir, r.log)
	if err != nil {
		return err
	}
	taken := false
	defer func() {
		if !taken {
			_ = reader.Close() // which does not fail
		}
	}()
	c := r.config
	options := files.Options{
		Writer: filepath.Base(dir), Cursors: filepath.Dir(dir), Sync: c.Durability == config.Fsync, Counts: r.counts,
	}
	writer, err := files.New(c.Files, r.disk, c.OutputDir, options, r.log, time.Now)
	if err != nil {
		return err
	}
	defer writer.Close()
	from, err := writer.Recover()
	if err != nil {
		return err
	}
	wanted, err := forward.NewInventory(r.disk, dir, r.log)
	if err != nil {
		return err
	}
	requests, err := ingest.Replay(c.Ingest(), wanted.Over(reader), from, counted{writer, r.written}, r.log)
	if err != nil {
		return err
	}
	for _, damage := range reader.Damage() {
		r.log.Error("a part of a journal is damaged and was passed over", "dir", dir, "segment", damage.Segment,
			"offset", damage.Offset, "bytes", damage.Bytes, "reason", damage.Reason, "tail", damage.Tail)
	}
	r.log.Info("a journal was adopted", "dir", dir, "requests", requests)
	gone := func() error {
		if err := reader.Remove(); err != nil {
			return err
		}
		return removeCursors(r.disk, options.Cursors, options.Writer)
	}
	if taken, err = r.take(wanted, reader, gone); err != nil {
		return err
	}
	if !taken {
		if err := gone(); err != nil {
			return err
		}
	}
	r.adopted.add(requests, reader.Damage())
	return nil
}

func (a *adopted) add(requests int, damaged []journal.Damage) {
	a.requests.Add(uint64(requests))
	for _, part := range damaged {
		to := &a.inside
		if part.Tail {
			to = &a.tails
		}
		to.parts.Add(1)
		to.bytes.Add(uint64(part.Bytes))
	}
}
