//go:build unix

package receive

import "syscall"

const (
	errInUse   = syscall.EADDRINUSE
	errRefused = syscall.ECONNREFUSED
)

// restrict sets the mode before the socket's file exists, so that nobody slips in
// between bind and chmod. Linux honours it; elsewhere the chmod after has to do.
// Not the umask: that is the whole process's, and the host's.
func restrict(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), socketMode) })
}
