package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// kernelConn is what *net.TCPConn and *net.UnixConn have.
type kernelConn interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// directConn does its own system calls. Waiting, deadlines and closing stay net's.
type directConn struct {
	kernelConn
	raw     syscall.RawConn
	in, out transfer
}

func direct(conn net.Conn) net.Conn {
	below, ok := conn.(kernelConn)
	if !ok {
		return conn
	}
	raw, err := below.SyscallConn()
	if err != nil {
		return conn // it is closed already, and says so
	}
	c := &directConn{kernelConn: below, raw: raw}
	c.in.do, c.out.do = c.in.read, c.out.write
	return c
}

// transfer is a Read or Write that is under way. It is kept for the next one, since a function made for
// each would be allocated.
type transfer struct {
	mu   sync.Mutex // guards the fields below
	do   func(fd uintptr) (done bool)
	left []byte
	n    int
	err  syscall.Errno
}

// run moves bytes, as net waits for the socket to be ready for more.
func (t *transfer) run(ready func(func(fd uintptr) bool) error, b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left, t.n, t.err = b, 0, 0
	err := ready(t.do)
	t.left = nil
	if err == nil && t.err != 0 {
		err = t.err
	}
	return t.n, err
}

// Read is net.Conn's.
func (c *directConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.in.run(c.raw.Read, b)
	switch {
	case err != nil:
		return 0, c.fault("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write is net.Conn's.
func (c *directConn) Write(b []byte) (int, error) {
	n, err := c.out.run(c.raw.Write, b)
	if err != nil {
		return n, c.fault("write", err)
	}
	return n, nil
}

// fault is an error as net tells it.
func (c *directConn) fault(op string, err error) error {
	if inner, ok := errors.AsType[*net.OpError](err); ok { // "raw-read"
		err = inner.Err
	}
	if number, ok := err.(syscall.Errno); ok { //nolint:errorlint // ours, never wrapped
		err = os.NewSyscallError(op, number)
	}
	local := c.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: c.RemoteAddr(), Err: err}
}

// read takes what there is, and is not done as long as that is nothing.
func (t *transfer) read(fd uintptr) bool {
	n, err := readOnce(fd, t.left)
	t.n, t.err = n, err
	return err != syscall.EAGAIN
}

// write is done when everything is written.
func (t *transfer) write(fd uintptr) bool {
	for len(t.left) > 0 {
		n, err := writeOnce(fd, t.left)
		if err != 0 {
			t.err = err
			return err != syscall.EAGAIN
		}
		t.n += n
		t.left = t.left[n:]
	}
	t.err = 0
	return true
}
