package receive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/socket"
)

// socketMode lets only the node's own user connect to a Unix socket.
const socketMode = 0o600

// listen binds an endpoint; key names its setting in errors.
func listen(key string, at Endpoint) (net.Listener, error) {
	network, address, err := at.network()
	if err == nil && network == "unix" {
		err = removeStale(address)
	}
	if err != nil {
		return nil, unusable(key, err)
	}
	config := net.ListenConfig{}
	if network == "unix" {
		config.Control = restrict
	}
	listener, err := config.Listen(context.Background(), network, address)
	if err != nil {
		return nil, unusable(key, explain(at.Endpoint, err))
	}
	if network == "unix" {
		if err := os.Chmod(address, socketMode); err != nil {
			return nil, unusable(key, errors.Join(err, listener.Close()))
		}
	}
	return socket.Listener{Listener: listener}, nil
}

func unusable(key string, err error) error {
	return &fault.Error{Kind: fault.Config, Op: "listen", Field: key, Err: err}
}

// explain tells the address and the reason without net's words around them.
func explain(endpoint string, err error) error {
	if errors.Is(err, errInUse) {
		return fmt.Errorf("%s is in use by another process or node", endpoint)
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		err = operation.Err
	}
	return fmt.Errorf("%s: %w", endpoint, err)
}

// removeStale removes the socket that a killed process left: a file that is a socket
// and that nobody answers at.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("unix:%s exists and is no socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("unix:%s is in use by another process or node", path)
	}
	if !errors.Is(err, errRefused) {
		return explain("unix:"+path, err)
	}
	return os.Remove(path)
}

// addressOf is a listener's real address in the form that Endpoint takes; "" without one.
func addressOf(listener net.Listener) string {
	if listener == nil {
		return ""
	}
	address := listener.Addr()
	if address.Network() == "unix" {
		return "unix:" + address.String()
	}
	return address.String()
}
