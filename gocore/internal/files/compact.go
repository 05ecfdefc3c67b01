package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Compaction makes a finished file's many small batches few large ones:
//
//	| schema | b | b | b | b | b |   read in order, until a group has so many rows or bytes
//	           └── group ──┘         sorted by service and time, texts in one dictionary
//	| schema | batch | batch |       zstd; hidden, then renamed over the old file
//
// The name always stands for the old file or the new one, whole, so no reader misses a row or
// has one twice; who has the old one open reads on in that. A file is sorted group by group and
// not as a whole, which bounds the memory.

const (
	// DefaultMinBatches is from how many batches on compaction is worth it.
	DefaultMinBatches = 8

	groupRows  = 128 << 10
	groupBytes = 64 << 20
)

// Choice says which files are to be compacted.
type Choice struct {
	// Signals, nil for all.
	Signals []otlp.Signal
	// Only these paths, nil for all.
	Only []string
	// MinBatches is how many a file must have.
	MinBatches int

	groupRows int64 // of tests; 0 for the default
}

// Compacted tells what became of a file.
type Compacted struct {
	Path    string `json:"path"`
	Skipped string `json:"skipped,omitempty"` // why nothing was done
	Rows    int64  `json:"rows"`
	Before  Amount `json:"before"`
	After   Amount `json:"after"`
}

// Amount is how large a file is.
type Amount struct {
	Batches int   `json:"batches"`
	Bytes   int64 `json:"bytes"`
}

var (
	errType    = errors.New("a type that is not known here")
	errRows    = errors.New("rows would be lost")
	errLarger  = errors.New("it would not become smaller")
	errStopped = errors.New("stopped")
)

