// Command flightplain is a plain Arrow Flight server, to compare with: it keeps the record batches
// of data files in memory and sends them as arrow-go's Flight package does, uncompressed.
//
//	flightplain -addr 127.0.0.1:0 FILE...
//
// It prints its address, and on SIGTERM how many bytes of messages it sent.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	flag.Parse()
	if err := run(*addr, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(addr string, paths []string) error {
	s := &server{}
	for _, path := range paths {
		if err := s.load(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	rpc := grpc.NewServer()
	flight.RegisterFlightServiceServer(rpc, s)
	go func() {
		<-stop
		rpc.Stop()
	}()
	fmt.Println(listener.Addr())
	err = rpc.Serve(listener)
	fmt.Println(s.sent.Load())
	return err
}

// server serves the batches of one table.
type server struct {
	flight.BaseFlightServer
	batches []arrow.RecordBatch
	sent    atomic.Int64
}

func (s *server) load(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader, err := ipc.NewReader(file)
	if err != nil {
		return err
	}
	for reader.Next() {
		reader.RecordBatch().Retain()
		s.batches = append(s.batches, reader.RecordBatch())
	}
	return nil // what stands behind the last batch is no message, which the reader calls an error
}

// DoGet sends everything, whatever the ticket.
func (s *server) DoGet(_ *flight.Ticket, stream flight.FlightService_DoGetServer) error {
	w := flight.NewRecordWriter(counted{stream, &s.sent}, ipc.WithSchema(s.batches[0].Schema()))
	for _, batch := range s.batches {
		if err := w.Write(batch); err != nil {
			return err
		}
	}
	return w.Close()
}

// counted counts the messages' bytes.
type counted struct {
	flight.FlightService_DoGetServer
	sent *atomic.Int64
}

func (c counted) Send(d *flight.FlightData) error {
	c.sent.Add(int64(proto.Size(d)))
	return c.FlightService_DoGetServer.Send(d)
}
