// Package node builds the stages from a configuration, starts them in order and drains them
// in reverse. Two nodes may live in one process; a Node may be used by several goroutines.
//
//	metrics, health <- files <- journal <- forward <- ingest <- receivers     start: left to right
//	                                                                          stop: right to left
//
// Health answers first and last, so that who asks learns of a long adoption or drain.
//
// With a journal, what a dead process left in its own is adopted first: its records come into
// files under its writer's id, and then its journal goes, as soon as all destinations have had it.
package node

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/receive"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/script"
)

// receiver is what the node needs of a receiver.
type receiver interface {
	Listen() error
	Addr() string
	Serve()
	Shutdown(ctx context.Context) error
}

// Node is a running pipeline.
type Node struct {
	Config config.Config

	log       *slog.Logger
	disk      fsys.FS
	files     *files.Writer
	journal   *journal.Journal // nil with durability "memory"
	ingest    *ingest.Ingest
	forward   *forward.Stage // nil without destinations
	claim     *journal.Claim // nil but for durability "memory"
	adoption  adoption
	keeper    keeper
	doors     []*door
	library   *door          // of what comes without a receiver
	script    *script.Script // nil but for a mock
	names     []string
	receivers []receiver
	admission *receive.Admission

	limiter  *obs.Limiter
	written  [otlp.Count]written
	counts   files.Counts
	reads    reads
	adopted  adopted
	health   health
	watchers map[string]*receive.Web // health and metrics, by their keys

	drain   sync.Once
	drained chan struct{} // closed when all is written
	stopErr error         // of the drain, to be read after that
}

// Start opens files and listeners; nothing listens when it fails.
func Start(c config.Config, log *slog.Logger) (*Node, error) {
	return StartOn(fsys.OS{}, c, log)
}

// StartOn is Start on a file system of the caller's.
func StartOn(disk fsys.FS, c config.Config, log *slog.Logger) (*Node, error) {
	return launch(disk, c, log, nil)
}

// StartMock is Start of a node that answers as a script says.
func StartMock(c config.Config, log *slog.Logger, s *script.Script) (*Node, error) {
	return launch(fsys.OS{}, c, log, s)
}

func launch(disk fsys.FS, c config.Config, log *slog.Logger, s *script.Script) (*Node, error) {
	limiter := obs.NewLimiter(log.Handler(), obs.DefaultLimits())
	n := &Node{Config: c, log: slog.New(limiter), limiter: limiter, disk: disk, script: s, drained: make(chan struct{})}
	n.health.began = time.Now()
	for s := range n.written {
		n.written[s].init()
	}
	registry, err := n.openWatchers()
	if err != nil {
		return nil, err
	}
	if err := n.openStore(); err != nil {
		n.stopForward()
		n.closeWatchers()
		return nil, err
	}
	n.makeReceivers()
	for _, r := range n.receivers {
		if err := r.Listen(); err != nil {
			return nil, errors.Join(err, n.Shutdown(context.Background()))
		}
	}
	for _, r := range n.receivers {
		r.Serve()
	}
	if registry != nil { // not before: what it reads is there only now
		registry.Add(n.families()...)
	}
	n.startHealth()
	n.startKeeper()
	return n, nil
}

// openStore makes the files and the journal, adopts what the dead left, and starts ingest.
func (n *Node) openStore() (err error) {
	c := &n.Config
	options := files.Options{Writer: files.NewID(time.Now()), Sync: c.Durability == config.Fsync, Counts: &n.counts}
	if c.Durability != config.Memory {
		options.Cursors = journals(c.OutputDir)
	}
	if n.files, err = files.New(c.Files, n.disk, c.OutputDir, options, n.log, time.Now); err != nil {
		return err
	}
	dir := filepath.Join(journals(c.OutputDir), options.Writer)
	if c.Durability == config.Memory {
		if n.claim, err = journal.NewClaim(n.disk, dir, c.Journal()); err != nil {
			return err
		}
	}
	if err = n.makeForward(options.Writer); err != nil {
		return err
	}
	n.startAdoption()
	kept, err := n.openJournal(dir)
	if err != nil {
		n.stopAdoption()
		return err
	}
	n.ingest = ingest.New(c.Ingest(), counted{n.files, &n.written}, kept, n.log)
	return nil
}

// openJournal makes what keeps requests until all have had them, and what forwards them.
func (n *Node) openJournal(dir string) (kept ingest.Journal, err error) {
	if n.Config.Durability == config.Memory {
		return n.openRing()
	}
	if n.journal, err = journal.Create(n.disk, dir, n.Config.Journal(), n.log); err != nil {
		return nil, &fault.Error{Kind: fault.Config, Op: "output_dir", Err: err}
	}
	if err = n.startForward(forward.FromJournal(n.journal)); err != nil {
		return nil, errors.Join(err, n.journal.Close())
	}
	return n.journal, nil
}

