package receive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

type httpRig struct {
	scheme string // http or https
	*HTTP
	fake      *fake
	admission *Admission
	client    *http.Client
}

func startHTTP(t *testing.T, origins ...string) *httpRig {
	t.Helper()
	return startHTTPWithin(t, testLimits(), origins...)
}

func startHTTPWithin(t *testing.T, limits Limits, origins ...string) *httpRig {
	t.Helper()
	config := DefaultHTTP()
	config.Endpoint.Endpoint, config.CORSAllowedOrigins = "127.0.0.1:0", origins
	rig := &httpRig{scheme: "http", fake: &fake{}, admission: NewAdmission(limits.MaxInflightBytes)}
	rig.HTTP = NewHTTP(config, limits, rig.admission, rig.fake, quiet())
	if err := rig.Listen(); err != nil {
		t.Fatal(err)
	}
	rig.Serve()
	transport := &http.Transport{DisableCompression: true}
	rig.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		expectFree(t, rig.admission)
		transport.CloseIdleConnections()
		shutDown(t, rig)
	})
	return rig
}

type answer struct {
	code   int
	header http.Header
	body   string
}

func (r *httpRig) do(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.scheme+"://"+r.Addr()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func (r *httpRig) post(t *testing.T, body []byte, headers ...string) answer {
	t.Helper()
	if len(headers) == 0 || headers[0] != "Content-Type" {
		headers = append([]string{"Content-Type", protobufType}, headers...)
	}
	return r.do(t, http.MethodPost, "/v1/traces", bytes.NewReader(body), headers...)
}

// expect checks code, type and body: what is no success has a Status in the media type.
func (a answer) expect(t *testing.T, code int, mediaType string) *statuspb.Status {
	t.Helper()
	if a.code != code || a.header.Get("Content-Type") != mediaType {
		t.Fatalf("%d %q %q, want %d %q", a.code, a.header.Get("Content-Type"), a.body, code, mediaType)
	}
	if code == http.StatusOK {
		if want := map[string]string{protobufType: "", jsonType: "{}"}[mediaType]; a.body != want {
			t.Fatalf("body %q, want %q: partial_success unset", a.body, want)
		}
		return nil
	}
	told := &statuspb.Status{}
	parse := proto.Unmarshal
	if mediaType == jsonType {
		parse = protojson.Unmarshal
	}
	if err := parse([]byte(a.body), told); err != nil || told.GetCode() == 0 || told.GetMessage() == "" {
		t.Fatalf("body %q is no whole Status: %v", a.body, err)
	}
	return told
}

func TestHTTPTakesEverySignalInBothEncodings(t *testing.T) {
	rig := startHTTP(t)
	large := strings.Repeat("x", 700<<10)
	for _, signal := range otlp.Signals {
		for _, body := range []string{"", "abc", large} {
			rig.do(t, "POST", signal.HTTPPath(), strings.NewReader(body), "Content-Type", protobufType).expect(t, 200, protobufType)
			if got := rig.fake.take(t); got != (request{signal, body}) {
				t.Fatalf("accepted %v of %d bytes, want %v of %d", got.signal, len(got.body), signal, len(body))
			}
		}
		resource := map[otlp.Signal]string{otlp.Traces: "resourceSpans", otlp.Metrics: "resourceMetrics", otlp.Logs: "resourceLogs"}[signal]
		document := strings.NewReader(`{"` + resource + `": [{}]}`)
		rig.do(t, "POST", signal.HTTPPath(), document, "Content-Type", jsonType).expect(t, 200, jsonType)
		if got := rig.fake.take(t); got != (request{signal, "\n\x00"}) {
			t.Fatalf("accepted %q", got.body)
		}
	}
}

func TestHTTPContentTypes(t *testing.T) {
	rig := startHTTP(t)
	for header, want := range map[string]string{
		"application/json; charset=utf-8":       jsonType,
		`Application/JSON;charset="UTF-8"`:      jsonType,
		"application/json; charset":             jsonType,
		"APPLICATION/X-PROTOBUF; messageType=x": protobufType,
		"application/protobuf":                  protobufType,
	} {
		rig.post(t, []byte("{}"), "Content-Type", header).expect(t, 200, want)
	}
	for _, header := range []string{"text/plain", "nonsense", "", "application/octet-stream", "application/json2"} {
		rig.post(t, []byte("{}"), "Content-Type", header).expect(t, 415, jsonType)
	}
}

func TestHTTPContentEncodings(t *testing.T) {
	rig := startHTTP(t)
	text := strings.Repeat("abcdefg", 100<<10)
	for _, coding := range []string{"", codingIdentity, codingGzip, "GZIP", "x-gzip", codingDeflate, codingZstd} {
		rig.post(t, packed(t, coding, []byte(text)), "Content-Encoding", coding).expect(t, 200, protobufType)
		if got := rig.fake.take(t); got.body != text {
			t.Fatalf("%s: accepted %d bytes, want %d", coding, len(got.body), len(text))
		}
	}
	members := append(packed(t, codingGzip, []byte("one ")), packed(t, codingGzip, []byte("two"))...)
	rig.post(t, members, "Content-Encoding", codingGzip).expect(t, 200, protobufType)
	if got := rig.fake.take(t); got.body != "one two" {
		t.Fatalf("accepted %q of two gzip members", got.body)
	}
	for _, unknown := range []string{"br", "x-unknown", "gzip, gzip"} {
		a := rig.post(t, []byte("abc"), "Content-Encoding", unknown)
		a.expect(t, 415, protobufType)
		if a.header.Get("Accept-Encoding") != acceptedCodings {
			t.Fatalf("Accept-Encoding: %q", a.header.Get("Accept-Encoding"))
		}
	}
	rig.post(t, []byte("abc"), "Content-Encoding", codingGzip, "Content-Encoding", codingGzip).expect(t, 415, protobufType)
	rig.fake.expectNone(t)
}

func TestHTTPRefusesDamagedCompression(t *testing.T) {
	rig := startHTTP(t)
	for _, coding := range []string{codingGzip, codingDeflate, codingZstd} {
		whole := packed(t, coding, bytes.Repeat([]byte("abc"), 1000))
		for name, data := range map[string][]byte{
			"empty":            {},
			"not compressed":   []byte("plain bytes"),
			"head only":        whole[:8],
			"truncated":        whole[:len(whole)-3],
			"trailing garbage": append(bytes.Clone(whole), "garbage"...),
		} {
			for _, mediaType := range []string{protobufType, jsonType} {
				t.Run(coding+" "+name, func(t *testing.T) {
					rig.post(t, data, "Content-Type", mediaType, "Content-Encoding", coding).expect(t, 400, mediaType)
					rig.fake.expectNone(t)
				})
			}
		}
	}
}

func TestHTTPTooLarge(t *testing.T) {
	rig := startHTTP(t)
	zeros := make([]byte, 64<<20)
	over := zeros[:testLimits().MaxRequestBytes+1]
	rig.post(t, over).expect(t, 413, protobufType)
	rig.do(t, "POST", "/v1/logs", io.MultiReader(bytes.NewReader(over)), "Content-Type", jsonType).expect(t, 413, jsonType) // chunked
	for _, coding := range []string{codingGzip, codingDeflate, codingZstd} {
		rig.post(t, packed(t, coding, zeros), "Content-Encoding", coding).expect(t, 413, protobufType)
	}
	members := bytes.Repeat(packed(t, codingGzip, nil), 60<<10) // inflate to nothing
	rig.post(t, members, "Content-Encoding", codingGzip).expect(t, 413, protobufType)
	rig.fake.expectNone(t)
	rig.post(t, over[1:]).expect(t, 200, protobufType)
}

func TestHTTPMethodsAndPaths(t *testing.T) {
	rig := startHTTP(t)
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		a := rig.do(t, method, "/v1/traces", nil)
		a.expect(t, 405, jsonType)
		if a.header.Get("Allow") != "POST" {
			t.Fatalf("Allow: %q", a.header.Get("Allow"))
		}
	}
	for _, path := range []string{"/", "/v1/nothing", "/v1/traces/", "/v2/traces", "//v1/traces"} {
		rig.do(t, "POST", path, nil, "Content-Type", protobufType).expect(t, 404, protobufType)
	}
	rig.do(t, "POST", "/v1/traces?tenant=a", nil, "Content-Type", protobufType).expect(t, 200, protobufType)
}

