package otlparrow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/doctor"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Maintenance is what the commands doctor and compact are asked for.
type Maintenance struct {
	// Command is "doctor" or "compact".
	Command string `json:"command"`
	// Paths: for doctor one output directory, for compact such, or data files in them.
	Paths []string `json:"paths"`
	// Config is the settings under which a dead writer's journal is adopted; output_dir does not
	// count.
	Config Config `json:"config"`
	// Repair makes doctor repair.
	Repair bool `json:"repair"`
	// Signal is the only one to compact, "" for all.
	Signal string `json:"signal"`
	// MinBatches is how many a file must have to be compacted; 0 for the default, 8.
	MinBatches int `json:"min_batches"`
}

// Outcome is what came of it.
type Outcome struct {
	// OK: nothing is wrong, or nothing is any more.
	OK bool `json:"ok"`
	// Text is the report for people, Report for machines.
	Text   string `json:"text"`
	Report any    `json:"report"`
}

// ParseMaintenance reads a Maintenance from JSON.
func ParseMaintenance(document []byte) (Maintenance, error) {
	var m Maintenance
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return m, &fault.Error{Kind: fault.Config, Op: "maintenance", Err: err}
	}
	return m, nil
}

// Maintain checks, repairs or compacts what is on disk, beside a running service or without one.
// A wrong request is an error of OA_CONFIG.
func Maintain(ctx context.Context, m Maintenance) (Outcome, error) {
	switch m.Command {
	case "doctor":
		return m.doctor()
	case "compact":
		return m.compact(ctx)
	}
	return Outcome{}, fault.New(fault.Config, "", "unknown command %q", m.Command)
}

func (m Maintenance) doctor() (Outcome, error) {
	if len(m.Paths) != 1 {
		return Outcome{}, fault.New(fault.Config, "doctor", "want one directory")
	}
	settings, _, err := config.Load(m.Config.sources())
	if err != nil {
		return Outcome{}, err
	}
	log := m.Config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	settings.OutputDir = m.Paths[0]
	report, err := doctor.Run(fsys.OS{}, settings, doctor.Options{Repair: m.Repair, Now: time.Now()}, log)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{OK: report.Healthy, Text: report.Text(), Report: report}, nil
}

func (m Maintenance) compact(ctx context.Context) (Outcome, error) {
	choices, err := m.choices()
	if err != nil {
		return Outcome{}, err
	}
	all := []files.Compacted{}
	for _, c := range choices {
		done, err := files.Compact(ctx, fsys.OS{}, c.dir, c.Choice)
		if err != nil {
			return Outcome{}, err
		}
		all = append(all, done...)
	}
	return Outcome{OK: true, Text: compactText(all), Report: all}, nil
}

// choice is what to compact in an output directory.
type choice struct {
	files.Choice
	dir string
}

// choices sorts the paths by output directories.
func (m Maintenance) choices() (all []choice, err error) {
	base := files.Choice{MinBatches: m.MinBatches}
	if base.MinBatches == 0 {
		base.MinBatches = files.DefaultMinBatches
	}
	if m.MinBatches < 0 {
		return nil, fault.New(fault.Config, "compact", "min_batches: %d is less than 1", m.MinBatches)
	}
	for _, s := range otlp.Signals {
		if m.Signal == s.String() {
			base.Signals = []otlp.Signal{s}
		}
	}
	if m.Signal != "" && base.Signals == nil {
		return nil, fault.New(fault.Config, "compact", "signal: %q is not one of traces, metrics, logs", m.Signal)
	}
	if len(m.Paths) == 0 {
		return nil, fault.New(fault.Config, "compact", "want a directory or files")
	}
	for _, path := range m.Paths {
		dir, only, err := place(path)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(c choice) bool { return c.dir == dir && (c.Only == nil) == (only == nil) })
		if i < 0 {
			i = len(all)
			all = append(all, choice{base, dir})
		}
		all[i].Only = append(all[i].Only, only...)
	}
	return all, nil
}

// place is the output directory of a path, and the file if it is one.
func place(path string) (dir string, only []string, err error) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, &fault.Error{Kind: fault.Config, Op: "compact", Err: err}
	}
	if !info.IsDir() {
		dir, ok := files.DirOf(path)
		if !ok {
			return "", nil, fault.New(fault.Config, "compact", "%s is no data file in an output directory", path)
		}
		return dir, []string{path}, nil
	}
	if info, err := os.Stat(files.Root(path)); err != nil || !info.IsDir() {
		return "", nil, fault.New(fault.Config, "compact", "%s is no output directory: it has no directory otlp", path)
	}
	return path, nil, nil
}

// compactText has a line for each file that became another, and sums up the rest.
func compactText(all []files.Compacted) string {
	var b strings.Builder
	skipped := map[string]int{}
	for _, f := range all {
		if f.Skipped != "" {
			skipped[f.Skipped]++
			continue
		}
		fmt.Fprintf(&b, "%s: %d rows, %d batches -> %d, %d bytes -> %d\n", f.Path, f.Rows, f.Before.Batches, f.After.Batches,
			f.Before.Bytes, f.After.Bytes)
	}
	reasons := make([]string, 0, len(skipped))
	for reason := range skipped {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		fmt.Fprintf(&b, "left alone: %d, %s\n", skipped[reason], reason)
	}
	if len(all) == 0 {
		b.WriteString("no files\n")
	}
	return b.String()
}
