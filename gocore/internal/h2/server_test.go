package h2

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// shutDown begins one, and gives what it returns.
func (r *rig) shutDown(ctx context.Context) chan error {
	_ = r.listener.Close()
	done := make(chan error, 1)
	go func() { done <- r.server.Shutdown(ctx) }()
	return done
}

// farewell waits for the first half of one.
func (p *peer) farewell() {
	p.Helper()
	p.goAway(http2.ErrCodeNo)
	if got := p.goAways[0].LastStreamID; got != windowMost {
		p.Errorf("the first farewell says %d", got)
	}
}

// left waits for the second half.
func (p *peer) left(newest uint32) {
	p.Helper()
	p.until("a second farewell", func() bool { return len(p.goAways) > 1 })
	if got := p.goAways[1].LastStreamID; got != newest {
		p.Errorf("the second farewell says %d, want %d", got, newest)
	}
}

func TestShutdownIdle(t *testing.T) {
	r := start(t, &service{}, nil)
	p := r.dial()
	p.export(1, "x")
	p.status(1, "0")
	done := r.shutDown(context.Background())
	p.farewell()
	p.left(1)
	p.call(3, exportPath, false)
	p.reset(3, http2.ErrCodeRefusedStream)
	p.ok(p.Close())
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// TestShutdownWaits for calls, also for those that were on their way.
func TestShutdownWaits(t *testing.T) {
	for name, change := range map[string]func(*Options){"together": nil, "apart": func(o *Options) { o.Apart = true }} {
		t.Run(name, func(t *testing.T) {
			end, release := blocking()
			defer release()
			r := start(t, &service{end: end}, change)
			p := r.dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
			p.export(1, "block")
			p.call(3, otherPath, false)
			p.ping("")
			done := r.shutDown(context.Background())
			p.farewell()
			p.export(5, "on its way") // before the farewell's ping is answered
			p.left(5)
			p.status(5, "0")
			p.data(3, true, "late")
			p.status(3, "0")
			release()
			p.status(1, "0")
			p.gone()
			if err := <-done; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
	}
}

// TestShutdownOfOneWhoIsSilent: who does not answer a farewell has heard it anyway.
func TestShutdownOfOneWhoIsSilent(t *testing.T) {
	r := start(t, &service{}, func(o *Options) { o.Tick = 20 * time.Millisecond })
	p := r.dial()
	p.export(1, "x")
	p.status(1, "0")
	done := r.shutDown(context.Background())
	for len(p.goAways) < 2 {
		frame, err := p.frames.ReadFrame()
		p.ok(err)
		if f, ok := frame.(*http2.GoAwayFrame); ok {
			p.goAways = append(p.goAways, *f)
		}
	}
	p.left(1)
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownForced(t *testing.T) {
	s := &service{end: func(ctx context.Context, _ []byte) *Status { <-ctx.Done(); return nil }}
	r := start(t, s, nil)
	p := r.dial()
	p.export(1, "x")
	p.call(3, exportPath, false)
	p.call(5, "/test/Stuck", false)
	p.ping("")
	ctx, cancel := context.WithCancel(context.Background())
	done := r.shutDown(ctx)
	p.farewell()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	p.gone()
	s.check(t)
}

func TestServeAfterShutdown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := New(testOptions(&service{}), nil)
	if err := server.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := server.Serve(listener); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// accepts is a listener that gives these errors.
type accepts struct {
	net.Listener
	errs []error
}

func (a *accepts) Accept() (net.Conn, error) {
	err := a.errs[0]
	a.errs = a.errs[1:]
	return nil, err
}

type temporary struct{ error }

func (temporary) Temporary() bool { return true }

func TestServeOutlivesWantOfHandles(t *testing.T) {
	broken := errors.New("broken")
	for _, want := range []error{nil, broken} {
		last := want
		if last == nil {
			last = net.ErrClosed
		}
		server := New(testOptions(&service{}), nil)
		err := server.Serve(&accepts{errs: []error{temporary{errors.New("none left")}, temporary{errors.New("none left")}, last}})
		if err != want { //nolint:errorlint // the very same
			t.Errorf("Serve: %v, want %v", err, want)
		}
		if err := server.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}
}

// secured is a server's configuration, and a client's.
func secured(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}}
	return server, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{"h2"}}
}

func TestTLS(t *testing.T) {
	config, client := secured(t)
	s := &service{}
	r := start(t, s, func(o *Options) {
		o.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS == nil || r.TLS.NegotiatedProtocol != "h2" {
				w.WriteHeader(http.StatusTeapot)
			}
		})
	}, config)
	conn, err := tls.Dial("tcp", r.listener.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, conn)
	p.greet()
	p.export(1, "x")
	p.status(1, "0")
	p.call(3, otherPath, true)
	if got := p.answer(3).headers[":status"]; got != "200" {
		t.Errorf("status %s: TLS is not told of", got)
	}
	p.call(2, exportPath, true)
	p.goAway(http2.ErrCodeProtocol)
	p.gone()
}

func TestTLSWithoutALPN(t *testing.T) {
	config, client := secured(t)
	client.NextProtos = nil
	r := start(t, &service{}, nil, config)
	conn, err := tls.Dial("tcp", r.listener.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	newPeer(t, conn).gone()
}

// TestHandshakeHasALimit: of silence, of half of TLS, and of half of HTTP/2.
func TestHandshakeHasALimit(t *testing.T) {
	config, _ := secured(t)
	for name, c := range map[string]struct {
		config *tls.Config
		first  string
	}{
		"silence": {nil, ""}, "half a preface": {nil, http2.ClientPreface[:5]}, "half the settings": {nil, http2.ClientPreface + "\x00\x00"},
		"TLS's silence": {config, ""}, "half of TLS": {config, "\x16\x03\x01\x02"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, &service{}, func(o *Options) { o.Handshake = 20 * time.Millisecond }, c.config)
			p := r.dialRaw()
			p.must(io.WriteString(p.Conn, c.first))
			if _, err := io.Copy(io.Discard, p.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays")
			}
		})
	}
}

// TestDeafOverTLS: one that does not read is cut off without a word, for there is nowhere to put it.
func TestDeafOverTLS(t *testing.T) {
	config, client := secured(t)
	r := start(t, &service{}, func(o *Options) { o.PingTimeout = 100 * time.Millisecond }, config)
	conn, err := tls.Dial("tcp", r.listener.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, conn)
	p.greet()
	fillUp(t, r, p)
	eventually(t, "it is let go", func() bool { return len(r.server.all()) == 0 })
}
