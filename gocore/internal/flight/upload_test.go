package flight

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	arrowflight "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// sent keeps what the reference's writer sends, as messages.
type sent struct{ messages [][]byte }

func (s *sent) Send(d *arrowflight.FlightData) error {
	message, err := proto.Marshal(d)
	s.messages = append(s.messages, message)
	return err
}

// upload is what the reference sends of batches.
func upload(t testing.TB, batches []arrow.RecordBatch, options ...ipc.Option) [][]byte {
	t.Helper()
	var out sent
	w := arrowflight.NewRecordWriter(&out, append(options, ipc.WithSchema(batches[0].Schema()))...)
	for _, batch := range batches {
		if err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.messages
}

// replay is a Source of messages whose memory is spoilt when the next is asked for.
type replay struct {
	messages [][]byte
	current  []byte
}

func (r *replay) Next() (Data, error) {
	for i := range r.current {
		r.current[i] = 0xff
	}
	if len(r.messages) == 0 {
		return Data{}, io.EOF
	}
	r.current, r.messages = bytes.Clone(r.messages[0]), r.messages[1:]
	return ParseData(r.current)
}

// purse is a Budget that counts.
type purse struct{ held, most int64 }

func (p *purse) Take(bytes int64) error {
	if p.most > 0 && p.held+bytes > p.most {
		return fault.New(fault.Overloaded, "", "nothing is left")
	}
	p.held += bytes
	return nil
}

func (p *purse) Give(bytes int64) { p.held -= bytes }

// bodies are the requests of an upload.
func bodies(signal otlp.Signal, source Source, limit int64, budget *purse) (all [][]byte, err error) {
	u := NewUpload(signal, source, Limits{StreamBytes: 2 * limit, BatchBytes: limit}, budget)
	defer u.Close()
	if _, err := u.Schema(); err != nil {
		return nil, err
	}
	for {
		batch, err := u.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			return all, err
		}
		for from := 0; from < int(batch.NumRows()); {
			rows, _, err := Part(batch, from, limit)
			if err != nil {
				return all, err
			}
			part := batch.NewSlice(int64(from), int64(from+rows))
			body, err := encode.Batch(nil, signal, part)
			part.Release()
			if err != nil {
				return all, err
			}
			all = append(all, body)
			from += rows
		}
	}
}

func batchOf(t testing.TB, signal otlp.Signal, requests ...[]byte) arrow.RecordBatch {
	t.Helper()
	table := decode.New(signal)
	for _, body := range requests {
		if err := table.Decode(body); err != nil {
			t.Fatal(err)
		}
	}
	return table.Batch()
}

const roomy = 64 << 20

// TestUpload: what the reference's writer sends comes back as the requests it was made of.
func TestUpload(t *testing.T) {
	maker := sample.New(1, 1_700_000_000_000_000_000)
	for _, signal := range otlp.Signals {
		for name, options := range map[string][]ipc.Option{"plain": nil, "lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}} {
			t.Run(signal.String()+" "+name, func(t *testing.T) {
				requests := [][]byte{maker.Body(signal.String(), 300), maker.Body(signal.String(), 300)}
				batches := []arrow.RecordBatch{batchOf(t, signal, requests[0]), batchOf(t, signal, requests[1])}
				budget := &purse{}
				got, err := bodies(signal, &replay{messages: upload(t, batches, options...)}, roomy, budget)
				if err != nil || len(got) != 2 || budget.held != 0 {
					t.Fatalf("%d requests, %v; %d bytes are held", len(got), err, budget.held)
				}
				for i, body := range got {
					expectSame(t, signal, requests[i], body)
				}
			})
		}
	}
}

func expectSame(t rapid.TB, signal otlp.Signal, want, got []byte) {
	a, err := normal.Form(signal, want)
	if err != nil {
		t.Fatal(err)
	}
	b, err := normal.Form(signal, got)
	if err != nil {
		t.Fatal(err)
	}
	if !normal.Equal(a, b) {
		t.Fatalf("came back different\nwant %v\n got %v", a, b)
	}
}