func TestHTTPFaultsBecomeStatuses(t *testing.T) {
	rig := startHTTP(t)
	overloaded := fault.New(fault.Overloaded, "append", "full")
	overloaded.RetryAfter = 2500 * time.Millisecond
	bad := &fault.Error{Kind: fault.Invalid, Op: "decode", Field: "spans[3]", Err: errors.New("\xff\x00<" + strings.Repeat("é\xff", 9000))}
	for name, c := range map[string]struct {
		err   error
		code  int
		retry string
	}{
		"malformed":       {bad, 400, ""},
		"overloaded":      {overloaded, 503, "3"},
		"shutting down":   {fault.New(fault.Closed, "append", "closed"), 503, "1"},
		"disk":            {fault.New(fault.IO, "append", "disk"), 503, "1"},
		"unauthenticated": {fault.New(fault.Unauthenticated, "key", "none"), 401, ""},
		"too large":       {fault.New(fault.TooLarge, "decode", "huge"), 413, ""},
		"a fault of ours": {errors.New("broken"), 500, ""},
	} {
		for _, mediaType := range []string{protobufType, jsonType} {
			t.Run(name, func(t *testing.T) {
				rig.fake.answerWith(failing(c.err))
				a := rig.post(t, []byte("{}"), "Content-Type", mediaType)
				told := a.expect(t, c.code, mediaType)
				if a.header.Get("Retry-After") != c.retry {
					t.Fatalf("Retry-After %q, want %q", a.header.Get("Retry-After"), c.retry)
				}
				expectDetail(t, name, told)
			})
		}
	}
}

