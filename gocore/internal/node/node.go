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

	mu      sync.Mutex // guards stopped
	stopped bool
}

// Start opens files and listeners; nothing listens when it fails.
func Start(c config.Config, log *slog.Logger) (*Node, error) {
	writer, err := files.New(c.Files, c.OutputDir, log, time.Now)
	if err != nil {
		return nil, err
	}
	n := &Node{Config: c, log: log, files: writer}
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

// Shutdown ends the listeners, writes what was accepted and closes the files. It may be
// called twice, and again after its deadline passed.
func (n *Node) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return nil
	}
	var errs []error
	for _, r := range n.receivers {
		errs = append(errs, r.Shutdown(ctx))
	}
	if err := n.ingest.Shutdown(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	n.stopped = true
	return errors.Join(append(errs, n.files.Close())...)
}
