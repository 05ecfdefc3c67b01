package receive

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs/obstest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure/securetest"
)

const longEnough = time.Minute // for files to be looked at again

// guarded is a receiver's surroundings in these tests.
type guarded struct {
	securetest.Dir
	clock     *securetest.Clock
	log       *obstest.Log
	authority *securetest.Authority
	clients   *securetest.Authority
	at        Endpoint
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	return &guarded{
		Dir: securetest.NewDir(t), clock: securetest.NewClock(), log: &obstest.Log{},
		authority: securetest.NewAuthority(t), clients: securetest.NewAuthority(t),
		at: Endpoint{Enabled: true, Endpoint: "127.0.0.1:0"},
	}
}

// withTLS gives the listener a certificate of that name.
func (g *guarded) withTLS(name string) *guarded {
	pair := g.authority.Pair(name)
	g.at.TLS.CertFile, g.at.TLS.KeyFile = g.Write("cert.pem", pair.Cert), g.Write("key.pem", pair.Key)
	return g
}

// withMutualTLS asks clients for certificates, too.
func (g *guarded) withMutualTLS() *guarded {
	g.withTLS("server").at.TLS.ClientCAFile = g.Write("ca.pem", g.clients.PEM())
	return g
}

func (g *guarded) withKeys() *guarded {
	g.at.Auth = secure.KeyConfig{
		APIKeys: secure.Secrets([]string{"key-1", "key-2"}), BearerTokens: secure.Secrets([]string{"token-1"}),
		BearerTokensFile: g.Write("tokens", "token-2\n"),
	}
	return g
}

func (g *guarded) grpc(t *testing.T, creds credentials.TransportCredentials, options ...grpc.DialOption) *grpcRig {
	t.Helper()
	rig := &grpcRig{fake: &fake{}, admission: NewAdmission(testLimits().MaxInflightBytes)}
	config := DefaultGRPC()
	config.Endpoint = g.at
	rig.GRPC = NewGRPC(config, testLimits(), rig.admission, rig.fake, g.log.Logger())
	rig.clock = g.clock.Now
	mustListen(t, rig)
	rig.Serve()
	conn, err := grpc.NewClient(rig.Addr(), append(options, grpc.WithTransportCredentials(creds), grpc.WithDisableRetry())...)
	if err != nil {
		t.Fatal(err)
	}
	rig.conn = conn
	t.Cleanup(func() {
		expectFree(t, rig.admission)
		_ = conn.Close()
		shutDown(t, rig)
		g.expectCalm(t)
	})
	return rig
}

func (g *guarded) http(t *testing.T, client *tls.Config, origins ...string) *httpRig {
	t.Helper()
	rig := &httpRig{fake: &fake{}, admission: NewAdmission(testLimits().MaxInflightBytes)}
	config := HTTPConfig{Endpoint: g.at, CORSAllowedOrigins: origins}
	rig.HTTP = NewHTTP(config, testLimits(), rig.admission, rig.fake, g.log.Logger())
	rig.clock = g.clock.Now
	mustListen(t, rig)
	rig.Serve()
	rig.client = rig.newClient(t, client, true)
	t.Cleanup(func() {
		expectFree(t, rig.admission)
		shutDown(t, rig)
		g.expectCalm(t)
	})
	return rig
}

