package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/config"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/forward"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// forwarding adds destinations that are tried often.
func forwarding(c config.Config, addresses ...string) config.Config {
	for i, address := range addresses {
		to := forward.Default()
		to.Name, to.Endpoint, to.TLS.Insecure = "d"+string(rune('0'+i)), address, true
		to.RetryOnFailure.InitialInterval, to.RetryOnFailure.MaxInterval = forward.Duration(5*time.Millisecond), forward.Duration(20*time.Millisecond)
		to.CircuitBreaker.Open, to.Batch.FlushInterval = forward.Duration(20*time.Millisecond), 0
		c.Forwarding = append(c.Forwarding, to)
	}
	return c
}

type drainCodec struct{}

func (drainCodec) Name() string                         { return proto.Name }
func (drainCodec) Marshal(any) (mem.BufferSlice, error) { return nil, nil }
func (drainCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// drain is a destination that counts items, or says that it is busy.
type drain struct {
	address string
	items   atomic.Int64
	busy    atomic.Bool
}

func newDrain(t *testing.T) *drain {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &drain{address: listener.Addr().String()}
	server := grpc.NewServer(grpc.ForceServerCodecV2(drainCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var body []byte
		if err := stream.RecvMsg(&body); err != nil {
			return err
		}
		if s.busy.Load() {
			return status.Error(codes.Unavailable, "busy")
		}
		s.items.Add(int64(forward.Items(otlp.Logs, body)))
		return stream.SendMsg(nil)
	}))
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return s
}

func (s *drain) expect(t *testing.T, items int64) {
	t.Helper()
	for range 1000 {
		if s.items.Load() == items {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d items came, want %d", s.items.Load(), items)
}

// TestForwardsAtEachDurability: what is accepted is in files and at the destination; a stop sends the rest.
func TestForwardsAtEachDurability(t *testing.T) {
	for _, durability := range []string{config.Memory, config.Write, config.Fsync} {
		t.Run(durability, func(t *testing.T) {
			s := newDrain(t)
			c := forwarding(settings(t), s.address)
			c.Durability = durability
			n, err := Start(c, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			s.expect(t, 50)
			if left, err := os.ReadDir(journals(c.OutputDir)); err == nil && len(left) != 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// TestForwardTrouble: a destination that takes nothing degrades a node that stays ready; what it had not had
// the next start sends, and doctor leaves it alone until then.
func TestForwardTrouble(t *testing.T) {
	s := newDrain(t)
	s.busy.Store(true)
	c := forwarding(settings(t), s.address)
	n, err := Start(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		if n.Health().Status == "degraded" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	h := n.Health()
	if !h.Ready || len(h.Reasons) != 1 || !strings.Contains(h.Reasons[0], "destination d0 takes nothing at present") {
		t.Errorf("%+v", h)
	}
	if err := n.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	dead, err := filepath.Glob(filepath.Join(journals(c.OutputDir), "*.forward-d0.cursor"))
	if err != nil || len(dead) != 1 {
		t.Fatalf("%v, %v", dead, err)
	}
	writer, _, _ := strings.Cut(filepath.Base(dead[0]), ".")
	journal := filepath.Join(journals(c.OutputDir), writer)
	if err := Adopt(fsys.OS{}, &c, journal, slog.New(slog.DiscardHandler)); !errors.Is(err, errWanted) {
		t.Errorf("who has no node is told %v", err)
	}
	s.busy.Store(false)
	next := start(t, c)
	s.expect(t, 20)
	// The journal goes first, and then its cursors: the last thing to go tells that all did.
	if left := remains(t, journal+"*"); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	all, err := next.Files(t.Context(), otlp.Logs)
	if err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	s.expect(t, 20)
}

// remains are the files of a pattern that do not go within five seconds.
func remains(t *testing.T, pattern string) (left []string) {
	t.Helper()
	for range 1000 {
		var err error
		if left, err = filepath.Glob(pattern); err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return left
}

// TestForwardGoneFromSettings: what nobody is to get any more is given up, and told.
func TestForwardGoneFromSettings(t *testing.T) {
	c := forwarding(settings(t), "127.0.0.1:9")
	n, err := Start(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Accept(t.Context(), otlp.Logs, logRequest(t, "1")); err != nil {
		t.Fatal(err)
	}
	if err := n.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.Forwarding = nil
	var text bytes.Buffer
	next, err := Start(c, slog.New(slog.NewTextHandler(&text, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "nothing is forwarded any more") {
		t.Errorf("the log says %s", text.String())
	}
	if left, err := os.ReadDir(journals(c.OutputDir)); err != nil || len(left) != 0 {
		t.Errorf("%v, %v is left", left, err)
	}
}

// TestForwardUnusable: nothing is left of a node whose destination cannot be opened.
func TestForwardUnusable(t *testing.T) {
	c := forwarding(settings(t), "127.0.0.1:9", "127.0.0.1:9")
	c.Forwarding[1].TLS.Insecure, c.Forwarding[1].TLS.CAFile = false, "/nowhere"
	if _, err := Start(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "forwarding[1].tls.ca_file") {
		t.Errorf("%v", err)
	}
}
