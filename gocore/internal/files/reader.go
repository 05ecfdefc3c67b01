package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Reader gives a data file's messages as they stand, one after the other. It is for one goroutine.
//
//	| schema | dictionary | dictionary | batch | dictionary | ... up to the length that was listed
//	└ Open   └ Next ...                          Batch: the last batch that Next gave, decoded
type Reader struct {
	path     string
	file     fsys.File
	ahead    *window // what the file is read through
	messages messages
	schema   *arrow.Schema
	ids      []int64
	begin    int64 // of the first batch
	batch    Batch // that Next is in, or gave last
	whole    bool  // Next gave its end
}

// Message is a dictionary or a batch in a file.
type Message struct {
	Batch bool
	Rows  int64  // of a batch
	Head  []byte // without its framing; valid until the next message
	Body  int    // bytes

	at int64 // where its body begins
}

// Open opens a file of a list of Files, of which it reads what was there then. Where another
// file has taken its place since, by compaction, that is read to its end: it has the same rows,
// or more of them. An error of fs.ErrNotExist says that the file was removed.
func Open(disk fsys.FS, f File) (*Reader, error) {
	file, err := disk.OpenFile(f.Path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	r := &Reader{path: f.Path, file: file, ahead: &window{file: file}}
	if err := r.start(f); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

func (r *Reader) start(f File) error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	id, err := r.file.ID()
	if err != nil {
		return err
	}
	r.messages = messages{file: r.ahead, size: info.Size()}
	if id == f.ID {
		r.messages.size = min(info.Size(), f.Length)
	}
	found, err := r.messages.next()
	if err == nil && found.kind != kindSchema {
		err = errGarbage
	}
	if err == nil {
		r.ids = dictionaryIDs(r.messages.head)
		r.schema, err = readSchema(r.ahead, found.end)
	}
	r.begin, r.whole = found.end, true
	return r.damage(err)
}

// damage says of what stands in a file where, io.EOF included.
func (r *Reader) damage(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		err = errCut
	}
	return fmt.Errorf("%s is damaged at byte %d, see doctor: %w", r.path, r.messages.at, err)
}

// Schema is the file's.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// Dictionaries are the ids that the file's dictionaries have.
func (r *Reader) Dictionaries() []int64 { return r.ids }

// Next gives the next dictionary or batch; io.EOF behind the last batch.
func (r *Reader) Next() (Message, error) {
	found, err := r.messages.next()
	switch {
	case errors.Is(err, io.EOF) && r.whole:
		return Message{}, io.EOF
	case err == nil && found.kind == kindSchema:
		err = errGarbage
	}
	if err != nil {
		return Message{}, r.damage(err)
	}
	if r.whole {
		r.batch, r.whole = Batch{Offset: found.offset}, false
	}
	m := Message{Head: r.messages.head, Rows: found.rows, Batch: found.kind == kindBatch}
	m.at = found.offset + framing + int64(len(m.Head))
	m.Body = int(found.end - m.at)
	if m.Batch {
		r.batch.End, r.batch.Rows, r.whole = found.end, found.rows, true
	}
	return m, nil
}

// Pass goes on to the next batch that has no statistics, or some that are wanted, and passes over
// those before it. Within a batch it does nothing.
func (r *Reader) Pass(wanted func(Statistics) bool) {
	for r.whole {
		from := r.messages.at
		_, err := r.messages.next()
		r.messages.at = from
		if err != nil {
			return // Next tells it
		}
		s, ok := parseStatistics(lookUp(r.messages.head, schema.StatisticsKey))
		if !ok || s.Bytes > r.messages.size-from || wanted(s) {
			return
		}
		r.messages.at = from + s.Bytes
	}
}

// Copy puts a message's body into memory of its size.
func (r *Reader) Copy(m Message, body []byte) error {
	if n, err := r.ahead.ReadAt(body, m.at); n < m.Body {
		return r.damage(err)
	}
	return nil
}

// Decode decodes the batch that Next gave last.
func (r *Reader) Decode() (arrow.RecordBatch, error) {
	batch, err := readBatch(r.ahead, r.begin, r.batch)
	return batch, r.damage(err)
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Messages hands out the messages in bytes that Stream made, each its head without framing and
// its body.
func Messages(made []byte, take func(head, body []byte) error) error {
	m := &messages{file: bytes.NewReader(made), size: int64(len(made))}
	for m.at < m.size {
		found, err := m.next()
		if err != nil {
			return err
		}
		begin := found.offset + framing
		body := begin + int64(len(m.head))
		if err := take(made[begin:body], made[body:found.end]); err != nil {
			return err
		}
	}
	return nil
}
