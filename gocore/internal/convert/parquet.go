package convert

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// groups reads a Parquet file, some rows at a time.
type groups struct {
	file   *file.Reader
	reader pqarrow.RecordReader
	batch  arrow.RecordBatch
}

func readParquet(c *conversion) (source, error) {
	g := &groups{}
	r, err := guarded(func() (*rows, error) { return g.open(c) })
	if err != nil {
		g.close()
		return nil, err
	}
	return r, nil
}

// readRows is how many rows are read at once.
const readRows = 8 * bodyRows

func (g *groups) open(c *conversion) (_ *rows, err error) {
	mem := thrift
	props := parquet.NewReaderProperties(mem)
	props.BufferedStreamEnabled = true // pages, and not whole row groups, are in memory
	if g.file, err = file.NewParquetReader(io.NewSectionReader(c.in, 0, c.in.size), file.WithReadProps(props)); err != nil {
		return nil, err
	}
	reader, err := pqarrow.NewFileReader(g.file, pqarrow.ArrowReadProperties{BatchSize: readRows}, mem)
	if err != nil {
		return nil, err
	}
	described, err := reader.Schema()
	if err != nil {
		return nil, err
	}
	signal, err := tableSignal(described)
	if err != nil {
		return nil, err
	}
	if g.reader, err = reader.GetRecordReader(context.Background(), nil, nil); err != nil {
		return nil, err
	}
	return &rows{batches: g, signal: signal}, nil
}

func (g *groups) nextBatch() (arrow.RecordBatch, error) {
	g.forget()
	if g.reader.Next() {
		g.batch = whole(g.reader.RecordBatch())
		return g.batch, nil
	}
	if err := g.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return nil, io.EOF
}

func (g *groups) forget() {
	if g.batch != nil {
		g.batch.Release()
		g.batch = nil
	}
}

func (g *groups) close() {
	g.forget()
	if g.reader != nil {
		g.reader.Release()
	}
	if g.file != nil {
		_ = g.file.Close() // of what was only read
	}
}

// parquetWriter writes a row group per batch.
type parquetWriter struct{ writer *pqarrow.FileWriter }

func writeParquet(c *conversion) (sink, error) {
	codec := compress.Codecs.Zstd
	switch c.Compression {
	case "none":
		codec = compress.Codecs.Uncompressed
	case "lz4":
		return nil, errCompression(c.Compression, Parquet) // few readers have lz4_raw
	}
	props := parquet.NewWriterProperties(parquet.WithCompression(codec), parquet.WithDictionaryDefault(true),
		parquet.WithVersion(parquet.V2_LATEST), parquet.WithMaxRowGroupLength(1<<62), parquet.WithCreatedBy("otlp-arrow"))
	// The writer would close what it writes to.
	out := struct{ io.Writer }{c.out}
	w, err := pqarrow.NewFileWriter(schema.Of(c.signal, c.promoted...), out, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return nil, internal(err)
	}
	return newTables(c, &parquetWriter{w}), nil
}

func (p *parquetWriter) writeBatch(batch arrow.RecordBatch) error { return p.writer.Write(batch) }

func (p *parquetWriter) finish() error { return p.writer.Close() }
