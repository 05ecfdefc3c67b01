package convert

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// frameHead is the length in front of a message of otlp_proto.
const frameHead = 4

var errCut = errors.New("the message is cut short")

// frames reads messages behind their lengths.
type frames struct {
	stream   *bufio.Reader
	max      int64
	length   func(*frames) (uint64, error) // io.EOF only in front of its first byte
	unpack   bool                          // messages may be compressed, or JSON
	signal   otlp.Signal
	told     bool // the signal is known
	offset   int64
	body     []byte
	unpacked []byte
	json     []byte
	decoder  *zstd.Decoder
	c        *conversion
}

func readFrames(c *conversion) (source, error) {
	f := &frames{c: c, stream: c.in.stream, max: c.MaxMessage, length: (*frames).fixed, unpack: true}
	return f, nil
}

func readVarints(c *conversion) (source, error) {
	return &frames{c: c, stream: c.in.stream, max: c.MaxMessage, length: (*frames).varint}, nil
}

func (f *frames) close() {
	if f.decoder != nil {
		f.decoder.Close()
	}
}

// message reads one behind its length, and tells its place.
func (f *frames) message(u *unit) ([]byte, error) {
	u.place = fmt.Sprintf("byte %d", f.offset)
	size, err := f.length(f)
	if err != nil {
		return nil, f.fault(err)
	}
	if size > uint64(f.max) {
		return nil, fault.New(fault.TooLarge, "", "a message of %d bytes, more than %d; or this is another format", size, f.max)
	}
	if f.body, err = readFull(f.stream, f.body[:0], int(size)); err != nil {
		return nil, f.fault(err)
	}
	f.offset += int64(size)
	return f.body, nil
}

func (f *frames) next() (u unit, err error) {
	if u.body, err = f.message(&u); err != nil {
		return u, err
	}
	if f.unpack && bytes.HasPrefix(u.body, zstdMagic) {
		if u.body, err = f.inflate(u.body); err != nil {
			return u, err
		}
	}
	if f.unpack && len(u.body) > 0 && u.body[0] == '{' {
		u.signal, f.json, err = f.c.fromJSON(f.json[:0], u.body)
		u.body = f.json
		return u, err
	}
	if !f.told {
		if f.signal, err = f.c.protoSignal(); err != nil {
			return u, err
		}
		f.told = true
	}
	u.signal = f.signal
	return u, nil
}

func (f *frames) inflate(body []byte) (all []byte, err error) {
	if f.decoder == nil {
		f.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(f.max)))
		if err != nil {
			return nil, err
		}
	}
	f.unpacked, err = f.decoder.DecodeAll(body, f.unpacked[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, fault.New(fault.TooLarge, "", "a message becomes more than %d bytes", f.max)
	}
	return f.unpacked, err
}

// fault tells an end within a message from one between messages.
func (f *frames) fault(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return inputFault(err)
}

func (f *frames) fixed() (uint64, error) {
	var head [frameHead]byte
	n, err := io.ReadFull(f.stream, head[:])
	f.offset += int64(n)
	return uint64(binary.BigEndian.Uint32(head[:])), err
}

func (f *frames) varint() (v uint64, err error) {
	for shift := 0; shift < 64; shift += 7 {
		b, err := f.stream.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && shift > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		f.offset++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, errors.New("a length of more than 10 bytes; or this is another format")
}

// step is how much room is made at once: a length that was made up costs no more.
const step = 1 << 20

// readFull appends n bytes; an end before them is io.ErrUnexpectedEOF.
func readFull(r io.Reader, b []byte, n int) ([]byte, error) {
	for n > 0 {
		part := min(n, max(step, cap(b)-len(b)))
		from := len(b)
		if cap(b)-from < part {
			b = append(make([]byte, 0, min(from+n, 2*from+part)), b...)
		}
		b = b[:from+part]
		if _, err := io.ReadFull(r, b[from:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return b, err
		}
		n -= part
	}
	return b, nil
}

// parts reads one message of any length, some top fields at a time.
type parts struct {
	frames
}

func readMessage(c *conversion) (source, error) {
	signal, err := c.protoSignal()
	p := &parts{frames{c: c, stream: c.in.stream, max: c.MaxMessage, signal: signal}}
	return p, err
}

// enough is the length from which on a part is handed on.
const enough = 1 << 20

func (p *parts) next() (unit, error) {
	u := unit{signal: p.signal, place: fmt.Sprintf("byte %d", p.offset)}
	p.body = p.body[:0]
	for len(p.body) < enough {
		place, before := fmt.Sprintf("byte %d", p.offset), len(p.body)
		err := p.field()
		if errors.Is(err, io.EOF) && before > 0 {
			break
		}
		if err != nil {
			u.place = place
			return u, err
		}
	}
	u.body = p.body
	return u, nil
}

// field appends a field with its tag.
func (p *parts) field() error {
	tag, err := p.varint()
	if err != nil {
		return p.fault(err)
	}
	if tag&7 != 2 {
		return fmt.Errorf("field %d of wire type %d: this is no OTLP message", tag>>3, tag&7)
	}
	size, err := p.varint()
	switch {
	case errors.Is(err, io.EOF):
		return errCut
	case err != nil:
		return p.fault(err)
	case size > uint64(p.max):
		return fault.New(fault.TooLarge, "", "a field of %d bytes, more than %d; or this is another format", size, p.max)
	}
	p.body = binary.AppendUvarint(binary.AppendUvarint(p.body, tag), size)
	p.body, err = readFull(p.stream, p.body, int(size))
	p.offset += int64(size)
	if err != nil {
		return p.fault(err)
	}
	return nil
}

// bodies writes messages as they are, behind what head makes of them.
type bodies struct {
	out  io.Writer
	head func(dst []byte, size int) []byte
	buf  []byte
}

func writeFrames(c *conversion) (sink, error) {
	return &bodies{out: c.out, head: lengthInFour}, nil
}

func lengthInFour(dst []byte, size int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(size))
}

func writeVarints(c *conversion) (sink, error) {
	return &bodies{out: c.out, head: func(dst []byte, size int) []byte { return binary.AppendUvarint(dst, uint64(size)) }}, nil
}

func writeMessage(c *conversion) (sink, error) {
	return &bodies{out: c.out, head: func(dst []byte, _ int) []byte { return dst }}, nil
}

func (b *bodies) write(body []byte) error {
	b.buf = b.head(b.buf[:0], len(body))
	if _, err := b.out.Write(b.buf); err != nil {
		return err
	}
	_, err := b.out.Write(body)
	return err
}

func (b *bodies) finish() error { return nil }
