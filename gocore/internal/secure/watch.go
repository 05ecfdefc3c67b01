package secure

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

const (
	lookEvery    = 5 * time.Second // the least time between two looks at the files
	maxFileBytes = 1 << 20
)

// Env is what guards need of their surroundings.
type Env struct {
	Now func() time.Time
	Log *slog.Logger
}

// source is a file that a setting names.
type source struct {
	key     string // the user's key, such as otlp_grpc.tls.cert_file
	path    string
	private bool // for the node's own user only
}

// read gives the content. Only of regular files: opening a pipe would wait for its writer.
func (s source) read() ([]byte, error) {
	info, err := os.Stat(s.path)
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no regular file", s.path)
	case info.Size() > maxFileBytes:
		err = fmt.Errorf("%s is larger than %d bytes", s.path, maxFileBytes)
	default:
		var content []byte
		if content, err = os.ReadFile(s.path); err == nil {
			return content, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", s.key, err)
}

func readAll(sources []source) (contents [][]byte, faults []error) {
	for _, s := range sources {
		content, err := s.read()
		if err != nil {
			faults = append(faults, err)
		}
		contents = append(contents, content)
	}
	return contents, faults
}

// digestOf tells whether contents changed. Not times and sizes: a file that is written
// twice within a tick of the clock keeps both, and these are a few KiB.
func digestOf(contents [][]byte) (sum digest) {
	hash := sha256.New()
	for _, content := range contents {
		_ = binary.Write(hash, binary.BigEndian, int64(len(content)))
		hash.Write(content)
	}
	hash.Sum(sum[:0])
	return sum
}

type digest [sha256.Size]byte

// watched is what files say, parsed. With no files it is what parse makes of none, for good.
type watched[T any] struct {
	key     string // names the settings in the log
	sources []source
	parse   func(contents [][]byte) (*T, []error)
	env     Env
	start   time.Time
	current atomic.Pointer[T]
	due     atomic.Int64 // after start, the next look

	mu      sync.Mutex // guards the fields below; held by the one who looks
	sum     digest     // of the files that current is from
	failing bool       // since a change that cannot be used
}

// watch reads the files for the first time.
func watch[T any](key string, sources []source, parse func([][]byte) (*T, []error), env Env) (*watched[T], error) {
	w := &watched[T]{key: key, sources: sources, parse: parse, env: env, start: env.Now()}
	contents, faults := readAll(sources)
	if len(faults) > 0 {
		return nil, unusable(faults)
	}
	value, faults := parse(contents)
	if len(faults) > 0 {
		return nil, unusable(faults)
	}
	w.sum = digestOf(contents)
	w.put(value)
	w.due.Store(int64(lookEvery))
	return w, nil
}

func unusable(faults []error) error {
	return &fault.Error{Kind: fault.Config, Op: "configuration", Err: errors.Join(faults...)}
}

// get is what the files say now, or said a few seconds ago. A slow disk holds up only the
// one caller who looks.
func (w *watched[T]) get() *T {
	if len(w.sources) > 0 && w.isDue() && w.mu.TryLock() {
		if w.isDue() { // another one may have looked in between
			w.due.Store(int64(w.age() + lookEvery))
			w.lookLocked()
		}
		w.mu.Unlock()
	}
	return w.current.Load()
}

func (w *watched[T]) age() time.Duration { return w.env.Now().Sub(w.start) }
func (w *watched[T]) isDue() bool        { return int64(w.age()) >= w.due.Load() }

func (w *watched[T]) lookLocked() {
	contents, faults := readAll(w.sources)
	sum := digestOf(contents)
	var value *T
	if len(faults) == 0 && sum != w.sum {
		value, faults = w.parse(contents)
	}
	switch {
	case len(faults) > 0:
		if !w.failing {
			w.env.Log.Warn("files cannot be used as they are now; what they said before stays in force",
				"setting", w.key, "error", errors.Join(faults...))
		}
		w.failing = true
		return
	case w.failing:
		w.env.Log.Info("files can be used again", "setting", w.key)
	case value != nil:
		w.env.Log.Info("changed files are in force", "setting", w.key)
	}
	w.failing = false
	if value != nil {
		w.sum = sum
		w.put(value)
	}
}

func (w *watched[T]) put(value *T) {
	w.current.Store(value)
	for _, s := range w.sources {
		if info, err := os.Stat(s.path); s.private && err == nil && info.Mode().Perm()&othersRead != 0 {
			w.env.Log.Warn("other users can read a file with secrets: chmod 600 it",
				"setting", s.key, "file", s.path, "mode", fmt.Sprintf("%#o", info.Mode().Perm()))
		}
	}
}

const othersRead fs.FileMode = 0o044