func (r *httpRig) newClient(t *testing.T, config *tls.Config, http2 bool) *http.Client {
	t.Helper()
	r.scheme = "http"
	if config != nil {
		r.scheme = "https"
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!http2 || config == nil)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: config, Protocols: protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// expectCalm: what strangers do is no error of ours.
func (g *guarded) expectCalm(t *testing.T) {
	t.Helper()
	if g.log.Count("level=ERROR")+g.log.Count("level=WARN") != 0 {
		t.Errorf("the log is\n%s", g.log)
	}
}

// credentialsTable is what a request may carry, and whether it passes.
var credentialsTable = []struct {
	name    string
	headers []string
	passes  bool
}{
	{"API key", []string{"X-API-Key", "key-2"}, true},
	{"token", []string{"Authorization", "Bearer token-1"}, true},
	{"token of the file", []string{"Authorization", "bearer token-2"}, true},
	{"a wrong key and a good token", []string{"X-API-Key", "nope", "Authorization", "Bearer token-2"}, true},
	{"nothing", nil, false},
	{"wrong key", []string{"X-API-Key", "hush"}, false},
	{"wrong token", []string{"Authorization", "Bearer hush"}, false},
	{"the token as key", []string{"X-API-Key", "token-1"}, false},
	{"the key as token", []string{"Authorization", "Bearer key-1"}, false},
	{"a good key after a wrong one", []string{"X-API-Key", "hush", "X-API-Key", "key-1"}, false},
	{"another scheme", []string{"Authorization", "Basic token-1"}, false},
}

func TestGRPCKeys(t *testing.T) {
	rig := newGuarded(t).withKeys().grpc(t, insecure.NewCredentials())
	for _, tt := range credentialsTable {
		for _, signal := range otlp.Signals {
			err := rig.exportWith(t.Context(), signal, []byte("abc"), tt.headers...)
			if tt.passes {
				expectCode(t, err, codes.OK)
				rig.fake.take(t)
				continue
			}
			expectCode(t, err, codes.Unauthenticated)
			rig.fake.expectNone(t)
			if text := err.Error(); strings.Contains(text, "hush") || !strings.Contains(text, "want X-API-Key: KEY or Authorization: Bearer TOKEN") {
				t.Errorf("%s: %s", tt.name, text)
			}
		}
	}
	if got := rig.guard.keys.Refused(); got != 7*int64(len(otlp.Signals)) {
		t.Errorf("%d refusals are counted", got)
	}
}

func (r *grpcRig) exportWith(ctx context.Context, signal otlp.Signal, body []byte, headers ...string) error {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, headers...), 10*time.Second)
	defer cancel()
	var reply []byte
	return r.conn.Invoke(ctx, "/"+signal.GRPCService()+"/Export", &body, &reply, grpc.ForceCodecV2(wireCodec{}))
}

