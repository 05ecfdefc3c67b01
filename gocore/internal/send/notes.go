package send

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// notes keeps what is told on the way, once each. A log writes to it.
type notes struct {
	mu  sync.Mutex // guards all
	all []string
}

// maxNotes bounds them.
const maxNotes = 20

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.all) < maxNotes && !slices.Contains(n.all, text) {
		n.all = append(n.all, text)
	}
}

// Write takes a line of the log.
func (n *notes) Write(line []byte) (int, error) {
	n.add(strings.TrimSpace(string(line)))
	return len(line), nil
}

func (n *notes) lines() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.all...)
}

// plain leaves out what makes equal lines differ, and what is no news.
func plain(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		return slog.Attr{}
	}
	return a
}
