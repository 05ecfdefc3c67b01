// Package convert turns files of one format into files of another: OTLP in JSON and in
// protobuf, OTAP, our Arrow streams, and Parquet with the same columns.
//
//	file ─> inflate ─> source ─> OTLP body ─> sink ─> deflate ─> temporary file ─> rename
//
//	otlp_json            documents, mostly one a line:  {"resourceSpans":[...]}\n
//	otlp_proto           each message behind its length in four bytes, big endian, as the
//	                     Collector's file exporter writes it; a message may be a zstd frame
//	                     or a JSON document, as it is there with compression
//	otlp_proto_varint    each message behind its length as a varint
//	otlp_proto_message   one message; as its only field repeats, it is read in parts
//	otap                 BatchArrowRecords messages in the order of their stream, each behind its
//	                     length in four bytes; read also behind varints, and with signals mixed
//	arrow                an Arrow IPC stream with the columns of docs/format.md
//	parquet              the same columns, a row group per batch
//
// Whatever a file is, what passes through is OTLP bodies, so a format is one source and one
// sink in the table of formats.go. At any time there are one message (bounded by MaxMessage),
// what it is in the other form, and one batch or row group of the output in memory.
//
// File may be called by several goroutines; a call uses no others.
package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// DefaultMaxMessage is the largest message, as it is for receivers.
const DefaultMaxMessage = 64 << 20

// Options is what to do; the zero Options guesses.
type Options struct {
	// From and To are formats, "" to guess them from name and content.
	From Format `json:"from"`
	To   Format `json:"to"`
	// Signal is traces, metrics or logs. A file that tells its signal needs none; of one with
	// several signals, such as the Collector writes, only this one is taken.
	Signal string `json:"signal"`
	// Compression of Arrow and Parquet: lz4 (Arrow only), zstd or none; "" for lz4 and zstd.
	Compression string `json:"compression"`
	// Promote are further columns of tables, as for files.promote, schema.MaxPromotions entries at most.
	Promote []string `json:"promote"`
	// Force replaces a destination that is there.
	Force bool `json:"force"`
	// MaxMessage is the largest message in bytes, inflated; 0 for DefaultMaxMessage.
	MaxMessage int64 `json:"max_message_bytes"`
	// Progress is told, at most ten times a second, how many of the input's bytes are read.
	Progress func(done, total int64) `json:"-"`
}

// Result is what was done.
type Result struct {
	From     Format `json:"from"`
	To       Format `json:"to"`
	Signal   string `json:"signal"` // "" where the input had nothing
	Messages int64  `json:"messages"`
	Skipped  int64  `json:"skipped"` // messages of other signals
	Read     int64  `json:"bytes_read"`
	Written  int64  `json:"bytes_written"`
	Lost     Lost   `json:"lost,omitempty"`
}

// unit is a message and where it came from. It is good until the next one is asked for.
type unit struct {
	body   []byte
	signal otlp.Signal
	place  string // for errors: "line 3"
}

// A source gives what an input holds; io.EOF at its end. Errors name their place.
type source interface {
	next() (unit, error)
	close()
}

// A sink takes bodies of one signal.
type sink interface {
	write(body []byte) error
	finish() error
}

// settings is Options after checking.
type settings struct {
	Options
	signal   otlp.Signal
	chosen   bool // the signal was asked for
	promoted []schema.Promotion
}

func (o Options) check() (*settings, error) {
	s := &settings{Options: o}
	var faults []error
	if o.Signal != "" {
		var err error
		if s.signal, err = otlp.ParseSignal(o.Signal); err != nil {
			faults = append(faults, err)
		}
		s.chosen = true
	}
	for _, f := range []Format{o.From, o.To} {
		if _, known := formats()[f]; f != "" && !known {
			faults = append(faults, errFormat(f))
		}
	}
	switch o.Compression {
	case "", "lz4", "zstd", "none":
	default:
		faults = append(faults, fault.New(fault.Config, "", "compression: %q is not one of lz4, zstd, none", o.Compression))
	}
	if s.MaxMessage == 0 {
		s.MaxMessage = DefaultMaxMessage
	}
	if s.MaxMessage < 1 || s.MaxMessage > maxMaxMessage {
		faults = append(faults, fault.New(fault.Config, "", "max_message_bytes: %d is not in 1-%d", o.MaxMessage, maxMaxMessage))
	}
	promoted, wrong := schema.Promotions(o.Promote)
	s.promoted = promoted
	for _, err := range wrong {
		faults = append(faults, fmt.Errorf("promote: %w", err))
	}
	if len(faults) > 0 {
		return nil, &fault.Error{Kind: fault.Config, Op: "convert", Err: errors.Join(faults...)}
	}
	return s, nil
}

