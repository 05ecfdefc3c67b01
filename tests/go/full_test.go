//go:build linux

package blackbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// TestFullDisk: on a real file system without room the service refuses with UNAVAILABLE, keeps what
// it acknowledged, and goes on by itself when there is room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("no right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, service(t), dir, "write_interval_secs=1", "files.compression=none")
	send := dialGRPC(t, p.endpoints["otlp_grpc"])
	l := &ledger{acked: map[string]bool{}}
	try := func(name string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := send(ctx, otlparrow.Logs, namedRequest(t, name))
		l.note(name, err == nil)
		return err
	}
	refused := 0
	for i := 0; refused < 20 && i < 5000; i++ {
		if err := try(fmt.Sprintf("filling-%d", i)); err != nil {
			refused++
			if status.Code(err) != codes.Unavailable {
				t.Fatalf("refused with %v, want Unavailable", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if refused == 0 {
		t.Fatal("the disk did not fill")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 100 {
		if err = try("afterwards"); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("with room again: %v", err)
	}
	p.terminate(t)
	l.check(t, dir)
}
