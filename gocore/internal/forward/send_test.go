package forward

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	kgzip "github.com/klauspost/compress/gzip"
	kzstd "github.com/klauspost/compress/zstd"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure/securetest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// TestGRPCCodes: what is sent again, and what is not.
func TestGRPCCodes(t *testing.T) {
	again := []codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss}
	for code := codes.Code(1); code <= codes.Unauthenticated; code++ {
		want := refused
		if slices.Contains(again, code) {
			want = later
		}
		large := code == codes.ResourceExhausted || code == codes.OutOfRange
		if got := ofGRPC(status.Error(code, "Received message larger than max (5 vs. 4)")); got.large != large || large && got.outcome != refused {
			t.Errorf("%v for the size: %+v", code, got)
		}
		if got := ofGRPC(status.Error(code, "x")); got.outcome != want || got.after != 0 {
			t.Errorf("%v: %+v", code, got)
		}
		told, err := status.New(code, "x").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
		noError(t, err)
		if code == codes.ResourceExhausted {
			want = later
		}
		if got := ofGRPC(told.Err()); got.outcome != want || got.after != 3*time.Second {
			t.Errorf("%v with RetryInfo: %+v", code, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "soon": 0, "1e9": maxAfter, now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func stageOf(t *testing.T, c Config) *rig {
	t.Helper()
	return newRig(t, t.TempDir(), "w1", c)
}

func (r *rig) sendOne(body []byte) verdict {
	return r.stage.destinations[0].sender.send(&message{context.Background(), otlp.Logs, mem.BufferSlice{mem.SliceBuffer(body)}})
}

// TestHTTPCodes: what is sent again, and how an answer's text is told.
func TestHTTPCodes(t *testing.T) {
	code, reply, kind := 0, []byte(nil), typeProtobuf
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
		_, _ = w.Write(reply)
	}))
	defer server.Close()
	c := Default()
	c.Name, c.Protocol, c.Endpoint = "a", OTLPHTTP, server.URL
	r := stageOf(t, c)
	for code = range 600 {
		want := refused
		switch {
		case code < 200:
			continue
		case code < 300:
			want = delivered
		case slices.Contains([]int{429, 502, 503, 504}, code):
			want = later
		}
		v := r.sendOne(request(otlp.Logs, 1))
		if v.outcome != want || v.code != fmt.Sprint(code) || (v.after == 7*time.Second) != (want == later) {
			t.Fatalf("%d: %+v", code, v)
		}
	}
	code = 400
	reply, _ = proto.Marshal(&rpcstatus.Status{Message: "why not"})
	if v := r.sendOne(nil); !strings.Contains(v.err.Error(), "why not") {
		t.Errorf("%v", v.err)
	}
	kind, reply = typeJSON, []byte(`{"message":"why so"}`)
	if v := r.sendOne(nil); !strings.Contains(v.err.Error(), "why so") {
		t.Errorf("%v", v.err)
	}
	kind, reply = "text/html", []byte(strings.Repeat("<>\n", 1000))
	if v := r.sendOne(nil); len(v.err.Error()) > 1000 || strings.Contains(v.err.Error(), "\n") {
		t.Errorf("%v", v.err)
	}
	code, kind, reply = 200, typeJSON+"; charset=utf-8", []byte(`{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"bad ones"}}`)
	if v := r.sendOne(nil); v.rejected != 3 || v.message != "bad ones" {
		t.Errorf("%+v", v)
	}
	reply = []byte(`{"partialSuccess":{"rejectedLogRecords":4}}`)
	if v := r.sendOne(nil); v.rejected != 4 {
		t.Errorf("%+v", v)
	}
	kind, reply = typeProtobuf, partialSuccess(5, "worse")
	if v := r.sendOne(nil); v.rejected != 5 || v.message != "worse" {
		t.Errorf("%+v", v)
	}
	server.Close()
	if v := r.sendOne(nil); v.outcome != later || v.code != "unreachable" {
		t.Errorf("%+v", v)
	}
}

func partialSuccess(rejected uint64, message string) []byte {
	return wire.AppendBytes(nil, 1, wire.AppendBytes(wire.AppendUint(nil, 1, rejected), 2, message))
}

