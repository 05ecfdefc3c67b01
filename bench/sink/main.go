// Command sink takes OTLP requests over gRPC, forgets them, and prints how many items they had when it is
// told to end.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// rawCodec gives messages as they are on the wire; an answer has no bytes.
type rawCodec struct{}

func (rawCodec) Name() string                         { return "proto" }
func (rawCodec) Marshal(any) (mem.BufferSlice, error) { return nil, nil }

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	body, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	*body = data.Materialize()
	return nil
}

// field is one that holds what is to be counted, or the next message on the way to it.
type field []protowire.Number

// paths lead to the items of a service's requests: spans, data points of gauges, sums, histograms and so on,
// log records.
var paths = map[string][]field{
	"trace": {{1}, {2}, {2}}, "metrics": {{1}, {2}, {2}, {5, 7, 9, 10, 11}, {1}}, "logs": {{1}, {2}, {2}},
}

// pathOf is a method's, which begins with "/opentelemetry.proto.collector." and the service.
func pathOf(method string) []field {
	parts := strings.Split(method, ".")
	if len(parts) < 4 {
		return nil
	}
	return paths[parts[3]]
}

// items counts what is at the end of a path.
func items(message []byte, path []field) (n uint64) {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return n
		}
		message = message[size:]
		if kind != protowire.BytesType || !slices.Contains(path[0], number) {
			if size = protowire.ConsumeFieldValue(number, kind, message); size < 0 {
				return n
			}
			message = message[size:]
			continue
		}
		value, size := protowire.ConsumeBytes(message)
		if size < 0 {
			return n
		}
		message = message[size:]
		if len(path) == 1 {
			n++
		} else {
			n += items(value, path[1:])
		}
	}
	return n
}

func main() {
	address := flag.String("addr", "127.0.0.1:4317", "where to listen")
	flag.Parse()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
	var taken, requests atomic.Uint64
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var body []byte
		if err := stream.RecvMsg(&body); err != nil {
			return err
		}
		method, _ := grpc.MethodFromServerStream(stream)
		path := pathOf(method)
		if path == nil {
			return status.Error(codes.Unimplemented, method)
		}
		taken.Add(items(body, path))
		requests.Add(1)
		return stream.SendMsg(nil)
	}))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		server.GracefulStop()
	}()
	_ = server.Serve(listener) // it ends with the signal
	fmt.Printf("{\"items\": %d, \"requests\": %d}\n", taken.Load(), requests.Load())
}
