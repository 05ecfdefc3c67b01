// Package obstest keeps what tests want to read of a log, also while other goroutines write it.
package obstest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Log keeps what is logged.
type Log struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write is for slog.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// Logger fills the log, with every level.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Count is how many times a text was logged.
func (l *Log) Count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
