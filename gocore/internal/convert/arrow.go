package convert

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// stream reads an Arrow IPC stream. Its messages' heads are looked at first, since arrow-go
// makes room for whatever a head says.
type stream struct {
	reader *ipc.Reader
	bad    error // what stands behind the last whole batch
}

func readArrow(c *conversion) (source, error) {
	content, err := files.Outline(c.in, c.in.size)
	switch {
	case err != nil:
		return nil, ioFault("", err)
	case content.Schema == nil:
		return nil, fmt.Errorf("no Arrow IPC stream: %w", content.Bad)
	}
	signal, err := tableSignal(content.Schema)
	if err != nil {
		return nil, err
	}
	section := io.NewSectionReader(c.in, 0, content.End())
	reader, err := guarded(func() (*ipc.Reader, error) {
		return ipc.NewReader(section, ipc.WithAllocator(thrift))
	})
	if err != nil {
		return nil, err
	}
	s := &stream{reader: reader}
	if content.Bad != nil {
		s.bad = fmt.Errorf("byte %d: %w", content.End(), content.Bad)
	}
	return &rows{batches: s, signal: signal}, nil
}

func (s *stream) nextBatch() (arrow.RecordBatch, error) {
	if s.reader.Next() {
		return s.reader.RecordBatch(), nil
	}
	if err := s.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if s.bad != nil {
		return nil, s.bad
	}
	return nil, io.EOF
}

func (s *stream) close() { s.reader.Release() }

// arrowWriter writes the stream that data files are, but for the journal's tags.
type arrowWriter struct {
	out    io.Writer
	stream *files.Stream
}

// endOfStream is a continuation mark and length 0.
var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

func writeArrow(c *conversion) (sink, error) {
	compression := c.Compression
	if compression == "" {
		compression = "lz4"
	}
	s, err := files.NewStream(compression, schema.Of(c.signal, c.promoted...))
	if err != nil {
		return nil, internal(err)
	}
	if _, err := c.out.Write(s.Head()); err != nil {
		return nil, err
	}
	return newTables(c, &arrowWriter{c.out, s}), nil
}

func (a *arrowWriter) writeBatch(batch arrow.RecordBatch) error {
	encoded, err := a.stream.Batch(batch)
	if err != nil {
		return err
	}
	_, err = a.out.Write(encoded)
	return err
}

func (a *arrowWriter) finish() error {
	_, err := a.out.Write(endOfStream)
	return err
}

// errCompression refuses what a format has not.
func errCompression(name string, f Format) error {
	return fault.New(fault.Config, "", "compression %s is not for %s", name, f)
}
