// Package socket accepts connections whose reads and writes the scheduler is not told of.
//
// Go tells it of every system call, since one may block: a thread of the runtime then looks every 20 µs
// whether it does, to give its processor to others. A socket that does not block needs no such guard. Under
// a steady load of small requests that thread was some 30 % of a receiver's CPU.
package socket

import "net"

// Listener accepts such connections; those that are no sockets of the kernel's stay as they are.
type Listener struct{ net.Listener }

// Accept waits for the next connection.
func (l Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return direct(conn), nil
}
