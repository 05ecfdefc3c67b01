//go:build race

package socket

import "syscall"

// The race detector takes what is written to a socket as coming before what is read from it, in any
// goroutine of the process. Only syscall's own calls tell it so.

func readOnce(fd uintptr, b []byte) (int, syscall.Errno)  { return call(syscall.Read, fd, b) }
func writeOnce(fd uintptr, b []byte) (int, syscall.Errno) { return call(syscall.Write, fd, b) }

func call(do func(int, []byte) (int, error), fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		n, err := do(int(fd), b)         // as small as all handles
		number, _ := err.(syscall.Errno) //nolint:errorlint // all that syscall gives
		if number != syscall.EINTR {
			return max(n, 0), number
		}
	}
}
