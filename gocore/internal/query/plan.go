package query

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flight"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// layout is which columns a file has.
type layout struct{ schema *arrow.Schema }

// plan is how the files of a list become one table.
type plan struct {
	flight.Selection
	schema       *arrow.Schema // of what is given
	dictionaries []int64       // the ids that its dictionaries have
	head         []byte        // its message
}

// compression is of batches that are made anew: they stay on this machine or go over a network
// that is faster than compressing is.
const compression = "none"

func (t *Tables) plan(s flight.Selection, list []files.File) (*plan, error) {
	layouts, err := t.layoutsOf(s.Signal, list)
	if err != nil {
		return nil, err
	}
	all, err := union(schema.Of(s.Signal, t.promoted...), layouts)
	if err == nil {
		all, err = project(all, s.Columns)
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Op: "read " + s.Signal.String(), Err: err}
	}
	stream, err := files.NewStream(compression, all)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "make the schema of " + s.Signal.String(), Err: err}
	}
	return &plan{Selection: s, schema: all, dictionaries: stream.Dictionaries(), head: stream.Head()}, nil
}

// layoutsOf are the different layouts of a list's files. A file keeps its columns for life, so
// each is opened for that once.
func (t *Tables) layoutsOf(s otlp.Signal, list []files.File) (different []*layout, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := make(map[string]*layout, len(list))
	for _, f := range list {
		one, there := t.layouts[s][f.Path]
		if !there {
			if one, err = t.look(f, different); err != nil {
				return nil, err
			}
		}
		if one == nil { // removed
			continue
		}
		known[f.Path] = one
		if !slices.Contains(different, one) {
			different = append(different, one)
		}
	}
	t.layouts[s] = known // without the files that are gone
	return different, nil
}

// look reads a file's layout, one of those known where it is equal.
func (t *Tables) look(f files.File, known []*layout) (*layout, error) {
	r, err := files.Open(t.disk, f)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, broken(err)
	}
	defer r.Close()
	for _, one := range known {
		if one.schema.Equal(r.Schema()) {
			return one, nil
		}
	}
	return &layout{r.Schema()}, nil
}

// union has ours first, and then the columns that only some files have: those that were promoted
// once. Where a file lacks a column, it is null.
func union(ours *arrow.Schema, layouts []*layout) (*arrow.Schema, error) {
	fields := slices.Clone(ours.Fields())
	for _, one := range layouts {
		for _, field := range one.schema.Fields() {
			at := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == field.Name })
			switch {
			case at < 0:
				field.Nullable = true
				fields = append(fields, field)
			case !arrow.TypeEqual(fields[at].Type, field.Type):
				return nil, fmt.Errorf("%s is of type %s in some files and %s in others", field.Name, fields[at].Type, field.Type)
			}
		}
	}
	for i := range fields {
		for _, one := range layouts {
			fields[i].Nullable = fields[i].Nullable || !one.schema.HasField(fields[i].Name)
		}
	}
	meta := ours.Metadata()
	return arrow.NewSchema(fields, &meta), nil
}

// project cuts a schema to the wanted columns; nil wants all.
func project(all *arrow.Schema, wanted []string) (*arrow.Schema, error) {
	if wanted == nil {
		return all, nil
	}
	fields := make([]arrow.Field, 0, len(wanted))
	for _, name := range wanted {
		found, ok := all.FieldsByName(name)
		if !ok {
			return nil, fmt.Errorf("columns: %.100q is in none of the files", name)
		}
		fields = append(fields, found[0])
	}
	meta := all.Metadata()
	return arrow.NewSchema(fields, &meta), nil
}

// projection gives the wanted columns of a file without decoding it, where all of its rows are
// wanted and it lacks no column; else it is nil.
func (p *plan) projection(r *files.Reader) *files.Projection {
	if p.Filters() {
		return nil
	}
	fields := make([]int, p.schema.NumFields())
	for i, wanted := range p.schema.Fields() {
		found := r.Schema().FieldIndices(wanted.Name)
		if len(found) == 0 || !arrow.TypeEqual(wanted.Type, r.Schema().Field(found[0]).Type) {
			return nil
		}
		fields[i] = found[0]
	}
	return r.Project(fields, p.dictionaries)
}

// asStored tells whether a file's messages can be given as they are: all of its rows and columns
// are wanted, and no others.
func (p *plan) asStored(r *files.Reader) bool {
	return p.Whole() && slices.Equal(p.dictionaries, r.Dictionaries()) &&
		slices.EqualFunc(p.schema.Fields(), r.Schema().Fields(), func(a, b arrow.Field) bool {
			return a.Name == b.Name && arrow.TypeEqual(a.Type, b.Type)
		})
}
