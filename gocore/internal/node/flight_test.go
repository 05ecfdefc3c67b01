package node

import (
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestFlight: what was accepted is read over Flight at once, sent back, and counted both ways.
func TestFlight(t *testing.T) {
	n := start(t, watched(t))
	if err := n.Accept(t.Context(), otlp.Logs, sample.New(1, 1).Body("logs", 10)); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(n.Endpoints()["arrow"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := flight.NewFlightServiceClient(conn)
	stream, err := client.DoGet(t.Context(), &flight.Ticket{Ticket: []byte("logs")})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := flight.NewRecordReader(stream)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	put, err := client.DoPut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	writer := flight.NewRecordWriter(put, ipc.WithSchema(reader.Schema()))
	writer.SetFlightDescriptor(&flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{"logs"}})
	rows := int64(0)
	for reader.Next() {
		rows += reader.RecordBatch().NumRows()
		if err := writer.Write(reader.RecordBatch()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(reader.Err(), put.CloseSend()); err != nil || rows != 10 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	for err == nil {
		_, err = put.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	bad, err := client.DoGet(t.Context(), &flight.Ticket{Ticket: []byte(`{"signal":"logs","columns":["x"]}`)})
	if err == nil {
		_, err = bad.Recv()
	}
	if err == nil {
		t.Error("a column that is not there is read")
	}
	values := scrape(t, n)
	for name, want := range map[string]float64{
		`flight_reads_total{result="ok",signal="logs"}`: 1, `flight_reads_total{result="failed",signal="logs"}`: 1,
		`receiver_accepted_items_total{signal="logs",transport="flight"}`: 10,
	} {
		if got := values[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if sent := values[`flight_sent_bytes_total{signal="logs"}`]; sent < 1000 {
		t.Errorf("%v bytes were sent", sent)
	}
}