func expectDetail(t *testing.T, name string, told *statuspb.Status) {
	t.Helper()
	var bad errdetails.BadRequest
	var info errdetails.RetryInfo
	switch name {
	case "malformed":
		if err := told.GetDetails()[0].UnmarshalTo(&bad); err != nil || bad.GetFieldViolations()[0].GetField() != "spans[3]" {
			t.Fatalf("%v: %v", told, err)
		}
	case "overloaded":
		if err := told.GetDetails()[0].UnmarshalTo(&info); err != nil || info.GetRetryDelay().AsDuration() != 2500*time.Millisecond {
			t.Fatalf("%v: %v", told, err)
		}
	default:
		if len(told.GetDetails()) != 0 {
			t.Fatalf("%v", told)
		}
	}
}

func TestHTTPErrorTextQuotesInvalidUTF8(t *testing.T) {
	startHTTP(t).post(t, []byte("\xff\xfe[]"), "Content-Type", jsonType).expect(t, 400, jsonType)
}

func TestHTTPPanicIs500AndKeepsTheConnection(t *testing.T) {
	rig := startHTTP(t)
	rig.fake.answerWith(func(context.Context) error { panic("boom") })
	rig.post(t, []byte("abc")).expect(t, 500, protobufType)
}

func TestHTTPBudgetFullIs503(t *testing.T) {
	rig := startHTTP(t)
	for _, left := range []int64{2, 4} { // JSON is held twice: the document and its protobuf
		hold := testLimits().MaxInflightBytes - left
		if err := rig.admission.Acquire(hold); err != nil {
			t.Fatal(err)
		}
		a := rig.post(t, []byte("{ }"), "Content-Type", jsonType)
		rig.admission.Release(hold)
		a.expect(t, 503, jsonType)
		if a.header.Get("Retry-After") != "1" {
			t.Fatalf("Retry-After: %q", a.header.Get("Retry-After"))
		}
	}
	rig.fake.expectNone(t)
}

func TestHTTPAnswersAreNotCompressed(t *testing.T) {
	a := startHTTP(t).post(t, nil, "Accept-Encoding", "gzip")
	if a.header.Get("Content-Encoding") != "" {
		t.Fatal(a.header)
	}
}

func TestHTTPUnencryptedHTTP2(t *testing.T) {
	rig := startHTTP(t)
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	rig.client = &http.Client{Transport: transport}
	rig.post(t, []byte("abc")).expect(t, 200, protobufType)
	rig.post(t, make([]byte, testLimits().MaxRequestBytes+1)).expect(t, 413, protobufType)
	rig.post(t, packed(t, codingGzip, make([]byte, 1<<20)), "Content-Encoding", codingGzip).expect(t, 200, protobufType)
}

// raw is a connection that sends what a library would not.
type raw struct {
	net.Conn
	in *bufio.Reader
}

func (r *httpRig) dial(t *testing.T) raw {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return raw{conn, bufio.NewReader(conn)}
}

func (c raw) send(t *testing.T, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		t.Fatal(err)
	}
}

