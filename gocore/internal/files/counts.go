package files

import (
	"sync/atomic"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Counts are what Writers did, by signal.
type Counts [otlp.Count]struct {
	Bytes     atomic.Uint64 // of batches that count
	Files     atomic.Uint64 // that were begun
	Rotations atomic.Uint64 // files that had reached their size or age, or were gone
}
