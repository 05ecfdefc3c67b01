package otlparrow

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
)

// LogQueue is a logger's far end for hosts that fetch records: each is one line of JSON.
// When the host does not keep up, the newest are dropped and counted.
type LogQueue struct {
	lines   chan []byte
	dropped atomic.Uint64
	ended   chan struct{}
	end     sync.Once
}

const logQueueLength = 1024

// NewLogQueue makes a queue and the logger that fills it.
func NewLogQueue() (*LogQueue, *slog.Logger) {
	q := &LogQueue{lines: make(chan []byte, logQueueLength), ended: make(chan struct{})}
	return q, slog.New(slog.NewJSONHandler(q, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write takes one record; slog calls it.
func (q *LogQueue) Write(line []byte) (int, error) {
	copied := append([]byte(nil), line...)
	select {
	case q.lines <- copied:
	default:
		q.dropped.Add(1)
	}
	return len(line), nil
}

// End says that no record is waited for any more.
func (q *LogQueue) End() { q.end.Do(func() { close(q.ended) }) }

// Next waits for a record; nil when there was none before ctx, or the queue, ended.
func (q *LogQueue) Next(ctx context.Context) []byte {
	select {
	case line := <-q.lines:
		return line
	default:
	}
	select {
	case line := <-q.lines:
		return line
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return nil
	}
}

var _ io.Writer = (*LogQueue)(nil)
