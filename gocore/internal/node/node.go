// Package node builds the stages from a configuration, starts them in order and drains them
// in reverse. Two nodes may live in one process; a Node may be used by several goroutines.
//
//	files <- ingest <- receivers      start: left to right; stop: right to left
package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/receive"
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
	files     *files.Writer
	ingest    *ingest.Ingest
	names     []string
	receivers []receiver

	drain   sync.Once
	drained chan struct{} // closed when all is written
	stopErr error         // of the drain, to be read after that
}

// Start opens files and listeners; nothing listens when it fails.
func Start(c config.Config, log *slog.Logger) (*Node, error) {
	writer, err := files.New(c.Files, c.OutputDir, log, time.Now)
	if err != nil {
		return nil, err
	}
	n := &Node{Config: c, log: log, files: writer, drained: make(chan struct{})}
	n.ingest = ingest.New(c.Ingest(), writer, log)
	n.makeReceivers()
	for _, r := range n.receivers {
		if err := r.Listen(); err != nil {
			return nil, errors.Join(err, n.Shutdown(context.Background()))
		}
	}
	for _, r := range n.receivers {
		r.Serve()
	}
	return n, nil
}

func (n *Node) makeReceivers() {
	c := &n.Config
	admission := receive.NewAdmission(c.Limits.MaxInflightBytes)
	if c.OTLPGRPC.Enabled {
		n.names = append(n.names, "otlp_grpc")
		n.receivers = append(n.receivers, receive.NewGRPC(c.OTLPGRPC, c.Limits.Limits, admission, n.ingest, n.log))
	}
	if c.OTLPHTTP.Enabled {
		n.names = append(n.names, "otlp_http")
		n.receivers = append(n.receivers, receive.NewHTTP(c.OTLPHTTP, c.Limits.Limits, admission, n.ingest, n.log))
	}
}

// Endpoints are the real addresses by the listeners' keys.
func (n *Node) Endpoints() map[string]string {
	all := map[string]string{}
	for i, r := range n.receivers {
		all[n.names[i]] = r.Addr()
	}
	return all
}

// Accept takes one Export request, as a receiver does.
func (n *Node) Accept(ctx context.Context, signal otlp.Signal, body []byte) error {
	return n.ingest.Accept(ctx, signal, body)
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
	// Without a deadline: what was acknowledged is tried again as long as the process lives.
	n.stopErr = errors.Join(n.ingest.Shutdown(context.Background()), n.files.Close())
}