func (c raw) read(t *testing.T) int {
	t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

const rawPost = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"

func TestHTTPKeepAliveAfterAnError(t *testing.T) {
	rig := startHTTP(t)
	for request, want := range map[string]int{
		"POST /v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":                           404,
		"GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n":                                                     405,
		"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":                            415,
		rawPost + "Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc":                                 415,
		rawPost + "Content-Encoding: gzip\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("x", 30000): 400,
	} {
		conn := rig.dial(t)
		conn.send(t, "%s", request)
		if got := conn.read(t); got != want {
			t.Fatalf("%q: %d, want %d", request[:40], got, want)
		}
		conn.send(t, rawPost+"Content-Length: 3\r\n\r\nabc")
		if got := conn.read(t); got != 200 {
			t.Fatalf("after %d: %d", want, got)
		}
	}
}

func TestHTTPExpectContinueAndChunked(t *testing.T) {
	rig := startHTTP(t)
	conn := rig.dial(t)
	conn.send(t, rawPost+"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
	if got := conn.read(t); got != 100 {
		t.Fatalf("%d, want 100", got)
	}
	conn.send(t, "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
	if got := conn.read(t); got != 200 {
		t.Fatalf("%d, want 200", got)
	}
	if got := rig.fake.take(t); got.body != "abc" {
		t.Fatalf("accepted %q", got.body)
	}
	conn.send(t, rawPost+"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
	if got := conn.read(t); got != 413 {
		t.Fatalf("%d, want 413 before the body is asked for", got)
	}
}

func TestHTTPBrokenFramingIsRefused(t *testing.T) {
	rig := startHTTP(t)
	for _, rest := range []string{
		"Content-Length: 10\r\n\r\nabc", // and then no more
		"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
		"Content-Length: -5\r\n\r\nhello",
		"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	} {
		conn := rig.dial(t)
		conn.send(t, "%s", rawPost+rest)
		_ = conn.Conn.(*net.TCPConn).CloseWrite()
		if got := conn.read(t); got != 400 {
			t.Fatalf("%q: %d, want 400", rest, got)
		}
	}
	rig.fake.expectNone(t)
}

func TestHTTPSlowBodyMovesItsDeadlineOnlyAtAPace(t *testing.T) {
	p := &pacedReader{from: strings.NewReader(strings.Repeat("x", 3*bodyRate)), control: http.NewResponseController(nil), start: time.Now()}
	var seen []time.Duration
	for {
		_, err := io.ReadFull(io.LimitReader(p, bodyRate), make([]byte, bodyRate))
		seen = append(seen, p.deadline-bodyGrace)
		if err != nil {
			break
		}
	}
	if want := fmt.Sprint([]time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}); fmt.Sprint(seen) != want {
		t.Fatalf("deadlines moved by %v, want %v", seen, want)
	}
}

func TestHTTPCORSIsOffByDefault(t *testing.T) {
	a := startHTTP(t).do(t, "OPTIONS", "/v1/traces", nil, "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
	if a.code != 405 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Fatal(a)
	}
}

func TestHTTPCORS(t *testing.T) {
	rig := startHTTP(t, "https://shop.example")
	a := rig.do(t, "OPTIONS", "/v1/traces", nil, "Origin", "https://shop.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-tenant")
	if a.code != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://shop.example" ||
		a.header.Get("Access-Control-Allow-Headers") != "content-type,x-tenant" || a.header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Fatal(a)
	}
	a = rig.post(t, []byte("{}"), "Content-Type", jsonType, "Origin", "https://shop.example")
	if a.code != 200 || a.header.Get("Access-Control-Allow-Origin") == "" || a.header.Get("Vary") != "Origin" {
		t.Fatal(a)
	}
	a = rig.do(t, "OPTIONS", "/v1/traces", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	if a.code != 405 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Fatal(a)
	}
}

func TestHTTPShutdownWaitsForRequestsInFlight(t *testing.T) {
	rig := startHTTP(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	rig.fake.answerWith(func(context.Context) error { close(entered); <-leave; return nil })
	conn := rig.dial(t)
	conn.send(t, rawPost+"Content-Length: 3\r\n\r\nabc")
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- rig.Shutdown(context.Background()) }()
	<-rig.draining.Done()
	close(leave)
	if got := conn.read(t); got != 200 {
		t.Fatalf("%d, want 200", got)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestHTTPShutdownPastItsDeadline(t *testing.T) {
	rig := startHTTP(t)
	entered := make(chan struct{})
	rig.fake.answerWith(func(ctx context.Context) error { close(entered); <-ctx.Done(); return ctx.Err() })
	rig.dial(t).send(t, rawPost+"Content-Length: 3\r\n\r\nabc")
	<-entered
	past, cancel := context.WithCancel(context.Background())
	cancel()
	if err := rig.Shutdown(past); fault.KindOf(err) != fault.Timeout {
		t.Fatalf("%v, want a timeout", err)
	}
}

func TestHTTPWhileDrainingIs503(t *testing.T) {
	rig := startHTTP(t)
	rig.drain()
	a := rig.post(t, []byte("abc"))
	a.expect(t, 503, protobufType)
	if a.header.Get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
}

func TestJSONStatusIsWhatProtoJSONReads(t *testing.T) {
	for _, err := range []error{fault.New(fault.Invalid, "a", "b"), fault.New(fault.Overloaded, "a", "b"), fault.New(fault.Closed, "a", "b")} {
		var byHand, byProtoJSON any
		want, failed := protojson.Marshal(statusOf(err).Proto())
		if failed := errors.Join(failed, json.Unmarshal(want, &byProtoJSON), json.Unmarshal(jsonMedia.encode(statusOf(err)), &byHand)); failed != nil {
			t.Fatal(failed)
		}
		var told statuspb.Status
		if failed := protojson.Unmarshal(jsonMedia.encode(statusOf(err)), &told); failed != nil || !proto.Equal(&told, statusOf(err).Proto()) {
			t.Fatalf("%s, want %s: %v", jsonMedia.encode(statusOf(err)), want, failed)
		}
	}
}

// TestHTTPJSONThatGrows: a document that becomes too large is refused for good, whichever limit
// it passes alone, and nobody is told to come again for nothing.
func TestHTTPJSONThatGrows(t *testing.T) {
	const head, tail = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[`, `0]}]}}]}]}]}`
	document := func(counts int) []byte { return []byte(head + strings.Repeat("0,", counts) + tail) }
	for name, c := range map[string]struct {
		inflight int64
		document []byte
		want     int
		told     string
	}{
		"fits":              {4 << 20, document(100 << 10), 200, ""},
		"beyond a request":  {16 << 20, document(400 << 10), 413, "larger than 1048576 bytes as protobuf"},
		"beyond both":       {2 << 20, document(400 << 10), 413, ""},
		"beyond the budget": {2 << 20, []byte(`{"resourceMetrics":[{"schemaUrl":"` + strings.Repeat("x", 1000_000) + `"}]}`), 413, "max_inflight_bytes, 2097152"},
	} {
		t.Run(name, func(t *testing.T) {
			rig := startHTTPWithin(t, Limits{MaxRequestBytes: 1 << 20, MaxInflightBytes: c.inflight})
			for range 2 {
				a := rig.do(t, "POST", "/v1/metrics", bytes.NewReader(c.document), "Content-Type", jsonType)
				told := a.expect(t, c.want, jsonType)
				if a.header.Get("Retry-After") != "" || !strings.Contains(told.GetMessage(), c.told) {
					t.Errorf("Retry-After %q, %v", a.header.Get("Retry-After"), told)
				}
			}
			if rig.admission.Refused() != 0 {
				t.Errorf("%d refusals are counted as for want of room", rig.admission.Refused())
			}
		})
	}
}

// TestHTTPJSONIsPaidForAsItGrows: a document that finds no room for its message is welcome later.
func TestHTTPJSONIsPaidForAsItGrows(t *testing.T) {
	rig := startHTTP(t)
	document := []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[` + strings.Repeat("0,", 100<<10) + `0]}]}}]}]}]}`)
	hold := testLimits().MaxInflightBytes - 1<<20 // room for the document, and for one more of its length
	if err := rig.admission.Acquire(hold); err != nil {
		t.Fatal(err)
	}
	a := rig.do(t, "POST", "/v1/metrics", bytes.NewReader(document), "Content-Type", jsonType)
	rig.admission.Release(hold)
	a.expect(t, 503, jsonType)
	rig.do(t, "POST", "/v1/metrics", bytes.NewReader(document), "Content-Type", jsonType).expect(t, 200, jsonType)
}