// TestHTTPRequests: each protocol and compression carries the same items, with the headers, on one connection.
func TestHTTPRequests(t *testing.T) {
	for _, protocol := range []string{OTLPHTTP, OTLPHTTPJSON} {
		for _, compression := range []string{none, gzip, zstd} {
			t.Run(protocol+" "+compression, func(t *testing.T) {
				peers := map[string]bool{}
				var got *http.Request
				var body []byte
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
					peers[request.RemoteAddr] = true
					got = request
					var from io.Reader = request.Body
					switch request.Header.Get("Content-Encoding") {
					case gzip:
						from, _ = kgzip.NewReader(from)
					case zstd:
						from, _ = kzstd.NewReader(from, kzstd.WithDecoderConcurrency(1))
					}
					body, _ = io.ReadAll(from)
					_, _ = w.Write(make([]byte, 2000)) // nothing that is known: it is read all the same
				}))
				defer server.Close()
				c := Default()
				c.Name, c.Protocol, c.Endpoint, c.Compression = "a", protocol, server.URL+"/base/", compression
				c.Auth.Basic = &Basic{"me", secure.NewValue("SECRET")}
				c.Headers = map[string]secure.Value{"X-Tenant": secure.NewValue("t")}
				r := stageOf(t, c)
				for range 3 {
					if v := r.sendOne(request(otlp.Logs, 1, 2)); v.outcome != delivered {
						t.Fatalf("%+v", v)
					}
				}
				user, password, _ := got.BasicAuth()
				if len(peers) != 1 || got.URL.Path != "/base/v1/logs" || got.Header.Get("X-Tenant") != "t" || user != "me" || password != "SECRET" ||
					!strings.HasPrefix(got.UserAgent(), "otlp-arrow/") {
					t.Errorf("%d connections, %+v", len(peers), got)
				}
				if protocol == OTLPHTTP {
					if ids := idsOf(otlp.Logs, body); !slices.Equal(ids, []uint64{1, 2}) || got.Header.Get("Content-Type") != typeProtobuf {
						t.Errorf("%v", ids)
					}
					return
				}
				var document struct{ ResourceLogs []map[string]any }
				if err := json.Unmarshal(body, &document); err != nil || len(document.ResourceLogs) != 1 || got.Header.Get("Content-Type") != typeJSON {
					t.Errorf("%s, %v", body, err)
				}
			})
		}
	}
}

// TestPartialSuccess is counted, told, and not sent again.
func TestPartialSuccess(t *testing.T) {
	p := newPeer(t)
	p.reply = partialSuccess(2, "two were bad")
	r := newRig(t, t.TempDir(), "w1", quick("a", p)).start()
	r.put(otlp.Logs, 1, 2, 3)
	eventually(t, "counted", func() bool { return r.stats("a", otlp.Logs).Rejected == 2 })
	if s := r.stats("a", otlp.Logs); s.Calls != 1 || s.Sent.Items != 3 || !strings.Contains(r.log.String(), "two were bad") {
		t.Errorf("%+v, %s", s, r.log)
	}
}

// TestRefusedSingly: one request that the destination cannot take does not take others with it; what is
// larger than the destination takes is split.
func TestRefusedSingly(t *testing.T) {
	p := newPeer(t)
	p.respond(func(s otlp.Signal, body []byte) error {
		if slices.Contains(idsOf(s, body), 13) {
			return status.Error(codes.InvalidArgument, "thirteen")
		}
		return nil
	})
	c := quick("a", p)
	c.Batch.MaxBytes, c.Batch.FlushInterval = 1024, Duration(50*time.Millisecond)
	r := newRig(t, t.TempDir(), "w1", c).start()
	for id := range uint64(20) {
		r.put(otlp.Logs, id)
	}
	r.put(otlp.Logs, sequence(100, 599)...)
	eventually(t, "all is settled", func() bool { s := r.stats("a", otlp.Logs); return s.Sent.Items+s.GivenUp[Refused].Items == 520 })
	want := append(slices.DeleteFunc(sequence(0, 19), func(id uint64) bool { return id == 13 }), sequence(100, 599)...)
	if got := p.ids(otlp.Logs); !slices.Equal(got, want) {
		t.Errorf("%v came", got)
	}
	if s := r.stats("a", otlp.Logs); s.GivenUp[Refused].Requests != 1 || s.GivenUp[Refused].Items != 1 || s.Sent.Requests != 20 || s.Sent.Bytes+s.GivenUp[Refused].Bytes == 0 {
		t.Errorf("%+v", s)
	}
	if slices.Max(p.sizes) > 1024 {
		t.Errorf("a request has %d bytes", slices.Max(p.sizes))
	}
}

