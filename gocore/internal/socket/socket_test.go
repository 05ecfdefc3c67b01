package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// pair is both ends of a connection, the first one accepted by a Listener.
func pair(t testing.TB, network string) (accepted, dialled net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "socket")
	}
	below, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer below.Close()
	dialled, err = net.Dial(network, below.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialled.Close() })
	accepted, err = Listener{below}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	return accepted, dialled
}

func each(t *testing.T, check func(t *testing.T, accepted, dialled net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			accepted, dialled := pair(t, network)
			check(t, accepted, dialled)
		})
	}
}

// TestBothWays: more than the kernel holds goes through, in both directions at once.
func TestBothWays(t *testing.T) {
	each(t, func(t *testing.T, accepted, dialled net.Conn) {
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		var both sync.WaitGroup
		for from, to := range map[net.Conn]net.Conn{accepted: dialled, dialled: accepted} {
			both.Go(func() {
				if n, err := from.Write(sent); n != len(sent) || err != nil {
					t.Errorf("%d of %d bytes written: %v", n, len(sent), err)
				}
			})
			both.Go(func() {
				got := make([]byte, len(sent))
				if n, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d bytes, the same %v: %v", n, bytes.Equal(got, sent), err)
				}
			})
		}
		both.Wait()
	})
}

// TestWritesStayWhole: those of several goroutines come one after the other.
func TestWritesStayWhole(t *testing.T) {
	each(t, func(t *testing.T, accepted, dialled net.Conn) {
		const size, writers = 1 << 20, 4
		for i := range writers {
			go func() { _, _ = accepted.Write(bytes.Repeat([]byte{byte(i)}, size)) }() // a lack is seen below
		}
		got := make([]byte, size)
		for range writers {
			if _, err := io.ReadFull(dialled, got); err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(got, got[:1]); n != size {
				t.Errorf("%d of %d bytes are of the first's writer", n, size)
			}
		}
	})
}

// TestNothing: no bytes are no call and no end.
func TestNothing(t *testing.T) {
	each(t, func(t *testing.T, accepted, _ net.Conn) {
		for name, do := range map[string]func([]byte) (int, error){"read": accepted.Read, "write": accepted.Write} {
			if n, err := do(nil); n != 0 || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
		}
	})
}

// TestEnds: what was sent before the end is read, then the end.
func TestEnds(t *testing.T) {
	each(t, func(t *testing.T, accepted, dialled net.Conn) {
		if err := accepted.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := dialled.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // as it is
			t.Errorf("dialled: %d, %v", n, err)
		}
		if _, err := dialled.Write([]byte("last")); err != nil {
			t.Fatal(err)
		}
		_ = dialled.Close()
		if got, err := io.ReadAll(accepted); string(got) != "last" || err != nil {
			t.Errorf("accepted: %q, %v", got, err)
		}
	})
}

// TestDeadlines: they end a call that waits, and the next one works again.
func TestDeadlines(t *testing.T) {
	each(t, func(t *testing.T, accepted, dialled net.Conn) {
		check := func(op string, do func([]byte) (int, error), b []byte, want error) {
			t.Helper()
			_, err := do(b)
			told, ok := errors.AsType[*net.OpError](err)
			if !errors.Is(err, want) || !ok || told.Op != op {
				t.Errorf("%s: %v", op, err)
			}
		}
		late := func() { _ = accepted.SetDeadline(time.Now().Add(20 * time.Millisecond)) }
		late()
		check("read", accepted.Read, make([]byte, 1), os.ErrDeadlineExceeded)
		late()
		check("write", accepted.Write, make([]byte, 64<<20), os.ErrDeadlineExceeded)
		_ = accepted.SetDeadline(time.Time{})
		if _, err := dialled.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := accepted.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("after the deadline: %d, %v", n, err)
		}
		time.AfterFunc(20*time.Millisecond, func() { _ = accepted.Close() })
		check("read", accepted.Read, make([]byte, 1), net.ErrClosed)
		check("write", accepted.Write, []byte("x"), net.ErrClosed)
	})
}

// TestGone: a peer that went without reading is told as what it is.
func TestGone(t *testing.T) {
	accepted, dialled := pair(t, "tcp")
	if err := dialled.(*net.TCPConn).SetLinger(0); err != nil { // a reset
		t.Fatal(err)
	}
	_ = dialled.Close()
	for op, do := range map[string]func([]byte) (int, error){"read": accepted.Read, "write": accepted.Write} {
		_, err := do(make([]byte, 1))
		for deadline := time.Now().Add(time.Second); op == "write" && err == nil && time.Now().Before(deadline); {
			_, err = do(make([]byte, 1))
		}
		if told, ok := errors.AsType[*os.SyscallError](err); err != io.EOF && (!ok || told.Syscall != op) { //nolint:errorlint // as it is
			t.Errorf("%s: %v", op, err)
		}
	}
}

// TestOtherConnections are served as they are.
func TestOtherConnections(t *testing.T) {
	own, other := net.Pipe()
	defer own.Close()
	defer other.Close()
	listener := Listener{&fixed{conn: own}}
	if conn, err := listener.Accept(); conn != own || err != nil {
		t.Errorf("%v, %v", conn, err)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
}

// fixed accepts one connection.
type fixed struct {
	net.Listener
	conn net.Conn
}

func (f *fixed) Accept() (net.Conn, error) {
	conn := f.conn
	f.conn = nil
	if conn == nil {
		return nil, net.ErrClosed
	}
	return conn, nil
}
