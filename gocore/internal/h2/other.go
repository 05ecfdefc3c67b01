package h2

import (
	"context"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serveOther serves a stream as a request of HTTP.
func (c *conn) serveOther(s *stream) {
	defer func() { _ = s.body.Close() }()
	w := &responder{stream: s, header: http.Header{}}
	ctx, cancel := context.WithCancel(&s.ctx)
	if c.handle(w, c.request(ctx, s)) {
		w.finish()
	} else {
		c.writer.reset(s.id, http2.ErrCodeInternal)
	}
	cancel()
	c.mu.Lock()
	early := !s.ended && !s.over
	if early {
		c.early.add(s.id)
	}
	s.over = true
	delete(c.streams, s.id)
	c.mu.Unlock()
	s.ctx.end(context.Canceled)
	if early {
		c.writer.reset(s.id, http2.ErrCodeNo)
	}
	c.mu.Lock()
	s.running = false
	c.releaseLocked(s)
	c.mu.Unlock()
}

// handle is false after a panic: it may cost a stream, not the process.
func (c *conn) handle(w http.ResponseWriter, r *http.Request) (done bool) {
	defer func() {
		if cause := recover(); cause != nil {
			c.server.Log.Error("panic in a handler", "path", r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
		}
	}()
	c.server.Other.ServeHTTP(w, r)
	return true
}

func (c *conn) request(ctx context.Context, s *stream) *http.Request {
	header := make(http.Header, len(s.head.fields))
	for _, field := range s.head.fields {
		header.Add(field.Name, field.Value)
	}
	path, query, _ := strings.Cut(s.head.Path, "?")
	r := &http.Request{
		Method: s.head.method, URL: &url.URL{Path: path, RawQuery: query}, Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Body: s.body, ContentLength: -1, Host: s.head.authority,
		RemoteAddr: c.raw.RemoteAddr().String(), RequestURI: s.head.Path, TLS: c.tls,
	}
	return r.WithContext(ctx)
}

// responder answers one request.
type responder struct {
	stream *stream
	header http.Header
	begun  bool
	// trailers are the names that the handler gives values at the end.
	trailers []string
}

// Header is what is sent before the first byte; http.TrailerPrefix is for what comes at the end.
func (w *responder) Header() http.Header { return w.header }

// WriteHeader sends the headers.
func (w *responder) WriteHeader(code int) {
	if w.begun || code < http.StatusOK { // what is only said by the way is not needed here
		return
	}
	w.begun = true
	for _, names := range w.header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			w.trailers = append(w.trailers, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	fields := []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(code)}}
	for name, values := range w.header {
		if name != "Trailer" && !strings.HasPrefix(name, http.TrailerPrefix) && !slices.Contains(w.trailers, name) {
			fields = appendFields(fields, name, values)
		}
	}
	w.write(false, fields)
}

func appendFields(fields []hpack.HeaderField, name string, values []string) []hpack.HeaderField {
	for _, value := range values {
		fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: value})
	}
	return fields
}

func (w *responder) write(end bool, fields []hpack.HeaderField) {
	c := w.stream.conn
	c.mu.Lock()
	gone := w.stream.over || c.closed
	c.forgiven = true
	c.mu.Unlock()
	if gone {
		return
	}
	c.writer.mu.Lock()
	c.writer.headersLocked(w.stream.id, end, fields...)
	c.writer.flush()
}

// Write sends data, when the peer takes it.
func (w *responder) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if err := w.stream.conn.sendData(w.stream, data); err != nil {
		return 0, err
	}
	return len(data), nil
}

// Flush has nothing to do but to send the headers: nothing is held back.
func (w *responder) Flush() { w.WriteHeader(http.StatusOK) }

// finish sends the trailers.
func (w *responder) finish() {
	w.WriteHeader(http.StatusOK)
	var fields []hpack.HeaderField
	for name, values := range w.header {
		if rest, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			fields = appendFields(fields, rest, values)
		} else if slices.Contains(w.trailers, name) {
			fields = appendFields(fields, name, values)
		}
	}
	w.write(true, fields)
}
