package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// tables looks at each signal's files.
func (d *doctor) tables() error {
	for _, s := range otlp.Signals {
		d.report.Tables[s.String()] = Table{}
		all, err := files.Survey(d.disk, d.dir, s)
		if err != nil {
			return err
		}
		spans := spans{}
		for _, entry := range all {
			content, err := d.inspect(entry.Path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed while we look
			}
			if err != nil {
				d.found(Error, entry.Path, "it cannot be read: "+err.Error(), "", nil)
				continue
			}
			d.count(s, content)
			d.file(s, entry, content)
			spans.add(entry, content)
		}
		d.spans(spans)
		if err := d.strangers(s); err != nil {
			return err
		}
	}
	return nil
}

// inspect reads a file, once unless it is growing or was mended.
func (d *doctor) inspect(path string) (*files.Content, error) {
	info, err := d.disk.Stat(path)
	if err != nil {
		return nil, err
	}
	if known := d.cache[path]; known != nil && known.Size == info.Size() {
		return known, nil
	}
	content, err := files.Inspect(d.disk, path, true)
	if err == nil {
		d.cache[path] = content
	}
	return content, err
}

// forget says that a writer's files are not what they were.
func (d *doctor) forget(writer string) {
	for path := range d.cache {
		if owner, ok := files.Owned(filepath.Base(path)); ok && owner == writer {
			delete(d.cache, path)
		}
	}
}

// file judges one. A finished one may be mended; a dead writer's is cut when it is adopted.
func (d *doctor) file(s otlp.Signal, entry files.Entry, c *files.Content) {
	var problem, repair string
	switch {
	case c.Schema == nil:
		problem, repair = "not even a schema can be read: "+c.Bad.Error(), "move it to aside"
	case c.Version() != schema.Version:
		d.found(Warning, entry.Path, fmt.Sprintf("schema version %q is not known here", c.Version()), "", nil)
		return
	case c.Signal() != s.String():
		d.found(Error, entry.Path, "it holds "+c.Signal(), "", nil)
		return
	case len(c.Broken) > 0:
		problem = fmt.Sprintf("%d of %d batches cannot be decoded, the first at %d", len(c.Broken), len(c.Batches), c.Batches[c.Broken[0]].Offset)
		repair = "copy it to aside and leave these batches out"
	case c.Bad != nil:
		problem = fmt.Sprintf("behind the last whole batch, at %d: %v", c.End(), c.Bad)
		repair = "copy what is there to aside and cut it off with zeros"
	default:
		return
	}
	switch {
	case d.alive[entry.Writer] && entry.Held:
		d.found(Warning, entry.Path, problem+" (its writer lives)", "", nil)
	case entry.Held:
		d.found(Error, entry.Path, problem, "once its writer's journal is adopted: "+repair, nil)
	default:
		d.found(Error, entry.Path, problem, repair, func() error {
			d.forget(entry.Writer)
			_, err := files.Mend(d.disk, entry.Path, d.dir, c, d.config.Files)
			return err
		})
	}
}

// piece are neighbouring batches in a file that are of the same journal records.
type piece struct {
	files.Span
	path string
	held bool
}

// spans are the pieces of each writer.
type spans map[string][]piece

func (all spans) add(entry files.Entry, c *files.Content) {
	tag := ""
	for _, b := range c.Batches {
		if span, ok := files.ParseSpan(b.Tag); ok && b.Tag != tag { // one write makes several batches
			all[span.Writer] = append(all[span.Writer], piece{span, entry.Path, entry.Held})
		}
		tag = b.Tag
	}
}

// spans finds records that are in files twice, or not at all.
func (d *doctor) spans(all spans) {
	for writer, pieces := range all {
		slices.SortStableFunc(pieces, func(a, b piece) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Below, b.Below))
		})
		reach := pieces[0]
		for _, p := range pieces[1:] {
			switch {
			case p.From < reach.Below:
				problem := fmt.Sprintf("its journal records %s are in %s too, as part of %s", p.Span, filepath.Base(reach.path), reach.Span)
				d.found(severity(d.alive[writer] && p.held), p.path, problem, "", nil)
			case p.From > reach.Below:
				problem := fmt.Sprintf("no file has the records %d to %d of %s: set aside, or a file was removed", reach.Below, p.From-1, writer)
				d.found(Warning, p.path, problem, "", nil)
			}
			if p.Below > reach.Below {
				reach = p
			}
		}
	}
}

// strangers are files that readers of a directory may take for ours.
func (d *doctor) strangers(s otlp.Signal) error {
	dir := filepath.Join(files.Root(d.dir), s.String())
	entries, err := d.disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if base := entry.Name(); strings.HasSuffix(base, files.Suffix) && base[0] != '.' && !files.IsData(base, s) {
			d.found(Warning, filepath.Join(dir, base), "not a name of ours: retention and compaction leave it alone", "", nil)
		}
	}
	return err
}
