package forward

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlpjson"
)

const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// httpSender is OTLP over HTTP, in protobuf or JSON.
type httpSender struct {
	base     string
	client   *http.Client
	headers  headers
	timeout  time.Duration
	json     bool
	compress *compressor // nil for none
	now      func() time.Time
}

func newHTTP(c Config, to target, config *tls.Config, h headers, now func() time.Time) *httpSender {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: time.Duration(c.Timeout)}).DialContext, TLSClientConfig: config,
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: otlp.Count, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
		TLSHandshakeTimeout: time.Duration(c.Timeout), WriteBufferSize: writeBuffer, MaxResponseHeaderBytes: 1 << 20,
	}
	s := &httpSender{base: to.url, headers: h, timeout: time.Duration(c.Timeout), json: c.Protocol == OTLPHTTPJSON, now: now}
	// A redirect would turn POST into GET, or send keys elsewhere.
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c.Compression != none {
		s.compress = newCompressor(c.Compression)
	}
	return s
}

func (s *httpSender) close() { s.client.CloseIdleConnections() }

func (s *httpSender) send(m *message) verdict {
	ctx, cancel := context.WithTimeout(m.ctx, s.timeout)
	defer cancel()
	request, err := s.request(ctx, m)
	if err != nil {
		return verdict{outcome: refused, code: "unsendable", err: err}
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return verdict{outcome: later, code: "unreachable", err: err, hung: errors.Is(err, context.DeadlineExceeded)}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	v := s.judge(answer, body)
	if err != nil && v.outcome != delivered {
		v.err = errors.Join(v.err, err)
	}
	return v
}

// request makes the request. What is only copied is lent to the transport, see held.
func (s *httpSender) request(ctx context.Context, m *message) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+m.signal.HTTPPath(), http.NoBody)
	if err != nil {
		return nil, err
	}
	body, err := s.encoded(m)
	if err != nil {
		return nil, err
	}
	for _, h := range s.headers {
		request.Header.Set(h.name, h.value())
	}
	kind := typeProtobuf
	if s.json {
		kind = typeJSON
	}
	request.Header.Set("Content-Type", kind)
	if s.compress != nil {
		request.Header.Set("Content-Encoding", s.compress.name)
	}
	request.Header.Set("User-Agent", "otlp-arrow/"+obs.Version)
	request.ContentLength = int64(body.Len())
	request.GetBody = func() (io.ReadCloser, error) { return newHeld(body), nil }
	if request.ContentLength > 0 {
		request.Body, _ = request.GetBody() // does not fail
	}
	return request, nil
}

// encoded is a message as it is sent.
func (s *httpSender) encoded(m *message) (mem.BufferSlice, error) {
	if !s.json && s.compress == nil {
		return m.body, nil
	}
	flat := m.flat()
	defer flat.Free()
	body, err := flat.ReadOnlyData(), error(nil)
	if s.json {
		body, err = otlpjson.FromProto(nil, m.signal, body)
	}
	if err == nil && s.compress != nil {
		body, err = s.compress.compress(body)
	}
	return mem.BufferSlice{mem.SliceBuffer(body)}, err
}

// judge is what a status means.
func (s *httpSender) judge(answer *http.Response, body []byte) verdict {
	v := verdict{outcome: refused, code: strconv.Itoa(answer.StatusCode), large: answer.StatusCode == http.StatusRequestEntityTooLarge}
	asJSON := strings.HasPrefix(answer.Header.Get("Content-Type"), typeJSON)
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		v.outcome, v.after = later, retryAfter(answer.Header.Get("Retry-After"), s.now())
	default:
		if answer.StatusCode/100 == 2 {
			v.outcome = delivered
			partial(body, asJSON, &v)
			return v
		}
	}
	v.err = fmt.Errorf("HTTP %s: %s", answer.Status, reason(body, asJSON))
	return v
}

// partial reads a successful answer.
func partial(body []byte, asJSON bool, v *verdict) {
	if !asJSON {
		response(body, v)
		return
	}
	var told struct{ PartialSuccess map[string]any }
	if json.Unmarshal(body, &told) != nil {
		return
	}
	for _, signal := range otlp.Signals {
		switch n := told.PartialSuccess[signal.RejectedKey()].(type) {
		case float64:
			v.rejected = uint64(max(n, 0))
		case string: // as protobuf has 64-bit integers in JSON
			v.rejected, _ = strconv.ParseUint(n, 10, 64)
		}
	}
	text, _ := told.PartialSuccess["errorMessage"].(string)
	v.message = shorten(text)
}

// reason is the message of the google.rpc.Status that a refusal has, or how its text begins.
func reason(body []byte, asJSON bool) string {
	var told status.Status
	var plain struct{ Message string }
	switch {
	case asJSON && json.Unmarshal(body, &plain) == nil && plain.Message != "":
		return shorten(plain.Message)
	case !asJSON && proto.Unmarshal(body, &told) == nil && told.GetMessage() != "":
		return shorten(told.GetMessage())
	}
	return strconv.QuoteToASCII(shorten(string(body)))
}

// retryAfter reads seconds or a date; 0 for neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, maxAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxAfter)
	}
	return 0
}
