package receive

import (
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestGRPCShutdownDoesNotWaitForStrangers: not for silence, nor for half a handshake.
func TestGRPCShutdownDoesNotWaitForStrangers(t *testing.T) {
	for name, first := range map[string]string{"silence": "", "half": "\x16\x03\x01\x02"} {
		for _, secured := range []bool{false, true} {
			g, creds := newGuarded(t), insecure.NewCredentials()
			if secured {
				creds = credentials.NewTLS(g.withTLS("a").authority.Client())
			}
			rig := g.grpc(t, creds)
			conn, err := net.Dial("tcp", rig.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(first)); err != nil {
				t.Fatal(err)
			}
			if err := rig.export(otlp.Logs, nil); err != nil { // after the stranger, so that one is accepted
				t.Fatal(err)
			}
			start := time.Now()
			shutDown(t, rig)
			if took := time.Since(start); took > handshakeLimit/3 {
				t.Errorf("%s, TLS %v: Shutdown took %v", name, secured, took)
			}
		}
	}
}

func TestHandshakesKeepNoCount(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := newHandshakes(listener)
	defer h.Close()
	accept := func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		accepted, err := h.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return accepted
	}
	failed, served, young := accept(), accept(), accept()
	_ = failed.Close()
	for _, deadline := range []time.Time{time.Now().Add(time.Minute), {}} {
		if err := served.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.open) != 1 {
		t.Errorf("%d are noted, want 1", len(h.open))
	}
	h.end()
	for name, conn := range map[string]net.Conn{"young": young, "late": accept()} {
		if _, err := conn.Write([]byte("x")); err == nil {
			t.Errorf("the %s one is open", name)
		}
	}
	if _, err := served.Write([]byte("x")); err != nil {
		t.Errorf("the served one was closed: %v", err)
	}
	_ = served.Close()
	_ = listener.Close()
	if _, err := h.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}