// TestUploadOfEverything: requests of every shape.
func TestUploadOfEverything(t *testing.T) {
	for _, signal := range otlp.Signals {
		t.Run(signal.String(), func(t *testing.T) {
			table := decode.New(signal)
			rapid.Check(t, func(rt *rapid.T) {
				body, err := proto.Marshal(otlpgen.Request(rt, signal))
				if err != nil {
					rt.Fatal(err)
				}
				if err := table.Decode(body); err != nil {
					rt.Fatal(err)
				}
				defer table.Reset()
				got, err := bodies(signal, &replay{messages: upload(t, []arrow.RecordBatch{table.Batch()})}, roomy, &purse{})
				if err != nil {
					rt.Fatal(err)
				}
				expectSame(rt, signal, body, bytes.Join(got, nil))
			})
		})
	}
}

// TestParts: a batch becomes several requests where one would be too large, also by what a
// dictionary lets grow, and a row that is too large alone is told.
func TestParts(t *testing.T) {
	const rows, limit = 1000, 1 << 20
	request := sample.New(1, 1).Body("logs", rows)
	batch := batchOf(t, otlp.Logs, request)
	got, err := bodies(otlp.Logs, &replay{messages: upload(t, []arrow.RecordBatch{batch})}, limit, &purse{})
	if err != nil || len(got) < 2 {
		t.Fatalf("%d requests: %v", len(got), err)
	}
	expectSame(t, otlp.Logs, request, bytes.Join(got, nil))

	letters := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "body_type", Type: arrow.BinaryTypes.String}}, nil))
	for range partRows + 1 {
		letters.Field(0).(*array.StringBuilder).Append("-")
	}
	got, err = bodies(otlp.Logs, &replay{messages: upload(t, []arrow.RecordBatch{letters.NewRecordBatch()})}, roomy, &purse{})
	if err != nil || len(got) != 2 {
		t.Errorf("%d requests: %v", len(got), err)
	}

	big := arrow.NewSchema([]arrow.Field{{Name: "body_type", Type: schema.Text}, {Name: "body", Type: schema.Text}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, big)
	for range rows {
		for i, text := range []string{"s", strings.Repeat("x", 100<<10)} {
			if err := builder.Field(i).(*array.BinaryDictionaryBuilder).AppendString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	messages := upload(t, []arrow.RecordBatch{builder.NewRecordBatch()})
	got, err = bodies(otlp.Logs, &replay{messages: messages}, limit, &purse{})
	if err != nil || len(got) != rows/2 {
		t.Errorf("%d requests: %v", len(got), err)
	}
	_, err = bodies(otlp.Logs, &replay{messages: messages}, limit/4, &purse{})
	if fault.KindOf(err) != fault.TooLarge || !strings.Contains(err.Error(), "row 0") {
		t.Errorf("a row that is too large: %v", err)
	}
}

func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

// record is a batch of one row of zeros, or of nothing where the type is not simple.
func record(fields ...arrow.Field) arrow.RecordBatch {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, column := range builder.Fields() {
		column.AppendEmptyValue()
	}
	return builder.NewRecordBatch()
}

// TestRefused: an error names the column.
func TestRefused(t *testing.T) {
	text := arrow.BinaryTypes.String
	for want, batch := range map[string]arrow.RecordBatch{
		"atributes: the table of logs has no such column": record(field("body_type", text), field("atributes", text)),
		"body: the column is there twice":                 record(field("body_type", text), field("body", text), field("body", text)),
		"no column body_type":                             record(field("body", text)),
		"body_type: a type that cannot be read here":      record(field("body_type", arrow.PrimitiveTypes.Int64)),
		"body: type null is not known here":               record(field("body_type", text), field("body", arrow.Null)),
	} {
		_, err := bodies(otlp.Logs, &replay{messages: upload(t, []arrow.RecordBatch{batch})}, roomy, &purse{})
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestPromotedColumnsAreLeftOut: they are copies of what is in the attributes.
func TestPromotedColumnsAreLeftOut(t *testing.T) {
	promoted := field("http_route", arrow.BinaryTypes.String)
	promoted.Metadata = arrow.NewMetadata([]string{schema.PromotedFrom}, []string{"attributes[http.route]"})
	batch := record(field("body_type", arrow.BinaryTypes.String), promoted)
	if _, err := bodies(otlp.Logs, &replay{messages: upload(t, []arrow.RecordBatch{batch})}, roomy, &purse{}); err == nil {
		t.Error("an empty letter is no type of a body") // and the promoted column is none of the reasons
	} else if strings.Contains(err.Error(), "http_route") {
		t.Error(err)
	}
}

// TestUploadLimits: memory is asked for before it is used, and given back.
func TestUploadLimits(t *testing.T) {
	batch := batchOf(t, otlp.Logs, sample.New(1, 1).Body("logs", 5000))
	for name, c := range map[string]struct {
		limit int64
		purse int64
		kind  fault.Kind
		text  string
	}{
		"a message":  {64 << 10, 0, fault.TooLarge, "max_request_bytes"},
		"the budget": {roomy, 1 << 10, fault.Overloaded, "nothing is left"},
	} {
		for _, option := range []ipc.Option{ipc.WithLZ4(), ipc.WithZstd()} {
			budget := &purse{most: c.purse}
			_, err := bodies(otlp.Logs, &replay{messages: upload(t, []arrow.RecordBatch{batch}, option)}, c.limit, budget)
			if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) || budget.held != 0 {
				t.Errorf("%s: %v; %d bytes are held", name, err, budget.held)
			}
		}
	}
}

// TestStreamLimit: the dictionaries of a stream are all that it keeps, and they are bounded.
func TestStreamLimit(t *testing.T) {
	messages := upload(t, []arrow.RecordBatch{batchOf(t, otlp.Logs, sample.New(1, 1).Body("logs", 5000))})
	budget := &purse{}
	u := NewUpload(otlp.Logs, &replay{messages: messages}, Limits{StreamBytes: 1 << 10, BatchBytes: roomy}, budget)
	defer u.Close()
	if _, err := u.Schema(); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Next(); fault.KindOf(err) != fault.TooLarge || !strings.Contains(err.Error(), "more than 1024 bytes") {
		t.Errorf("%v", err)
	}
}

// TestBrokenStreams: each prefix of a stream and each message that is left out is an error, or
// fewer rows.
func TestBrokenStreams(t *testing.T) {
	messages := upload(t, []arrow.RecordBatch{batchOf(t, otlp.Traces, sample.New(1, 1).Body("traces", 3))})
	for n := range messages {
		got, err := bodies(otlp.Traces, &replay{messages: messages[:n]}, roomy, &purse{})
		if n > 1 && n < len(messages)-1 && err == nil || len(got) != 0 {
			t.Errorf("%d of %d messages: %d requests, %v", n, len(messages), len(got), err)
		}
		left := append(append([][]byte(nil), messages[:n]...), messages[n+1:]...)
		if got, err := bodies(otlp.Traces, &replay{messages: left}, roomy, &purse{}); err == nil && len(got) > 0 {
			t.Errorf("without message %d: %d requests", n, len(got))
		}
	}
	metadata := [][]byte{messages[0], AppendResult(nil, nil)[:0]}
	if _, err := bodies(otlp.Traces, &replay{messages: append(metadata, messages[1:]...)}, roomy, &purse{}); err != nil {
		t.Errorf("a message with nothing in it: %v", err)
	}
}

// TestLongHead: a head's vectors take memory before they are looked at, so it may not be long.
func TestLongHead(t *testing.T) {
	batch := record(field("body_type", arrow.BinaryTypes.String))
	messages := upload(t, []arrow.RecordBatch{batch})
	d, err := ParseData(messages[0])
	if err != nil {
		t.Fatal(err)
	}
	long := append(bytes.Clone(d.Header), make([]byte, maxHead)...)
	if _, err := bodies(otlp.Logs, &replay{messages: [][]byte{AppendHeader(nil, long)}}, roomy, &purse{}); !errors.Is(err, errMessage) {
		t.Errorf("%v", err)
	}
}

// frames joins messages, each behind its length.
func frames(messages [][]byte) (all []byte) {
	for _, m := range messages {
		all = append(binary.AppendUvarint(all, uint64(len(m))), m...)
	}
	return all
}

// framed is a Source of such bytes.
type framed struct{ rest []byte }

func (f *framed) Next() (Data, error) {
	if len(f.rest) == 0 {
		return Data{}, io.EOF
	}
	size, n := binary.Uvarint(f.rest)
	if n <= 0 {
		return Data{}, io.EOF
	}
	f.rest = f.rest[n:]
	size = min(size, uint64(len(f.rest)))
	message := f.rest[:size:size]
	f.rest = f.rest[size:]
	return ParseData(message)
}

// ask reads what else a client may send.
func ask(t *testing.T, message []byte) {
	_ = Password(message)
	_, bad := ParseHandshake(message)
	d, err := ParseDescriptor(message)
	if err == nil {
		_, err = d.Selection()
	}
	selection, wrong := ParseSelection(message)
	for _, err := range []error{bad, err, wrong} {
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	}
	if again, err := ParseSelection(selection.Ticket()); wrong == nil && (err != nil || !same(again, selection)) {
		t.Errorf("%s became %s: %v", message, selection.Ticket(), err)
	}
}

// FuzzFlight: whatever a client sends is an error of its own, or becomes requests within the
// limit; memory is within its bounds and given back.
func FuzzFlight(f *testing.F) {
	maker := sample.New(1, 1_700_000_000_000_000_000)
	for _, signal := range otlp.Signals {
		for _, options := range [][]ipc.Option{nil, {ipc.WithLZ4()}, {ipc.WithZstd()}} {
			f.Add(uint8(signal), frames(upload(f, []arrow.RecordBatch{batchOf(f, signal, maker.Body(signal.String(), 3))}, options...)))
		}
	}
	small := arrow.NewSchema([]arrow.Field{{Name: "body_type", Type: schema.Text}, {Name: "body", Type: arrow.BinaryTypes.LargeString},
		{Name: "attributes", Type: schema.Attrs}, {Name: "attribute_types", Type: arrow.BinaryTypes.String}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, small)
	for range 3 {
		_ = builder.Field(0).(*array.BinaryDictionaryBuilder).AppendString("s")
		builder.Field(1).(*array.LargeStringBuilder).Append("text")
		builder.Field(2).AppendEmptyValue()
		builder.Field(3).(*array.StringBuilder).Append("")
	}
	f.Add(uint8(otlp.Logs), frames(upload(f, []arrow.RecordBatch{builder.NewRecordBatch()})))
	f.Add(uint8(0), []byte(`{"signal": "logs", "since": 5, "until": "2026-01-02T03:04:05Z", "service": ["a"], "columns": []}`))
	f.Add(uint8(0), AppendPath(nil, "logs"))
	const limit = 1 << 20
	tables := [otlp.Count]*decode.Table{}
	for _, s := range otlp.Signals {
		tables[s] = decode.New(s)
	}
	f.Fuzz(func(t *testing.T, which uint8, stream []byte) {
		signal := otlp.Signal(which % otlp.Count)
		ask(t, stream)
		budget := &purse{}
		all, err := bodies(signal, &framed{bytes.Clone(stream)}, limit, budget)
		if budget.held != 0 {
			t.Errorf("%d bytes are held", budget.held)
		}
		if err != nil && fault.KindOf(err) == fault.Internal {
			t.Errorf("%v", err)
		}
		for _, body := range all {
			if len(body) > limit {
				t.Errorf("a request of %d bytes", len(body))
			}
			if err := tables[signal].Decode(body); err != nil && fault.KindOf(err) == fault.Internal {
				t.Errorf("%v", err)
			}
			tables[signal].Reset()
		}
	})
}
