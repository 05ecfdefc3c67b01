// Package doctor checks an output directory, and repairs what can be repaired without deleting
// data. It stands above the node, since a dead writer's journal is adopted as a node does it.
//
//	journals ─> cursors ─> files ─> leftovers      each look makes findings; some have a fix
//	    └ adopted first: only then its writer's files are finished and may be mended
//
// It may run beside a service: of what is alive it only reads, and no lock is held while it
// looks, but for the moment in which it tells the living from the dead. Repairing takes the
// locks that adopting and compacting take.
package doctor

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Severities of a Finding.
const (
	Error   = "error"   // data is missing, twice, unreadable, or not in files yet
	Warning = "warning" // to be known; the exit code does not tell
)

// Finding is what is not as it should be.
type Finding struct {
	Severity string `json:"severity"`
	Path     string `json:"path"` // below the output directory
	Problem  string `json:"problem"`
	// Repair is what would be done about it, or was; "" when nothing can be.
	Repair   string `json:"repair,omitempty"`
	Repaired bool   `json:"repaired"`
	Failure  string `json:"failure,omitempty"` // of the repair

	fix func() error
}

// Journal sums up a writer's journal.
type Journal struct {
	Writer  string         `json:"writer"`
	Alive   bool           `json:"alive"`
	Records int            `json:"records"`
	Unread  map[string]int `json:"unread"` // requests that are not in files yet, by signal
}

// Table sums up a signal's files.
type Table struct {
	Files   int   `json:"files"`
	Batches int   `json:"batches"`
	Rows    int64 `json:"rows"`
	Bytes   int64 `json:"bytes"`
}

// Report is what was found.
type Report struct {
	Dir      string           `json:"dir"`
	Healthy  bool             `json:"healthy"` // no error remains
	Journals []Journal        `json:"journals"`
	Tables   map[string]Table `json:"tables"`
	Findings []Finding        `json:"findings"`
}

// Options say what to do.
type Options struct {
	Repair bool
	Now    time.Time
}

// doctor is one run.
type doctor struct {
	disk   fsys.FS
	config config.Config
	dir    string
	log    *slog.Logger
	now    time.Time

	report *Report
	alive  map[string]bool // the writers that have a journal or a lock
	dead   map[string]bool
	cache  map[string]*files.Content // of files that no repair has touched
}

// Run checks c.OutputDir. A fault of kind Config says that there is none.
func Run(disk fsys.FS, c config.Config, o Options, log *slog.Logger) (*Report, error) {
	root := files.Root(c.OutputDir)
	if info, err := disk.Stat(root); err != nil || !info.IsDir() {
		return nil, fault.New(fault.Config, "doctor", "%s is no output directory: it has no directory otlp", c.OutputDir)
	}
	c.Durability = config.Fsync // what is repaired is durable
	d := &doctor{disk: disk, config: c, dir: c.OutputDir, log: log, now: o.Now, cache: map[string]*files.Content{}}
	if err := d.check(); err != nil || !o.Repair {
		return d.report, err
	}
	release, err := files.Maintain(disk, d.dir)
	if err != nil {
		return d.report, err
	}
	err = d.repair()
	return d.report, errors.Join(err, release())
}

// check looks at everything anew.
func (d *doctor) check() error {
	d.report = &Report{Dir: d.dir, Journals: []Journal{}, Tables: map[string]Table{}, Findings: []Finding{}}
	if err := d.writers(); err != nil {
		return err
	}
	for _, look := range []func() error{d.journals, d.tables, d.leftovers} {
		if err := look(); err != nil && !errors.Is(err, fs.ErrNotExist) { // removed while we look
			return &fault.Error{Kind: fault.IO, Op: "doctor", Err: err}
		}
	}
	d.report.Healthy = true
	for _, f := range d.report.Findings {
		d.report.Healthy = d.report.Healthy && f.Severity != Error
	}
	return nil
}

// rounds bounds how often is repaired: what one repair makes possible comes in the next round,
// adopting before mending.
const rounds = 4

func (d *doctor) repair() error {
	first := d.report.Findings
	failures := map[string]string{} // by key
	for range rounds {
		fixed := false
		for _, f := range d.report.Findings {
			if f.fix == nil || failures[f.key()] != "" {
				continue
			}
			if err := f.fix(); err != nil {
				failures[f.key()] = err.Error()
			} else {
				fixed = true
			}
		}
		if !fixed {
			break
		}
		if err := d.check(); err != nil {
			return err
		}
	}
	d.merge(first, failures)
	return nil
}

func (f Finding) key() string { return f.Path + "\x00" + f.Problem }

// merge tells of what was found at first what became of it, and adds what came up since.
func (d *doctor) merge(first []Finding, failures map[string]string) {
	left := map[string]bool{}
	for _, f := range d.report.Findings {
		left[f.key()] = true
	}
	known := map[string]bool{}
	all := []Finding{}
	for _, f := range append(first, d.report.Findings...) {
		if known[f.key()] {
			continue
		}
		known[f.key()] = true
		f.Repaired, f.Failure = !left[f.key()], failures[f.key()]
		all = append(all, f)
	}
	d.report.Findings = all
}

// found notes a finding. fix may be nil.
func (d *doctor) found(severity, path, problem, repair string, fix func() error) {
	if below, err := filepath.Rel(d.dir, path); err == nil {
		path = filepath.ToSlash(below)
	}
	d.report.Findings = append(d.report.Findings, Finding{Severity: severity, Path: path, Problem: problem, Repair: repair, fix: fix})
}

// table sums up; the report's map holds values.
func (d *doctor) count(s otlp.Signal, c *files.Content) {
	t := d.report.Tables[s.String()]
	t.Files++
	t.Batches += len(c.Batches)
	t.Rows += c.Rows
	t.Bytes += c.Size
	d.report.Tables[s.String()] = t
}
