package receive

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// gRPC's own way to receive buffers a whole message, as long as its prefix says and as long as
// it takes, before any of our code runs. So messages are read from the stream below it, a piece
// at a time, each paid for first:
//
//	flag  size (4 bytes)  data...                      end of stream
//	              |       16379 16384 16384 ... rest
//	              |       each: take from the budget, wait, pack if it came in crumbs
//	              too large: refused before anything is read
//
// docs/decisions/0006-grpc-budget.md has the reasons.

// transportStream is grpc-go's stream below its own framing. It has no public name, but public
// methods, and grpc.ServerTransportStreamFromContext gives it.
type transportStream interface {
	ReadMessageHeader(prefix []byte) error
	Read(n int) (mem.BufferSlice, error)
	RecvCompress() string
	WriteStatus(*status.Status) error
}

func streamOf(ctx context.Context) (transportStream, error) {
	if stream, ok := grpc.ServerTransportStreamFromContext(ctx).(transportStream); ok {
		return stream, nil
	}
	return nil, fault.New(fault.Internal, "receive over gRPC", "this version of grpc-go has another kind of stream")
}

const (
	prefixBytes = 5
	frameBytes  = 16 << 10 // what clients send at a time, hence a piece
	wholeParts  = 2        // buffers of a piece that need no packing
)

// incoming is a message on its way in.
type incoming struct {
	stream  transportStream
	account *account
	buffers *buffers
	limit   int64
	watch   *watchdog

	packed bool
	parts  mem.BufferSlice
	unread *mem.Reader // of a packed message, once it is there
}

// announced is what a prefix tells of its message.
func announced(prefix [prefixBytes]byte, limit int64) (packed bool, size int64, err error) {
	if prefix[0] > 1 {
		return false, 0, fault.New(fault.Invalid, "receive", "a message begins with %d instead of 0 or 1", prefix[0])
	}
	if size = int64(binary.BigEndian.Uint32(prefix[1:])); size > limit {
		return false, 0, tooLarge(limit)
	}
	return prefix[0] == 1, size, nil
}

// message reads what its prefix announces.
func (in *incoming) message(prefix [prefixBytes]byte) error {
	packed, size, err := announced(prefix, in.limit)
	if err != nil {
		return err
	}
	in.packed = packed
	for piece := min(size, frameBytes-prefixBytes); piece > 0; piece = min(size, frameBytes) {
		if err := in.read(int(piece)); err != nil {
			return err
		}
		size -= piece
	}
	return nil
}

// read takes a piece of the message.
func (in *incoming) read(n int) error {
	if err := in.account.take(int64(n)); err != nil {
		return err
	}
	part, err := in.stream.Read(n)
	if err != nil {
		return in.fault(err)
	}
	if len(part) > wholeParts { // a frame has its costs, be it of one byte
		whole := part.MaterializeToBuffer(in.buffers)
		part.Free()
		part = mem.BufferSlice{whole}
	}
	in.parts = append(in.parts, part...)
	in.watch.came(n)
	return nil
}

// fault is why nothing more could be read.
func (in *incoming) fault(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "receive", "the call ended before its message did")
	}
	if !in.watch.stop() {
		return tooSlow()
	}
	return &fault.Error{Kind: fault.Timeout, Op: "receive", Err: err} // the client gave up, or is gone
}

// join gives an uncompressed message in one buffer.
func (in *incoming) join() (mem.Buffer, error) {
	size := int64(in.parts.Len())
	if len(in.parts) > 1 { // for a moment it is there twice
		if err := in.account.take(size); err != nil {
			return nil, err
		}
		defer in.account.give(size)
	}
	whole := in.parts.MaterializeToBuffer(in.buffers)
	in.parts.Free()
	in.parts = nil
	return whole, nil
}

// drain gives a message to a reader that lets go of what it has read: packed and inflated, a
// large one may have no room at once.
func (in *incoming) drain() io.Reader {
	in.unread = in.parts.Reader()
	in.parts.Free() // the reader has its own references
	in.parts = nil
	return in
}

// Read reads what drain left.
func (in *incoming) Read(p []byte) (int, error) {
	n, err := in.unread.Read(p)
	in.account.give(int64(n))
	return n, err
}

func (in *incoming) free() {
	if in.unread != nil {
		_ = in.unread.Close() // which does not fail
	}
	in.parts.Free()
	in.parts = nil
}

func tooSlow() error { return fault.New(fault.Timeout, "receive", "the message came too slowly") }

// watchdog ends a call whose message comes, or goes, too slowly. It is as patient as pacedReader.
type watchdog struct {
	stream transportStream
	grace  time.Duration
	start  time.Time
	slow   error // what it tells

	mu      sync.Mutex // guards the fields below
	timer   *time.Timer
	read    int64
	stopped bool
	bitten  bool
}

func watch(stream transportStream, grace time.Duration) *watchdog {
	return watchFor(tooSlow(), stream, grace, 0)
}

// watchFor is watch of a message of which so many bytes are there already.
func watchFor(slow error, stream transportStream, grace time.Duration, bytes int64) *watchdog {
	w := &watchdog{stream: stream, grace: grace, start: time.Now(), slow: slow, read: bytes}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(grace, w.wake)
	return w
}

func (w *watchdog) came(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read += int64(bytes)
}

// stop ends the watch, and is false when the call was ended before.
func (w *watchdog) stop() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
	return !w.bitten
}

// wake answers for the call, which then finds its stream at an end. gRPC lets any goroutine
// write a status, and the first one counts.
func (w *watchdog) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	if left := time.Until(w.start.Add(patience(w.grace, w.read))); left > 0 {
		w.timer.Reset(left)
		return
	}
	w.bitten = true
	_ = w.stream.WriteStatus(statusOf(w.slow)) // fails when the client is gone
}
