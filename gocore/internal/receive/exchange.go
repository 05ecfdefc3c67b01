package receive

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlpjson"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// exchange is one HTTP request and its answer.
type exchange struct {
	of      *HTTP
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	media   media
	op      string
	signal  otlp.Signal // otlp.Count where the path is of none
}

// serve answers every request. Deadlines are set per request, since the server's own
// would cut off a slow link's large body, and an Accept that waits for the disk.
func (h *HTTP) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{of: h, w: w, r: r, control: http.NewResponseController(w), op: "receive over HTTP", signal: otlp.Count}
	if signal, found := h.signals[r.URL.Path]; found {
		x.signal = signal
	}
	media, known := mediaOf(r.Header.Get("Content-Type"))
	x.media = media
	_ = x.control.SetReadDeadline(time.Now().Add(bodyGrace))
	_ = x.control.SetWriteDeadline(time.Time{})
	if h.origins.allow(w, r) { // before the key: browsers send none with a preflight
		return
	}
	if err := x.authenticate(); err != nil {
		x.fail(err)
		return
	}
	switch {
	case x.signal == otlp.Count:
		x.refuse(http.StatusNotFound, notFound, fmt.Sprintf("no such path: %s; want /v1/traces, /v1/metrics or /v1/logs", r.URL.Path))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		x.refuse(http.StatusMethodNotAllowed, wrongMethod, "want POST")
	case !known:
		x.fail(fault.New(fault.Unsupported, x.op, "content type %q: want %s or %s", r.Header.Get("Content-Type"), protobufType, jsonType))
	default:
		x.op = "receive " + x.signal.String() + " over HTTP"
		x.answer(x.take(x.signal))
	}
}

// authenticate refuses a request without a key, before its body is read and before anything
// else is told.
func (x *exchange) authenticate() error {
	keys := x.of.guard.keys
	if keys == nil {
		return nil
	}
	err := keys.Check(x.r.Header.Get(secure.APIKeyHeader), x.r.Header.Get(secure.AuthorizationHeader))
	if err != nil {
		for _, challenge := range keys.Challenge() {
			x.w.Header().Add("WWW-Authenticate", challenge)
		}
	}
	return err
}

func (x *exchange) answer(err error) {
	if partial, ok := errors.AsType[*fault.PartialError](err); ok {
		x.write(http.StatusOK, x.media.partial(x.signal, partial))
		return
	}
	if err != nil {
		x.fail(err)
		return
	}
	x.write(http.StatusOK, x.media.success())
}

// take reads the body and hands it to the acceptor.
func (x *exchange) take(signal otlp.Signal) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(x.of.logger, x.op, value)
		}
	}()
	if x.of.draining.Err() != nil {
		return closing(x.op)
	}
	account := x.of.bodies.account()
	defer account.close()
	b := x.of.bodies.get(&account)
	defer b.free()
	if err := x.read(b); err != nil {
		return err
	}
	if x.media == jsonMedia {
		return x.takeJSON(signal, b)
	}
	return x.of.acceptor.Accept(x.r.Context(), signal, b.data)
}

// takeJSON makes protobuf of the document. Its buffer is paid for in part before, since a kept
// one has its capacity already, and as it grows.
func (x *exchange) takeJSON(signal otlp.Signal, document *body) error {
	b := x.of.bodies.get(document.account)
	defer b.free()
	if err := b.charge(int64(min(len(document.data), cap(b.data)))); err != nil {
		return err
	}
	message, err := otlpjson.ToProto(b.data, signal, document.data, otlpjson.Allowance{Limit: b.of.limit, Take: b.account.take})
	if err != nil {
		return err
	}
	b.data = message
	return x.of.acceptor.Accept(x.r.Context(), signal, b.data)
}

// read fills b with the inflated body.
func (x *exchange) read(b *body) error {
	header := strings.Join(x.r.Header.Values("Content-Encoding"), ",")
	coding, ok := x.of.inflater.known(header)
	if !ok {
		x.w.Header().Set("Accept-Encoding", acceptedCodings)
		return fault.New(fault.Unsupported, x.op, "content encoding %q: want one of %s", header, acceptedCodings)
	}
	if x.r.ContentLength > b.of.limit {
		return tooLarge(b.of.limit)
	}
	// The bound on what is sent as well: empty gzip members inflate to nothing, without end.
	bounded := http.MaxBytesReader(x.w, x.r.Body, b.of.limit)
	if err := x.of.inflater.inflate(b, coding, &pacedReader{from: bounded, control: x.control, start: time.Now()}); err != nil {
		return x.readFault(err, b.of.limit)
	}
	_ = x.control.SetReadDeadline(time.Time{}) // one that passes would end the request's context
	return nil
}

// readFault is the fault of a body that could not be read; never one of ours.
func (x *exchange) readFault(err error, limit int64) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(limit)
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return fault.New(fault.Timeout, x.op, "the body came too slowly")
	}
	return fault.New(fault.Invalid, x.op, "the body ended early or is badly framed: %w", err)
}

const (
	bodyGrace = 30 * time.Second
	bodyRate  = 32 << 10 // bytes a second that a body has to come at, after the grace
)

// patience is how long after its start a body may still come of which so much has been read.
func patience(grace time.Duration, read int64) time.Duration {
	return grace + time.Duration(read/bodyRate)*time.Second
}

// pacedReader moves the read deadline as bytes come: a slow link may take its time for
// a large body, a client that sends a byte a second may not.
type pacedReader struct {
	from     io.Reader
	control  *http.ResponseController
	start    time.Time
	read     int64
	deadline time.Duration // after start, as last set
}

func (p *pacedReader) Read(b []byte) (int, error) {
	wanted := patience(bodyGrace, p.read)
	if wanted != p.deadline {
		p.deadline = wanted
		_ = p.control.SetReadDeadline(p.start.Add(wanted))
	}
	n, err := p.from.Read(b)
	p.read += int64(n)
	return n, err
}

// media is the encoding of a request and so of its answer.
type media uint8

const (
	protobufMedia media = iota
	jsonMedia
)

const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// mediaOf reads a Content-Type; one that is not spoken is answered in JSON, which can be read.
func mediaOf(header string) (m media, known bool) {
	if header == protobufType { // nearly always
		return protobufMedia, true
	}
	name, _, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return jsonMedia, false
	}
	switch name {
	case protobufType, "application/protobuf":
		return protobufMedia, true
	case jsonType:
		return jsonMedia, true
	}
	return jsonMedia, false
}