func (n *Node) makeReceivers() {
	c := &n.Config
	n.admission = receive.NewAdmission(c.Limits.MaxInflightBytes)
	n.library = n.door("library")
	var arrow receive.Acceptor
	if c.OTLPGRPC.Enabled || c.Arrow.Enabled {
		arrow = n.gate("otap")
	}
	if c.OTLPGRPC.Enabled {
		r := receive.NewGRPC(c.OTLPGRPC, c.Limits.Limits, n.admission, n.gate("grpc"), n.log)
		r.AddOTAP(arrow)
		if c.Durability == config.Fsync || n.script != nil { // these wait
			r.Apart()
		}
		n.addGRPC("otlp_grpc", r)
	}
	if c.OTLPHTTP.Enabled {
		n.names = append(n.names, "otlp_http")
		n.receivers = append(n.receivers, receive.NewHTTP(c.OTLPHTTP, c.Limits.Limits, n.admission, n.gate("http"), n.log))
	}
	if c.Arrow.Enabled {
		r := receive.NewArrow(c.Arrow, c.Limits.Limits, n.admission, arrow, n.log)
		r.AddFlight(n.gate("flight"), n.tables(), &n.reads)
		n.addGRPC("arrow", r)
	}
}

// gate is a door, behind the script if there is one.
func (n *Node) gate(transport string) receive.Acceptor {
	if n.script == nil {
		return n.door(transport)
	}
	return n.script.Gate(transport, n.door(transport))
}

// addGRPC adds a receiver whose health service follows the node's health.
func (n *Node) addGRPC(name string, r *receive.GRPC) {
	n.names = append(n.names, name)
	n.receivers = append(n.receivers, r)
	n.health.grpc = append(n.health.grpc, r)
}

// Endpoints are the real addresses by the listeners' keys.
func (n *Node) Endpoints() map[string]string {
	all := map[string]string{}
	for i, r := range n.receivers {
		all[n.names[i]] = r.Addr()
	}
	for key, w := range n.watchers {
		all[key] = w.Addr()
	}
	return all
}

// Accept takes one Export request, as a receiver does.
func (n *Node) Accept(ctx context.Context, signal otlp.Signal, body []byte) error {
	err := n.library.Accept(ctx, signal, body)
	if err != nil {
		n.library.Refused(signal, fault.KindOf(err))
	}
	return err
}

// Flush returns when all that was accepted before the call is in files.
func (n *Node) Flush(ctx context.Context, signals ...otlp.Signal) error {
	return n.ingest.Flush(ctx, signals...)
}

// Files flushes a signal and lists its data files.
func (n *Node) Files(ctx context.Context, signal otlp.Signal) ([]files.File, error) {
	if err := n.ingest.Flush(ctx, signal); err != nil {
		return nil, err
	}
	return n.files.Files(signal)
}

// receiversGrace is how long requests in flight may take once a stop began.
const receiversGrace = 10 * time.Second

// Shutdown ends the listeners, writes what was accepted and closes the files. It goes on past
// ctx's deadline, which only bounds the waiting, so it may be called again; then, or at the
// same time by another, it waits for the same stop.
func (n *Node) Shutdown(ctx context.Context) error {
	n.drain.Do(func() { go n.stop() })
	select {
	case <-n.drained:
		return n.stopErr
	case <-ctx.Done():
	}
	if err := n.ingest.Failure(); err != nil {
		return err
	}
	return &fault.Error{Kind: fault.Timeout, Op: "shut down", Err: ctx.Err()}
}

func (n *Node) stop() {
	defer close(n.drained)
	n.stopHealth()
	if n.script != nil {
		n.script.End()
	}
	ctx, cancel := context.WithTimeout(context.Background(), receiversGrace)
	defer cancel()
	var all sync.WaitGroup
	errs := make([]error, len(n.receivers))
	for i, r := range n.receivers {
		all.Go(func() { errs[i] = r.Shutdown(ctx) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			n.log.Warn("a listener did not end in time", "error", err)
		}
	}
	n.stopKeeper()
	n.stopAdoption()
	stopped := n.ingest.Shutdown(context.Background())
	n.stopForward()
	n.stopErr = errors.Join(stopped, n.files.Close(), n.closeJournal())
	n.closeWatchers()
	n.limiter.Flush()
}

// closeJournal removes the journal, since everything in it is in files by now.
func (n *Node) closeJournal() error {
	if n.journal == nil {
		return n.claim.Release()
	}
	err := n.journal.Discard()
	if errors.Is(err, journal.ErrUnreleased) {
		n.log.Warn("the journal is kept, the next start adopts it", "reason", err)
		return nil
	}
	if err != nil {
		return &fault.Error{Kind: fault.IO, Op: "close the journal", Err: err}
	}
	return removeCursors(n.disk, journals(n.Config.OutputDir), n.files.ID())
}