// maxMaxMessage keeps a length of four bytes from beginning like a message: see guess.go.
const maxMaxMessage = 128 << 20

// File converts a file. The destination appears whole or not at all. A wrong request is an
// error of kind Config, a damaged input of kind Invalid, and both leave no file behind.
func File(ctx context.Context, disk fsys.FS, src, dst string, o Options) (Result, error) {
	s, err := o.check()
	if err != nil {
		return Result{}, err
	}
	in, err := openInput(disk, src)
	if err != nil {
		return Result{}, ioFault("convert", err)
	}
	defer in.close()
	out, err := createOutput(disk, dst, in.mode, s.Force)
	if err != nil {
		return Result{}, err
	}
	c := &conversion{settings: s, in: in, out: out, src: src, dst: dst}
	if err = c.run(ctx); err == nil {
		err = out.commit()
	}
	if err != nil {
		out.abort()
		return Result{}, err
	}
	return c.result, nil
}

// ioFault is a fault of the disk.
func ioFault(op string, err error) error { return &fault.Error{Kind: fault.IO, Op: op, Err: err} }

// conversion is a call of File.
type conversion struct {
	*settings
	in       *input
	out      *output
	src, dst string
	from, to format
	sink     sink
	result   Result
	told     time.Time
}

// doing is what faults say was being done.
func (c *conversion) doing() string {
	if c.out == nil {
		return "read"
	}
	return "convert"
}

func (c *conversion) run(ctx context.Context) error {
	if err := c.chooseSink(); err != nil {
		return err
	}
	source, err := c.chooseSource()
	c.result.From, c.result.To = c.From, c.To
	if err != nil {
		return err
	}
	defer source.close()
	for {
		if err := ctx.Err(); err != nil {
			return &fault.Error{Kind: fault.Timeout, Op: "convert", Err: err}
		}
		u, err := source.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.take(u)
		}
		if err != nil {
			return c.at(c.src, u.place, err)
		}
		c.tell(false)
	}
	return c.finish()
}

// take hands a message on, if it is of the signal that is converted.
func (c *conversion) take(u unit) error {
	if c.sink == nil && !c.chosen {
		c.signal = u.signal
	}
	switch {
	case u.signal == c.signal:
	case c.chosen:
		c.result.Skipped++
		return nil
	default:
		return fault.New(fault.Config, "", "these are %s, and %s came before: choose a signal", u.signal, c.signal)
	}
	if err := c.openSink(); err != nil {
		return err
	}
	c.result.Messages++
	return c.sink.write(u.body)
}

func (c *conversion) openSink() (err error) {
	if c.sink == nil {
		c.sink, err = c.to.write(c)
		c.result.Signal = c.signal.String()
	}
	return err
}

// finish ends the output, also where nothing was read.
func (c *conversion) finish() error {
	if c.sink == nil && !c.chosen && c.to.table {
		return c.at(c.src, "", fault.New(fault.Config, "", "there is nothing in it that tells its signal: choose one"))
	}
	err := c.openSink()
	if err == nil {
		err = c.sink.finish()
	}
	if err == nil {
		err = c.out.end()
	}
	c.tell(true)
	c.result.Read, c.result.Written = c.in.size, c.out.at
	return c.at(c.dst, "", err)
}

// at names file and place in an error, which keeps its kind.
func (c *conversion) at(file, place string, err error) error {
	if err == nil {
		return nil
	}
	kind := fault.Invalid
	if _, ours := errors.AsType[*fault.Error](err); ours {
		kind = fault.KindOf(err)
	}
	if c.in.fail != nil { // and not what a decoder made of it
		kind, err = fault.IO, c.in.fail
	}
	return &fault.Error{Kind: kind, Op: c.doing() + " " + file, Field: place, Err: err}
}

// interval is how often progress is told.
const interval = 100 * time.Millisecond

func (c *conversion) tell(last bool) {
	if c.Progress == nil {
		return
	}
	if now := time.Now(); last || now.Sub(c.told) >= interval {
		c.told = now
		done := min(c.in.read, c.in.size)
		if last {
			done = c.in.size
		}
		c.Progress(done, c.in.size)
	}
}
