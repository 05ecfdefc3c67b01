package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// keeper looks after the files that are finished, in the background.
type keeper struct {
	cancel context.CancelFunc // nil while it does not run
	done   sync.WaitGroup
	failed [otlp.Count]bool // the last removal; of the goroutine, as is what follows
	stuck  bool             // the last compaction failed
}

func (n *Node) startKeeper() {
	r := n.Config.Retention
	if r == (files.Retention{CheckIntervalSecs: r.CheckIntervalSecs}) && !n.Config.Files.CompactAfterRotation {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.keeper.cancel = cancel
	tick := time.NewTicker(time.Duration(r.CheckIntervalSecs) * time.Second)
	n.keeper.done.Go(func() {
		defer tick.Stop()
		for {
			n.keep(ctx, time.Now())
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// stopKeeper does nothing when it does not run.
func (n *Node) stopKeeper() {
	if n.keeper.cancel != nil {
		n.keeper.cancel()
	}
	n.keeper.done.Wait()
}

// unclaimedAfter is how long a lock without a journal may lie there: its writer is about to make
// the journal, or has just removed it.
const unclaimedAfter = time.Minute

// keep checks every signal once.
func (n *Node) keep(ctx context.Context, now time.Time) {
	root := journals(n.Config.OutputDir)
	if _, err := journal.Unclaimed(n.disk, root, now.Add(-unclaimedAfter), true); err != nil {
		n.log.Debug("locks of dead writers cannot be removed", "error", err)
	}
	for _, s := range otlp.Signals {
		n.retain(s, now)
	}
	if n.Config.Files.CompactAfterRotation {
		n.compact(ctx)
	}
}

// compact compacts what was closed since the last time, by whichever process. Another that does
// it at the same time leaves nothing to be done.
func (n *Node) compact(ctx context.Context) {
	all, err := files.Compact(ctx, n.disk, n.Config.OutputDir, files.Choice{MinBatches: files.DefaultMinBatches}, n.files.ID())
	done, before, after := 0, int64(0), int64(0)
	for _, f := range all {
		if f.Skipped == "" {
			done, before, after = done+1, before+f.Before.Bytes, after+f.After.Bytes
		}
	}
	if done > 0 {
		n.log.Info("files were compacted", "files", done, "bytes_before", before, "bytes_after", after)
	}
	failed := err != nil && ctx.Err() == nil && !errors.Is(err, fsys.ErrLocked)
	switch {
	case failed && !n.keeper.stuck:
		n.log.Warn("files cannot be compacted; it is tried again", "error", err)
	case !failed && n.keeper.stuck:
		n.log.Info("compacting files goes on")
	}
	n.keeper.stuck = failed
}

// retain logs what it did in one line, a lasting failure once, and its end once.
func (n *Node) retain(s otlp.Signal, now time.Time) {
	removed, err := files.Retain(n.disk, n.Config.OutputDir, s, n.Config.Retention.Of(s), now, n.files.ID())
	if removed.Files > 0 {
		n.log.Info("old files were removed", "signal", s.String(), "files", removed.Files, "bytes", removed.Bytes)
	}
	failed := &n.keeper.failed[s]
	switch {
	case err != nil && !*failed:
		n.log.Warn("old files cannot be removed; it is tried again", "signal", s.String(), "error", err)
	case err == nil && *failed:
		n.log.Info("removing old files goes on", "signal", s.String())
	}
	*failed = err != nil
}
