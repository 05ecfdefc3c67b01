// Package h2 serves gRPC over HTTP/2, for calls that are one message and one answer. It takes
// most of a small call's cost away: a general server hands a call from the goroutine that reads
// the connection to one that works on it, and its answer to one that writes.
//
//	connection ─> frames ─┬─> Call: Room, Came ... End ─> status     on the reading goroutine
//	                      └─> http.Handler                           streams, all other methods
//
// A connection has one goroutine, which reads. It works on a call itself if the connection has
// nothing more to read; if that takes long, another one goes on reading:
//
//	reading ──(call is whole)──> working ──(done)──> reading
//	                                └──(tick: too long)──> lost ──(done)──> ends
//
// Who has something to write takes the writer's lock and writes. So a peer that does not read
// what it caused to be written is not read from either, and nothing queues up.
//
// Frames and header compression are those of golang.org/x/net/http2; what is here is the life of
// connections and streams, their flow control, and their limits:
// https://www.rfc-editor.org/rfc/rfc9113, https://github.com/grpc/grpc/blob/v1.76.0/doc/PROTOCOL-HTTP2.md
package h2
