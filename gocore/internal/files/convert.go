package files

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
)

// Outline reads the structure of a stream as Inspect does, of any file and whatever its name.
// Everything up to Content.End may be given to arrow-go: no head is in it that would make
// arrow-go ask for memory without end.
func Outline(file io.ReaderAt, size int64) (*Content, error) { return outline(file, size) }

// Stream makes the bytes of a stream as the data files have it, for others who write such
// files. The end of the stream, a continuation mark and length 0, is left to them.
type Stream struct{ encoder *encoder }

// NewStream takes a compression of the configuration: lz4, zstd or none.
func NewStream(compression string, schema *arrow.Schema) (*Stream, error) {
	e, err := newEncoder(compression, schema)
	if err != nil {
		return nil, err
	}
	return &Stream{e}, nil
}

// Head is what the stream begins with.
func (s *Stream) Head() []byte { return s.encoder.schema }

// Dictionaries are the ids that its dictionaries have.
func (s *Stream) Dictionaries() []int64 { return s.encoder.dictionaries }

// Batch is what a batch adds to it, good until the next call.
func (s *Stream) Batch(batch arrow.RecordBatch) ([]byte, error) {
	return s.encoder.encode("", []arrow.RecordBatch{batch})
}
