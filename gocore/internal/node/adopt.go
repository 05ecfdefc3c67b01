package node

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
)

// journals is where every process on an output directory has its journal and cursors.
func journals(outputDir string) string { return files.Journals(outputDir) }

// adoption brings the records of dead processes into files. It is tried once before anything
// listens, so that tables are whole from the start; what fails then, on a full disk say, is
// tried again in the background.
type adoption struct {
	stop chan struct{}
	done sync.WaitGroup
}

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

func (n *Node) startAdoption() {
	n.adoption.stop = make(chan struct{})
	if n.adoptAll() {
		return
	}
	n.adoption.done.Go(func() {
		for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
			select {
			case <-n.adoption.stop:
				return
			case <-time.After(wait):
			}
			if n.adoptAll() {
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

func (n *Node) adopt(dir string) error { return Adopt(n.disk, &n.Config, dir, n.log) }

// Adopt brings one dead journal's records into files of its writer and removes it. A crash in the
// middle is like the one before: the cursors tell how far it came.
func Adopt(disk fsys.FS, c *config.Config, dir string, log *slog.Logger) error {
	reader, err := journal.Open(disk, dir, log)
	if err != nil {
		return err
	}
	defer reader.Close()
	options := files.Options{Writer: filepath.Base(dir), Cursors: filepath.Dir(dir), Sync: c.Durability == config.Fsync}
	writer, err := files.New(c.Files, disk, c.OutputDir, options, log, time.Now)
	if err != nil {
		return err
	}
	defer writer.Close()
	from, err := writer.Recover()
	if err != nil {
		return err
	}
	requests, err := ingest.Replay(c.Ingest(), reader, from, writer, log)
	if err != nil {
		return err
	}
	for _, damage := range reader.Damage() {
		log.Error("a part of a journal is damaged and was passed over", "dir", dir, "segment", damage.Segment,
			"offset", damage.Offset, "bytes", damage.Bytes, "reason", damage.Reason, "tail", damage.Tail)
	}
	log.Info("a journal was adopted", "dir", dir, "requests", requests)
	if err := reader.Remove(); err != nil {
		return err
	}
	return files.RemoveCursors(disk, options.Cursors, options.Writer)
}