// overHTTP is a destination that is tried again at once, and whose logs get to a peer over HTTP.
func overHTTP(t *testing.T, p *peer) Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = p.answer(otlp.Logs, body)
		}
		switch status.Code(err) {
		case codes.OK:
			p.keep(otlp.Logs, body)
		case codes.ResourceExhausted:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	c := quick("a", p)
	c.Protocol, c.Endpoint, c.TLS.Insecure = OTLPHTTP, server.URL, false
	return c
}

// TestTooLarge: what is refused for its size is sent in smaller pieces, and less is sent at a time from then
// on. An item that is too large alone is given up.
func TestTooLarge(t *testing.T) {
	const most = 3000
	p := newPeer(t, grpc.MaxRecvMsgSize(most))
	p.respond(func(_ otlp.Signal, body []byte) error {
		if len(body) > most { // over HTTP
			return status.Error(codes.ResourceExhausted, "")
		}
		return nil
	})
	before := 0
	for _, c := range []Config{quick("a", p), overHTTP(t, p)} {
		c.Batch.FlushInterval = Duration(50 * time.Millisecond)
		r := newRig(t, t.TempDir(), "w1", c).start()
		var want []uint64
		for id := uint64(0); id < 200; id += 20 { // joined they are too large
			r.put(otlp.Logs, sequence(id, id+19)...)
			want = append(want, sequence(id, id+19)...)
		}
		eventually(t, "they are sent", func() bool { return r.stats(c.Name, otlp.Logs).Sent.Requests == 10 })
		r.put(otlp.Logs, sequence(1000, 1999)...) // alone
		r.putBody(otlp.Logs, 1, wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 2, wire.AppendBytes(nil, 2, make([]byte, 2*most)))))
		r.put(otlp.Logs, 7)
		want = append(append(want, sequence(1000, 1999)...), 7)
		eventually(t, "all is settled", func() bool { return r.stats(c.Name, otlp.Logs).Sent.Requests == 12 })
		if got := p.ids(otlp.Logs)[before:]; !slices.Equal(got, want) {
			t.Errorf("%s: %d of %d came: %v", c.Name, len(got), len(want), got)
		}
		before += len(want)
		if s := r.stats(c.Name, otlp.Logs); s.GivenUp[Refused] != (journal.Tally{Requests: 1, Items: 1, Bytes: 2*most + 9}) || s.Sent.Items != uint64(len(want)) {
			t.Errorf("%s: %+v", c.Name, s)
		}
		if text := r.log.String(); !strings.Contains(text, "takes less at a time") {
			t.Errorf("not told: %s", text)
		}
	}
}

// TestRetriesEnd: without retries, or when their time is over, a request is given up.
func TestRetriesEnd(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		p := newPeer(t)
		p.respond(func(otlp.Signal, []byte) error { return status.Error(codes.Unavailable, "no") })
		c := quick("a", p)
		c.CircuitBreaker.Enabled = false
		c.RetryOnFailure.Enabled, c.RetryOnFailure.MaxElapsedTime = enabled, Duration(30*time.Millisecond)
		r := newRig(t, t.TempDir(), "w1", c).start()
		r.put(otlp.Logs, 1)
		eventually(t, "given up", func() bool { return r.stats("a", otlp.Logs).GivenUp[Retries].Items == 1 })
		if calls := r.stats("a", otlp.Logs).Calls; (calls == 1) == enabled {
			t.Errorf("%d calls, enabled: %v", calls, enabled)
		}
	}
}

// TestRetryInfo: the destination's word counts more than ours.
func TestRetryInfo(t *testing.T) {
	p := newPeer(t)
	told, err := status.New(codes.ResourceExhausted, "slow down").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(300 * time.Millisecond)})
	noError(t, err)
	var times []time.Time
	p.respond(func(otlp.Signal, []byte) error {
		times = append(times, time.Now())
		if len(times) == 1 {
			return told.Err()
		}
		return nil
	})
	r := newRig(t, t.TempDir(), "w1", quick("a", p)).start()
	r.put(otlp.Logs, 1)
	eventually(t, "it comes", func() bool { return len(p.ids(otlp.Logs)) == 1 })
	if gap := times[1].Sub(times[0]); gap < 300*time.Millisecond {
		t.Errorf("sent again after %v", gap)
	}
}

