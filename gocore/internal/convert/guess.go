package convert

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// chooseSink settles the format that is written.
func (c *conversion) chooseSink() error {
	if c.To == "" {
		c.To = bySuffix(c.dst)
	}
	if c.To == "" {
		return c.at(c.dst, "", fault.New(fault.Config, "", "the name does not tell the format to write: choose one"))
	}
	c.to = formats()[c.To]
	return c.at(c.dst, "", c.out.deflate(c.dst, c.to.table))
}

// chooseSource settles the format that is read, and opens it.
func (c *conversion) chooseSource() (source, error) {
	if err := c.in.inflate(); err != nil {
		return nil, c.at(c.src, "", err)
	}
	if c.From == "" {
		head, err := c.in.stream.Peek(peekSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, c.at(c.src, "", inputFault(err))
		}
		c.From = byContent(head, c.src)
	}
	if c.From == "" {
		return nil, c.at(c.src, "", fault.New(fault.Config, "", "neither name nor content tell the format: choose one"))
	}
	c.from = formats()[c.From]
	source, err := c.from.read(c)
	return source, c.at(c.src, "", err)
}

// plainName is a name without what tells its compression.
func plainName(name string) string {
	name = strings.ToLower(filepath.Base(name))
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
}

func bySuffix(name string) Format {
	suffix := filepath.Ext(plainName(name))
	for f, row := range formats() {
		for _, known := range row.suffixes {
			if known == suffix {
				return f
			}
		}
	}
	return ""
}

const peekSize = 4096

// byContent is the format of what begins with head; the name decides where there is nothing.
func byContent(head []byte, name string) Format {
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(text) == 0:
		return bySuffix(name)
	case bytes.HasPrefix(head, []byte("PAR1")):
		return Parquet
	case bytes.HasPrefix(head, []byte{0xff, 0xff, 0xff, 0xff}):
		return Arrow
	case text[0] == '{':
		return JSON
	}
	if bySuffix(name) == OTAP { // damaged ones look like other protobuf
		return OTAP
	}
	return framing(head)
}

// framing tells the ways apart in which OTLP messages stand in a file. A message begins with
// its only field's tag, 0x0A, and no length in four bytes does so within MaxMessage. A length
// as a varint does where the first message has ten bytes: then the whole must be no message.
func framing(head []byte) Format {
	switch {
	case isMessage(head):
		return ProtoMessage
	case len(head) >= frameHead && isFrame(head):
		return Proto
	case isCapture(head):
		return OTAP
	}
	head = bytes.TrimLeft(head, "\x00") // messages without anything
	if _, n := binary.Uvarint(head); len(head) == 0 || n > 0 && (len(head) == n || head[n] == onlyTag) {
		return ProtoVarint
	}
	return ""
}

// onlyTag is the tag of the only field that a request has.
const onlyTag = 1<<3 | 2

// isMessage follows the fields of a message as far as head goes.
func isMessage(head []byte) bool {
	for len(head) > 0 {
		if head[0] != onlyTag {
			return false
		}
		size, n := binary.Uvarint(head[1:])
		if n < 0 || n == 0 && len(head) > binary.MaxVarintLen64 {
			return false
		}
		if n == 0 || size >= uint64(len(head)-1-n) {
			return true
		}
		head = head[1+n+int(size):]
	}
	return true
}

func isFrame(head []byte) bool {
	size := binary.BigEndian.Uint32(head)
	rest := head[frameHead:]
	switch {
	case size > maxMaxMessage:
		return false
	case size == 0 || len(rest) == 0:
		return size == 0 && (len(rest) < frameHead || isFrame(rest))
	}
	return rest[0] == onlyTag || rest[0] == '{' || bytes.HasPrefix(rest, zstdMagic)
}

// isCapture knows the first batch of an OTAP stream by its fields, which bodies lack: batch_id,
// left out where it is 0, and the payloads.
func isCapture(head []byte) bool {
	size, n := binary.Uvarint(head)
	if !startsVarint(head[0]) && len(head) >= frameHead {
		size, n = uint64(binary.BigEndian.Uint32(head)), frameHead
	}
	return n > 0 && n < len(head) && 0 < size && size <= maxMaxMessage && (head[n] == batchIDTag || head[n] == payloadsTag)
}

const (
	batchIDTag  = 1 << 3 // a varint
	payloadsTag = batchPayloads<<3 | 2
)

// signalByName finds a signal's name in the name of a file, such as otlp_traces_....pb.
func signalByName(name string) (found otlp.Signal, ok bool) {
	name = strings.ToLower(filepath.Base(name))
	for _, s := range otlp.Signals {
		if strings.Contains(name, s.String()) {
			if ok {
				return 0, false
			}
			found, ok = s, true
		}
	}
	return found, ok
}

// protoSignal is the signal of bodies in protobuf, which do not tell it.
func (c *conversion) protoSignal() (otlp.Signal, error) {
	if c.chosen {
		return c.signal, nil
	}
	if s, ok := signalByName(c.src); ok {
		return s, nil
	}
	return 0, fault.New(fault.Config, "", "protobuf does not tell its signal, and the name names none: choose one")
}