// TestGRPCRefusesBeforeTheMessage: what comes without a key is neither waited for nor inflated.
func TestGRPCRefusesBeforeTheMessage(t *testing.T) {
	g := newGuarded(t).withKeys()
	rig := g.grpc(t, insecure.NewCredentials(), grpc.WithCompressor(wireCompressor{codingGzip})) //nolint:staticcheck // see acceptGzip
	for _, method := range []string{"/" + otlp.Logs.GRPCService() + "/Export", "/x.Service/Export", "/grpc.health.v1.HealthX/Check"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		stream, err := rig.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method, grpc.ForceCodecV2(wireCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		var reply []byte
		expectCode(t, stream.RecvMsg(&reply), codes.Unauthenticated) // nothing but the headers was sent
		cancel()
	}
	expectCode(t, rig.exportWith(t.Context(), otlp.Logs, []byte("no gzip")), codes.Unauthenticated)
	expectCode(t, rig.exportWith(t.Context(), otlp.Logs, make([]byte, 2*testLimits().MaxRequestBytes)), codes.Unauthenticated)
	expectCode(t, rig.exportWith(t.Context(), otlp.Logs, []byte("no gzip"), "x-api-key", "key-1"), codes.InvalidArgument)
	rig.fake.expectNone(t)
	expectCode(t, rig.exportWith(t.Context(), otlp.Logs, packed(t, codingGzip, []byte("abc")), "x-api-key", "key-1"), codes.OK)
	if got := rig.fake.take(t); got.body != "abc" {
		t.Errorf("accepted %q", got.body)
	}
}

func TestGRPCHealthNeedsNoKey(t *testing.T) {
	rig := newGuarded(t).withKeys().grpc(t, insecure.NewCredentials())
	answer, err := healthpb.NewHealthClient(rig.conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestGRPCTLS(t *testing.T) {
	for name, tt := range map[string]struct {
		server func(*guarded) *guarded
		client func(*guarded) *tls.Config
		want   codes.Code
	}{
		"trusted":            {func(g *guarded) *guarded { return g.withTLS("a") }, func(g *guarded) *tls.Config { return g.authority.Client() }, codes.OK},
		"not trusted":        {func(g *guarded) *guarded { return g.withTLS("a") }, func(g *guarded) *tls.Config { return g.clients.Client() }, codes.Unavailable},
		"plaintext":          {func(g *guarded) *guarded { return g.withTLS("a") }, func(*guarded) *tls.Config { return nil }, codes.Unavailable},
		"mutual":             {(*guarded).withMutualTLS, func(g *guarded) *tls.Config { return g.authority.Client(g.clients.Pair("c")) }, codes.OK},
		"no certificate":     {(*guarded).withMutualTLS, func(g *guarded) *tls.Config { return g.authority.Client() }, codes.Unavailable},
		"another's":          {(*guarded).withMutualTLS, func(g *guarded) *tls.Config { return g.authority.Client(g.authority.Pair("c")) }, codes.Unavailable},
		"TLS where is none":  {func(g *guarded) *guarded { return g }, func(g *guarded) *tls.Config { return g.authority.Client() }, codes.Unavailable},
		"TLS without a key":  {func(g *guarded) *guarded { return g.withTLS("a").withKeys() }, func(g *guarded) *tls.Config { return g.authority.Client() }, codes.Unauthenticated},
		"both without a key": {func(g *guarded) *guarded { return g.withMutualTLS().withKeys() }, func(g *guarded) *tls.Config { return g.authority.Client(g.clients.Pair("c")) }, codes.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded(t)
			tt.server(g)
			creds := insecure.NewCredentials()
			if config := tt.client(g); config != nil {
				creds = credentials.NewTLS(config)
			}
			rig := g.grpc(t, creds)
			expectCode(t, rig.exportWith(t.Context(), otlp.Traces, []byte("abc")), tt.want)
			if tt.want == codes.Unauthenticated {
				expectCode(t, rig.exportWith(t.Context(), otlp.Traces, []byte("abc"), "authorization", "Bearer token-2"), codes.OK)
			}
		})
	}
}

func TestHTTPKeys(t *testing.T) {
	rig := newGuarded(t).withKeys().http(t, nil)
	for _, tt := range credentialsTable {
		for _, mediaType := range []string{protobufType, jsonType} {
			a := rig.post(t, []byte("{}"), append([]string{"Content-Type", mediaType}, tt.headers...)...)
			if tt.passes {
				a.expect(t, 200, mediaType)
				rig.fake.take(t)
				continue
			}
			told := a.expect(t, 401, mediaType)
			rig.fake.expectNone(t)
			if codes.Code(told.GetCode()) != codes.Unauthenticated || strings.Contains(a.body, "hush") {
				t.Errorf("%s: %v", tt.name, told)
			}
			if got := strings.Join(a.header.Values("WWW-Authenticate"), ", "); got != `ApiKey realm="otlp", header="X-API-Key", Bearer realm="otlp"` {
				t.Errorf("WWW-Authenticate: %s", got)
			}
		}
	}
}

// TestHTTPRefusesBeforeAnythingElse: not even a path, a method or a media type is told.
func TestHTTPRefusesBeforeAnythingElse(t *testing.T) {
	rig := newGuarded(t).withKeys().http(t, nil)
	rig.do(t, "POST", "/v1/nothing", nil).expect(t, 401, jsonType)
	rig.do(t, "GET", "/v1/traces", nil, "Content-Type", protobufType).expect(t, 401, protobufType)
	rig.post(t, []byte("x"), "Content-Type", "text/plain").expect(t, 401, jsonType)
	rig.post(t, []byte("no gzip"), "Content-Type", protobufType, "Content-Encoding", codingGzip).expect(t, 401, protobufType)
	body := packed(t, codingGzip, []byte("abc"))
	rig.post(t, body, "Content-Type", protobufType, "Content-Encoding", codingGzip, "X-API-Key", "key-1").expect(t, 200, protobufType)
	if got := rig.fake.take(t); got.body != "abc" {
		t.Errorf("accepted %q", got.body)
	}
	conn := rig.dial(t)
	conn.send(t, rawPost+"Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n")
	if got := conn.read(t); got != 401 {
		t.Errorf("%d before the body was sent, want 401", got)
	}
	conn = rig.dial(t)
	conn.send(t, rawPost+"Content-Length: 3\r\n\r\nabc")
	if got := conn.read(t); got != 401 {
		t.Errorf("%d, want 401", got)
	}
	conn.send(t, rawPost+"X-Api-Key: key-1\r\nContent-Length: 3\r\n\r\nabc")
	if got := conn.read(t); got != 200 {
		t.Errorf("%d on the same connection with a key", got)
	}
}

func TestHTTPPreflightNeedsNoKey(t *testing.T) {
	rig := newGuarded(t).withKeys().http(t, nil, "https://shop.example")
	a := rig.do(t, "OPTIONS", "/v1/traces", nil, "Origin", "https://shop.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,x-api-key")
	if a.code != 204 || a.header.Get("Access-Control-Allow-Headers") != "authorization,x-api-key" {
		t.Error(a)
	}
	a = rig.post(t, []byte("{}"), "Content-Type", jsonType, "Origin", "https://shop.example")
	a.expect(t, 401, jsonType)
	if a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Error("the page cannot see why it was refused")
	}
	rig.do(t, "OPTIONS", "/v1/traces", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST").expect(t, 401, jsonType)
	rig.do(t, "OPTIONS", "/v1/traces", nil, "Origin", "https://shop.example").expect(t, 401, jsonType)
}

func TestHTTPTLS(t *testing.T) {
	g := newGuarded(t).withTLS("a").withKeys()
	rig := g.http(t, g.authority.Client())
	for _, http2 := range []bool{true, false} {
		rig.client = rig.newClient(t, g.authority.Client(), http2)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+rig.Addr()+"/v1/logs", strings.NewReader("abc"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", protobufType)
		request.Header.Set("Authorization", "Bearer token-1")
		response, err := rig.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || response.ProtoMajor == 2 != http2 {
			t.Errorf("%s %s, HTTP/2: %v", response.Proto, response.Status, http2)
		}
		rig.fake.take(t)
		rig.post(t, []byte("abc")).expect(t, 401, protobufType)
	}
	rig.client = rig.newClient(t, g.clients.Client(), true)
	if response, err := rig.client.Post("https://"+rig.Addr()+"/v1/logs", protobufType, nil); err == nil {
		t.Errorf("a client that does not trust the authority gets %s", response.Status)
	}
}

func TestHTTPMutualTLS(t *testing.T) {
	g := newGuarded(t).withMutualTLS()
	rig := g.http(t, g.authority.Client(g.clients.Pair("c")))
	rig.post(t, []byte("abc")).expect(t, 200, protobufType)
	for _, pairs := range [][]securetest.Pair{nil, {g.authority.Pair("c")}} {
		for _, http2 := range []bool{true, false} {
			rig.client = rig.newClient(t, g.authority.Client(pairs...), http2)
			if response, err := rig.client.Post("https://"+rig.Addr()+"/v1/logs", protobufType, nil); err == nil {
				t.Errorf("a client without a good certificate gets %s", response.Status)
			}
		}
	}
}

// TestStrangersDoNotDisturb: silence and plaintext on a TLS port hold nobody else up, and
// plaintext is not left waiting.
func TestStrangersDoNotDisturb(t *testing.T) {
	g := newGuarded(t).withTLS("a")
	overGRPC, overHTTP := g.grpc(t, credentials.NewTLS(g.authority.Client())), g.http(t, g.authority.Client())
	for name, address := range map[string]string{"gRPC": overGRPC.Addr(), "HTTP": overHTTP.Addr()} {
		var silent []net.Conn
		for range 20 {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			silent = append(silent, conn)
		}
		for _, text := range []string{rawPost + "Content-Length: 3\r\n\r\nabc", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\xff\xff" + strings.Repeat("x", 1000)} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(conn, text)
			answer, err := io.ReadAll(conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %.20q is left waiting", name, text)
			}
			if name == "HTTP" && strings.HasPrefix(text, "POST") && !bytes.HasPrefix(answer, []byte("HTTP/1.0 400")) {
				t.Errorf("HTTP: %.20q gets %q", text, answer)
			}
			_ = conn.Close()
		}
		start := time.Now()
		expectCode(t, overGRPC.exportWith(t.Context(), otlp.Traces, []byte("abc")), codes.OK)
		overHTTP.post(t, []byte("abc")).expect(t, 200, protobufType)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: an export beside strangers took %v", name, took)
		}
		for _, conn := range silent {
			_ = conn.Close()
		}
	}
}

func TestReceiversFollowTheirFiles(t *testing.T) {
	g := newGuarded(t).withTLS("first").withKeys()
	overGRPC, overHTTP := g.grpc(t, credentials.NewTLS(g.authority.Client())), g.http(t, g.authority.Client())
	expect := func(passes bool) {
		t.Helper()
		code, want := 200, codes.OK
		if !passes {
			code, want = 401, codes.Unauthenticated
		}
		expectCode(t, overGRPC.exportWith(t.Context(), otlp.Logs, nil, "authorization", "Bearer token-2"), want)
		overHTTP.post(t, nil, "Content-Type", protobufType, "Authorization", "Bearer token-2").expect(t, code, protobufType)
	}
	expect(true)
	g.Write("tokens", "token-3\n")
	g.clock.Move(longEnough)
	expect(false)
	g.Write("tokens", "token-2\n")
	g.clock.Move(longEnough)
	expect(true)
	g.withTLS("second")
	g.clock.Move(longEnough)
	for _, at := range []string{overGRPC.Addr(), overHTTP.Addr()} {
		config := g.authority.Client()
		config.NextProtos = []string{"h2"}
		conn, err := tls.Dial("tcp", at, config)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "second" {
			t.Errorf("the certificate is still of %s", got)
		}
		_ = conn.Close()
	}
	expect(true)
}

// TestListenTellsBrokenGuards: and binds nothing.
func TestListenTellsBrokenGuards(t *testing.T) {
	for section, build := range servers {
		for want, at := range map[string]Endpoint{
			".tls.key_file: is empty":       {TLS: secure.TLSConfig{CertFile: "x"}},
			".auth.api_keys[0]: is empty":   {Auth: secure.KeyConfig{APIKeys: secure.Secrets([]string{""})}},
			".auth.api_keys_file: stat /-/": {Auth: secure.KeyConfig{APIKeysFile: "/-/"}},
		} {
			at.Enabled, at.Endpoint = true, "127.0.0.1:0"
			s := build(at)
			err := s.Listen()
			if err == nil || fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), section+want) || s.Addr() != "" {
				t.Errorf("%v at %q, want %s", err, s.Addr(), section+want)
			}
			s.Serve()
			shutDown(t, s)
		}
	}
}

