package receive

import "syscall"

// What Winsock answers; syscall's own names of these are made up on Windows.
const (
	errInUse   = syscall.Errno(10048) // WSAEADDRINUSE
	errRefused = syscall.Errno(10061) // WSAECONNREFUSED
)

// restrict does nothing: a socket has no mode before its file exists.
func restrict(_, _ string, _ syscall.RawConn) error { return nil }
