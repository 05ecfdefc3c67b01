// Package obs is how the program tells of itself: a metrics registry for each node, histograms
// that know nothing of Prometheus, and a log handler that bounds repetition.
//
//	stage counts ──┐ read at a scrape              record ─> Limiter ─> the host's handler
//	Histogram    ──┼─> Family ─> Registry ─> GET /metrics       └─ "suppressed": how many more
//	Go, process  ──┘
//
// Stages keep plain counts, which are read when somebody scrapes: so counting costs an atomic
// addition, and stages can be tested without a registry. Nothing here is global: two nodes in
// one process have two registries. There is no clock of ours: tests run in synctest bubbles,
// where the standard one is a fake.
//
// All may be used by several goroutines.
package obs

// Version is the program's; pyproject.toml says the same.
const Version = "0.1.0"
