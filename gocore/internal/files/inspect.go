package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Span are the journal records of a writer that batches were made of: from, and below.
type Span struct {
	Writer      string
	From, Below uint64
}

func (s Span) String() string { return fmt.Sprintf("%s %d-%d", s.Writer, s.From, s.Below) }

// ParseSpan reads a batch's metadata.
func ParseSpan(tag string) (s Span, ok bool) {
	n, err := fmt.Sscanf(tag, "%s %d-%d", &s.Writer, &s.From, &s.Below)
	return s, err == nil && n == 3 && s.From < s.Below
}

// Batch is a batch in a file, with its dictionaries.
type Batch struct {
	Offset, End int64
	Rows        int64
	Tag         string // its journal records, see Span; "" without a journal
}

// Content is what is in a data file.
type Content struct {
	Schema  *arrow.Schema // nil where not even that can be read
	Begin   int64         // of the first batch
	Batches []Batch
	Rows    int64
	Size    int64
	// Bad says what stands behind the last whole batch, nil where readers find the end there.
	Bad error
	// Broken are batches that are whole by their lengths and cannot be decoded.
	Broken []int
}

// End is where the last whole batch ends.
func (c *Content) End() int64 {
	if n := len(c.Batches); n > 0 {
		return c.Batches[n-1].End
	}
	return c.Begin
}

// Compacted tells whether compaction made the file.
func (c *Content) Compacted() bool { return c.meta(schema.CompactedKey) != "" }

// Version is the schema's.
func (c *Content) Version() string { return c.meta(schema.VersionKey) }

// Signal is the schema's.
func (c *Content) Signal() string { return c.meta(schema.SignalKey) }

func (c *Content) meta(key string) string {
	if c.Schema == nil {
		return ""
	}
	meta := c.Schema.Metadata()
	if i := meta.FindKey(key); i >= 0 {
		return meta.Values()[i]
	}
	return ""
}

// Inspect reads the structure of a file of ours, and with deep every batch if its schema is
// known here. An error is of reading; what is wrong with the content is told in it.
func Inspect(disk fsys.FS, path string, deep bool) (*Content, error) {
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	c, err := outline(file, info.Size())
	if n, ok := parseName(filepath.Base(path)); ok && err == nil && deep && c.Version() == schema.Version {
		c.decodeAll(file, n.signal)
	}
	return c, err
}

// outline reads the heads of a file's messages.
func outline(file io.ReaderAt, size int64) (*Content, error) {
	c := &Content{Size: size}
	m := &messages{file: file, size: size}
	begin := int64(-1) // of a batch's dictionaries
	for {
		found, err := m.next()
		switch {
		case errors.Is(err, io.EOF):
			if begin >= 0 || c.Schema == nil {
				c.Bad = errCut
			}
			return c, nil
		case errors.Is(err, errGarbage), errors.Is(err, errCut):
			c.Bad = err
			return c, nil
		case err != nil:
			return nil, err
		case (found.kind == kindSchema) == (c.Schema != nil):
			c.Bad = errGarbage
			return c, nil
		}
		if begin < 0 {
			begin = found.offset
		}
		switch found.kind {
		case kindSchema:
			if c.Schema, err = readSchema(file, found.end); err != nil {
				c.Bad = errGarbage
				return c, nil //nolint:nilerr // what is wrong with the content is no error
			}
			c.Begin, begin = found.end, -1
		case kindBatch:
			c.Batches = append(c.Batches, Batch{begin, found.end, found.rows, found.tag})
			c.Rows += found.rows
			begin = -1
		}
	}
}

func readSchema(file io.ReaderAt, end int64) (schema *arrow.Schema, err error) {
	defer func() {
		if cause := recover(); cause != nil { // arrow-go, on offsets beyond the head
			err = fmt.Errorf("%w: %v", errGarbage, cause)
		}
	}()
	reader, err := ipc.NewReader(io.NewSectionReader(file, 0, end))
	if err != nil {
		return nil, err
	}
	defer reader.Release()
	return reader.Schema(), nil
}

// decodeAll finds the batches that do not stand for a request: this also looks at each offset.
func (c *Content) decodeAll(file io.ReaderAt, s otlp.Signal) {
	var body []byte
	for i := range c.Batches {
		batch, err := c.read(file, i)
		if err == nil {
			body, err = encode.Batch(body[:0], s, batch)
			batch.Release()
		}
		if err != nil {
			c.Broken = append(c.Broken, i)
		}
	}
}

// read decodes one batch. Each stands by itself: its dictionaries are in front of it.
func (c *Content) read(file io.ReaderAt, i int) (arrow.RecordBatch, error) {
	return readBatch(file, c.Begin, c.Batches[i])
}

// readBatch decodes a batch of a stream whose schema ends at begin.
func readBatch(file io.ReaderAt, begin int64, b Batch) (batch arrow.RecordBatch, err error) {
	defer func() {
		if cause := recover(); cause != nil { // arrow-go, on offsets beyond a buffer
			err = fmt.Errorf("%w: %v", errGarbage, cause)
		}
	}()
	stream := io.MultiReader(io.NewSectionReader(file, 0, begin), io.NewSectionReader(file, b.Offset, b.End-b.Offset))
	reader, err := ipc.NewReader(stream, ipc.WithAllocator(Thrift{maxBuffer}))
	if err != nil {
		return nil, err
	}
	defer reader.Release()
	if !reader.Next() {
		return nil, errors.Join(errGarbage, reader.Err())
	}
	batch = reader.RecordBatch()
	if batch.NumRows() != b.Rows {
		return nil, errGarbage
	}
	batch.Retain()
	return batch, nil
}