// TestBreaker: after failures in a row nothing is sent for a while, then one request is a trial.
func TestBreaker(t *testing.T) {
	p := newPeer(t)
	p.respond(func(otlp.Signal, []byte) error { return status.Error(codes.Unavailable, "no") })
	c := quick("a", p)
	c.CircuitBreaker.Open = Duration(400 * time.Millisecond)
	r := newRig(t, t.TempDir(), "w1", c).start()
	for _, s := range otlp.Signals {
		r.put(s, 1)
	}
	calls := func() int { p.mu.Lock(); defer p.mu.Unlock(); return p.calls }
	eventually(t, "open", func() bool { return r.stats("a", otlp.Logs).Open })
	time.Sleep(100 * time.Millisecond)
	if n := calls(); n < 5 || n > 7 { // two more may have been in flight
		t.Errorf("%d calls before it opened", n)
	}
	before := calls()
	eventually(t, "a trial", func() bool { return calls() > before })
	time.Sleep(100 * time.Millisecond)
	if n := calls() - before; n != 1 {
		t.Errorf("%d trials", n)
	}
	p.respond(nil)
	eventually(t, "all come", func() bool {
		return len(p.ids(otlp.Logs)) == 1 && len(p.ids(otlp.Traces)) == 1 && len(p.ids(otlp.Metrics)) == 1
	})
}

// TestGRPCWays: TLS with our own certificate, keys and compression.
func TestGRPCWays(t *testing.T) {
	authority := securetest.NewAuthority(t)
	ours, theirs := authority.Pair("us"), authority.Pair("them")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		noError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	pair, err := tls.X509KeyPair([]byte(theirs.Cert), []byte(theirs.Key))
	noError(t, err)
	listener := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Client().RootCAs, MinVersion: tls.VersionTLS12}
	var heads metadata.MD
	p := newPeer(t, grpc.Creds(credentials.NewTLS(listener)), grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		heads, _ = metadata.FromIncomingContext(stream.Context())
		return handle(srv, stream)
	}))
	c := quick("a", p)
	c.TLS = secure.ClientTLS{CAFile: file("ca.pem", authority.PEM()), CertFile: file("cert.pem", ours.Cert), KeyFile: file("key.pem", ours.Key), ServerName: "localhost"}
	c.Compression = gzip
	noError(t, json.Unmarshal([]byte(`{"bearer_token":{"file":"`+file("token", " SECRET\n")+`"}}`), &c.Auth))
	if faults := c.Validate("d", 4<<20); len(faults) > 0 {
		t.Fatal(faults)
	}
	r := newRig(t, t.TempDir(), "w1", c).start()
	r.put(otlp.Logs, sequence(1, 100)...)
	eventually(t, "it comes", func() bool { return len(p.ids(otlp.Logs)) == 100 })
	if got := heads.Get("authorization"); len(got) != 1 || got[0] != "Bearer SECRET" {
		t.Errorf("%v", heads)
	}
	if strings.Contains(r.log.String(), "SECRET") {
		t.Error("the log tells the key")
	}
}

// TestHung: a connection without answers is left for another.
func TestHung(t *testing.T) {
	p := newPeer(t)
	wait := make(chan struct{})
	defer close(wait)
	p.respond(func(otlp.Signal, []byte) error { <-wait; return nil })
	c := quick("a", p)
	c.Timeout = Duration(30 * time.Millisecond)
	r := stageOf(t, c)
	s := r.stage.destinations[0].sender.(*grpcSender)
	first := s.conn
	for range tooQuiet {
		if v := r.sendOne(request(otlp.Logs, 1)); v.outcome != later || !v.hung {
			t.Fatalf("%+v", v)
		}
	}
	if s.conn == first {
		t.Error("the connection stays")
	}
}

func TestCodec(t *testing.T) {
	if _, err := (rawCodec{}).Marshal(1); err == nil {
		t.Error("a number is sent")
	}
	if err := (rawCodec{}).Unmarshal(nil, 1); err == nil {
		t.Error("a number is received")
	}
	if got := shorten(strings.Repeat("x", 1000)); len(got) != 503 {
		t.Errorf("%d bytes", len(got))
	}
}