// Compact compacts the finished files of an output directory, oldest first; files in use are
// left alone, as by Retain. It fails with fsys.ErrLocked while another does. After an error or
// when ctx ends, what it has done stays, and another call goes on.
func Compact(ctx context.Context, disk fsys.FS, dir string, choice Choice, own ...string) (all []Compacted, err error) {
	release, err := Maintain(disk, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	signals := choice.Signals
	if signals == nil {
		signals = otlp.Signals[:]
	}
	for _, s := range signals {
		found, err := survey(disk, dir, s, own...)
		if err != nil {
			return all, &fault.Error{Kind: fault.IO, Op: "compact", Err: err}
		}
		for _, f := range found {
			if choice.Only != nil && !slices.Contains(choice.Only, f.path) {
				continue
			}
			done, err := compactFile(ctx, disk, f, choice)
			switch {
			case errors.Is(err, errStopped):
				return all, &fault.Error{Kind: fault.Timeout, Op: "compact", Err: ctx.Err()}
			case errors.Is(err, errChanged), errors.Is(err, fs.ErrNotExist): // removed meanwhile
				continue
			case err != nil:
				return all, &fault.Error{Kind: fault.IO, Op: "compact", Field: f.path, Err: err}
			}
			all = append(all, done)
		}
	}
	return all, nil
}

// compactFile compacts one, or tells why not.
func compactFile(ctx context.Context, disk fsys.FS, f surveyed, choice Choice) (done Compacted, err error) {
	done = Compacted{Path: f.path, Before: Amount{Bytes: f.size}}
	if f.held {
		done.Skipped = "it is in use"
		return done, nil
	}
	content, err := Inspect(disk, f.path, false)
	if err != nil {
		return done, err
	}
	done.Rows, done.Before.Batches = content.Rows, len(content.Batches)
	if done.Skipped = unfit(content, choice.MinBatches); done.Skipped != "" {
		return done, nil
	}
	inode, err := disk.FileID(f.path)
	if err != nil {
		return done, err
	}
	temp := tempOf(f.path)
	err = rewrite(ctx, disk, f.path, temp, content, cmp.Or(choice.groupRows, groupRows))
	if err == nil {
		done.After, err = checked(disk, temp, content)
	}
	switch {
	case errors.Is(err, errType), errors.Is(err, errLarger), errors.Is(err, errGarbage):
		done.Skipped = err.Error()
		return done, removed(disk, temp)
	case err != nil:
		return done, errors.Join(err, removed(disk, temp))
	}
	err = replaceFile(disk, temp, f.path, inode)
	if errors.Is(err, fs.ErrPermission) { // on Windows, while it is mapped
		done.Skipped, done.After, err = "it cannot be replaced now", Amount{}, nil
	}
	return done, err
}

func removed(disk fsys.FS, path string) error {
	if err := disk.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unfit tells why a file cannot be compacted, or need not.
func unfit(c *Content, least int) string {
	switch {
	case c.Schema == nil, c.Bad != nil:
		return "it is damaged, see doctor"
	case c.Version() != schema.Version:
		return "its schema version is not known here"
	case c.Compacted():
		return "it is compacted"
	case c.Rows == 0:
		return "it has no rows"
	case len(c.Batches) < least:
		return fmt.Sprintf("it has fewer than %d batches", least)
	}
	return ""
}

// checked measures the new file and compares it with the old one.
func checked(disk fsys.FS, temp string, before *Content) (Amount, error) {
	after, err := Inspect(disk, temp, false)
	if err != nil {
		return Amount{}, err
	}
	if after.Rows != before.Rows || after.Bad != nil {
		return Amount{}, errRows
	}
	// A reader may have asked for the old length before it opens the new file.
	if after.Size > before.Size {
		return Amount{}, errLarger
	}
	return Amount{len(after.Batches), after.Size}, nil
}

// rewrite writes the new file.
func rewrite(ctx context.Context, disk fsys.FS, path, temp string, c *Content, rows int64) error {
	g, err := newGroup(c, rows)
	if err != nil {
		return err
	}
	return renew(disk, path, temp, func(old io.ReaderAt, out io.Writer) error {
		if _, err := out.Write(g.encoder.schema); err != nil {
			return err
		}
		defer g.release()
		for i := range c.Batches {
			if ctx.Err() != nil {
				return errStopped
			}
			if g.full(c.Batches[i].Rows) {
				if err := g.flush(out); err != nil {
					return err
				}
			}
			batch, err := c.read(old, i)
			if err != nil {
				return errors.Join(errGarbage, err)
			}
			g.take(batch)
		}
		return g.flush(out)
	})
}

// group is batches that become one.
type group struct {
	schema  *arrow.Schema
	encoder *encoder
	tag     string
	columns []gatherer
	service int // column, -1 for none
	times   []int
	batches []arrow.RecordBatch
	most    int64 // rows
	rows    int64
	bytes   int64
}

func newGroup(c *Content, most int64) (*group, error) {
	meta := c.Schema.Metadata()
	keys, values := append(meta.Keys(), schema.CompactedKey), append(meta.Values(), "1")
	marked := arrow.NewMetadata(keys, values)
	g := &group{schema: arrow.NewSchema(c.Schema.Fields(), &marked), service: -1, most: most, tag: wholeSpan(c.Batches)}
	for _, field := range c.Schema.Fields() {
		gather, err := newGatherer(field.Type)
		if err != nil {
			return nil, err
		}
		g.columns = append(g.columns, gather)
	}
	if at := c.Schema.FieldIndices("service_name"); len(at) > 0 {
		g.service = at[0]
	}
	for _, name := range timesOf(c.Signal()) {
		g.times = append(g.times, c.Schema.FieldIndices(name)...)
	}
	var err error
	g.encoder, err = newEncoder("zstd", g.schema)
	return g, err
}

// wholeSpan is the journal range of all batches, "" unless each has one and they are of one
// writer.
func wholeSpan(batches []Batch) string {
	var whole Span
	for _, b := range batches {
		span, ok := ParseSpan(b.Tag)
		if !ok || whole.Writer != "" && whole.Writer != span.Writer {
			return ""
		}
		if whole.Writer == "" {
			whole = span
		}
		whole.From, whole.Below = min(whole.From, span.From), max(whole.Below, span.Below)
	}
	if whole.Writer == "" {
		return ""
	}
	return whole.String()
}

// full tells whether a batch of so many rows is for the next group.
func (g *group) full(more int64) bool {
	return len(g.batches) > 0 && (g.rows+more > g.most || g.bytes >= groupBytes)
}

func (g *group) take(batch arrow.RecordBatch) {
	g.batches = append(g.batches, batch)
	g.rows += batch.NumRows()
	for _, column := range batch.Columns() {
		g.bytes += sizeOf(column.Data())
	}
}

func (g *group) release() {
	for _, batch := range g.batches {
		batch.Release()
	}
	g.batches, g.rows, g.bytes = g.batches[:0], 0, 0
	for _, column := range g.columns {
		column.Reset()
	}
}

// flush writes the group as one batch and begins the next.
func (g *group) flush(out io.Writer) (err error) {
	defer g.release()
	defer func() {
		if cause := recover(); cause != nil { // arrow-go, on offsets beyond a buffer
			err = fmt.Errorf("%w: %v", errGarbage, cause)
		}
	}()
	if g.rows == 0 {
		return nil
	}
	for _, at := range g.order() {
		batch := g.batches[at.batch]
		for i, column := range g.columns {
			if err := column.add(batch.Column(i), at.row); err != nil {
				return fmt.Errorf("%s: %w", g.schema.Field(i).Name, err)
			}
		}
	}
	batch := gathered(g.schema, g.columns, g.rows)
	defer batch.Release()
	bytes, err := g.encoder.encode(g.tag, []arrow.RecordBatch{batch})
	if err == nil {
		_, err = out.Write(bytes)
	}
	return err
}

// place is a row of the group, and what it is sorted by.
type place struct {
	service    string
	time       int64
	batch, row int
}

// order sorts the rows by service and time; equal ones stay as they came.
func (g *group) order() []place {
	all := make([]place, 0, g.rows)
	for i, batch := range g.batches {
		for row := range int(batch.NumRows()) {
			all = append(all, place{g.serviceOf(batch, row), g.timeOf(batch, row), i, row})
		}
	}
	slices.SortStableFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.time, b.time))
	})
	return all
}

func (g *group) serviceOf(batch arrow.RecordBatch, row int) string {
	if g.service < 0 {
		return ""
	}
	names, ok := batch.Column(g.service).(*array.Dictionary)
	if !ok || names.IsNull(row) {
		return ""
	}
	words, ok := names.Dictionary().(*array.String)
	if !ok {
		return ""
	}
	return words.Value(names.GetValueIndex(row))
}

func (g *group) timeOf(batch arrow.RecordBatch, row int) int64 {
	for _, i := range g.times {
		if times, ok := batch.Column(i).(*array.Timestamp); ok && times.IsValid(row) {
			return int64(times.Value(row))
		}
	}
	return math.MinInt64
}

// DirOf is the output directory that a data file lies in.
func DirOf(path string) (dir string, ok bool) {
	n, ok := parseName(filepath.Base(path))
	parent := filepath.Dir(path)
	root := filepath.Dir(parent)
	ok = ok && filepath.Base(parent) == n.signal.String() && root == Root(filepath.Dir(root))
	return filepath.Dir(root), ok
}
