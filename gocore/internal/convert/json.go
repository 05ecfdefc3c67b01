package convert

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlpjson"
)

// documents reads JSON objects that follow each other, each on a line or on several.
type documents struct {
	c      *conversion
	stream *bufio.Reader
	max    int
	line   int // that is being read
	text   []byte
	body   []byte
}

func readJSON(c *conversion) (source, error) {
	return &documents{c: c, stream: c.in.stream, max: int(c.MaxMessage), line: 1}, nil
}

func (d *documents) close() {}

func (d *documents) next() (u unit, err error) {
	if err = d.blank(); err == nil {
		u.place = fmt.Sprintf("line %d", d.line)
		err = d.document()
	} else {
		u.place = fmt.Sprintf("line %d", d.line)
	}
	if err != nil {
		return u, err
	}
	u.signal, d.body, err = d.c.fromJSON(d.body[:0], d.text)
	u.body = d.body
	return u, err
}

// blank passes over what stands between documents.
func (d *documents) blank() error {
	for {
		b, err := d.stream.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return io.EOF
		case err != nil:
			return inputFault(err)
		case b == '\n':
			d.line++
		case b != ' ' && b != '\t' && b != '\r':
			if b != '{' {
				return fmt.Errorf("want a JSON object, found %q", b)
			}
			return d.stream.UnreadByte()
		}
	}
}

// document reads to the brace that closes the one which stands here.
func (d *documents) document() error {
	d.text = d.text[:0]
	var b balance
	for {
		if _, err := d.stream.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the document is cut short")
			}
			return inputFault(err)
		}
		chunk, _ := d.stream.Peek(d.stream.Buffered())
		n, done := b.feed(chunk)
		if len(d.text)+n > d.max {
			return fault.New(fault.TooLarge, "", "a document of more than %d bytes", d.max)
		}
		d.text = append(d.text, chunk[:n]...)
		d.line += countLines(chunk[:n])
		_, _ = d.stream.Discard(n) // it is buffered
		if done {
			return nil
		}
	}
}

func countLines(text []byte) (n int) {
	for _, b := range text {
		if b == '\n' {
			n++
		}
	}
	return n
}

// balance follows braces and texts.
type balance struct {
	depth    int
	inText   bool
	escaping bool
}

// feed takes a part of a document: how much of it belongs to the document, and whether that
// ends there.
func (b *balance) feed(chunk []byte) (n int, done bool) {
	for i, c := range chunk {
		if b.inText {
			switch {
			case b.escaping:
				b.escaping = false
			case c == '\\':
				b.escaping = true
			case c == '"':
				b.inText = false
			}
			continue
		}
		switch c {
		case '"':
			b.inText = true
		case '{', '[':
			b.depth++
		case '}', ']':
			if b.depth--; b.depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(chunk), false
}

// rootNames are the fields that tell a document's signal, in both spellings.
var rootNames = map[string]otlp.Signal{
	"resourceSpans": otlp.Traces, "resourceMetrics": otlp.Metrics, "resourceLogs": otlp.Logs,
	"resource_spans": otlp.Traces, "resource_metrics": otlp.Metrics, "resource_logs": otlp.Logs,
}

// signalOfDocument is what the first known name at the top tells.
func signalOfDocument(text []byte) (s otlp.Signal, names int, ok bool) {
	var b balance
	start, key := 0, true
	for i, c := range text {
		wasText := b.inText
		b.feed(text[i : i+1])
		switch {
		case !wasText && b.inText:
			start = i + 1
		case wasText && !b.inText && b.depth == 1 && key:
			names++
			if s, ok := rootNames[string(text[start:i])]; ok {
				return s, names, true
			}
		case b.inText || b.depth != 1:
		case c == ':':
			key = false
		case c == ',':
			key = true
		}
	}
	return 0, names, false
}

var errNoRoot = errors.New("none of resourceSpans, resourceMetrics and resourceLogs is in it")

// fromJSON appends the body of a document, whose signal it tells.
func (c *conversion) fromJSON(dst, text []byte) (otlp.Signal, []byte, error) {
	signal, names, ok := signalOfDocument(text)
	if !ok {
		if names > 0 {
			return 0, dst, errNoRoot
		}
		signal = c.signal
	}
	if c.chosen && signal != c.signal {
		return signal, dst, nil // it is passed over
	}
	body, err := otlpjson.ToProto(dst, signal, text, otlpjson.Allowance{Limit: c.MaxMessage})
	return signal, body, err
}

// lines writes a document a line.
type lines struct {
	out    io.Writer
	signal otlp.Signal
	line   []byte
}

func writeJSON(c *conversion) (sink, error) { return &lines{out: c.out, signal: c.signal}, nil }

func (l *lines) write(body []byte) (err error) {
	if l.line, err = otlpjson.FromProto(l.line[:0], l.signal, body); err != nil {
		return err
	}
	l.line = append(l.line, '\n')
	_, err = l.out.Write(l.line)
	return err
}

func (l *lines) finish() error { return nil }