func TestUnprotected(t *testing.T) {
	encrypted, mutual := secure.TLSConfig{CertFile: "c", KeyFile: "k"}, secure.TLSConfig{CertFile: "c", KeyFile: "k", ClientCAFile: "a"}
	keys := secure.KeyConfig{APIKeysFile: "f"}
	for _, local := range []string{"127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1", "LocalHost:1", "unix:/s"} {
		if got := (Endpoint{Endpoint: local}).unprotected("l"); got != "" {
			t.Errorf("%s lacks %s", local, got)
		}
	}
	for _, open := range []string{
		"0.0.0.0:1", "[::]:1", ":1", "10.0.0.1:1", "[fe80::1%eth0]:1", "[::ffff:10.0.0.1]:1", "collector:1", "localhost.example:1", "127.0.0.1.example:1", "127.1:1",
	} {
		for _, tt := range []struct {
			tls  secure.TLSConfig
			auth secure.KeyConfig
			want string
		}{
			{secure.TLSConfig{}, secure.KeyConfig{}, "TLS (l.tls) and keys (l.auth)"},
			{secure.TLSConfig{}, keys, "TLS (l.tls)"},
			{encrypted, secure.KeyConfig{}, "keys (l.auth)"},
			{encrypted, keys, ""},
			{mutual, secure.KeyConfig{}, ""},
		} {
			e := Endpoint{Endpoint: open, TLS: tt.tls, Auth: tt.auth}
			if got := e.unprotected("l"); got != tt.want {
				t.Errorf("%s lacks %q, want %q", open, got, tt.want)
			}
			log := &obstest.Log{}
			e.warn("l", log.Logger())
			line := strings.ReplaceAll(log.String(), `"`, "")
			if want := fmt.Sprintf("level=WARN msg=other machines can reach a listener that is not fully protected listener=l endpoint=%s missing=%s\n", open, tt.want); tt.want != "" && !strings.HasSuffix(line, want) || tt.want == "" && line != "" {
				t.Errorf("the log is %q, want %q", line, want)
			}
		}
	}
}

// TestListenWarns: a name that is not localhost itself may mean anything, though this one is the loopback.
func TestListenWarns(t *testing.T) {
	g := newGuarded(t)
	g.at.Endpoint = "localhost.:0"
	listener, _, err := open("l", g.at, nil, g.clock.Now, g.log.Logger())
	if err != nil {
		t.Skip(err)
	}
	_ = listener.Close()
	if g.log.Count("missing=\"TLS (l.tls) and keys (l.auth)\"") != 1 {
		t.Errorf("the log is %q", g.log)
	}
}
