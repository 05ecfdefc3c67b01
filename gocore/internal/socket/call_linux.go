//go:build !race

package socket

import (
	"syscall"
	"unsafe"
)

func readOnce(fd uintptr, b []byte) (int, syscall.Errno)  { return call(syscall.SYS_READ, fd, b) }
func writeOnce(fd uintptr, b []byte) (int, syscall.Errno) { return call(syscall.SYS_WRITE, fd, b) }

// call does a system call that does not block, again if a signal came between.
func call(number, fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		n, _, err := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch err {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}
