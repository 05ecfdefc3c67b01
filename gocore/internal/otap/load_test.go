package otap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/flatbuf"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// TestCompressions has the same record with its buffers in every way that Arrow has.
func TestCompressions(t *testing.T) {
	long := strings.Repeat("text", 100)
	p := part{Logs, []arrow.Field{nullable("id", u16), nullable("severity_text", utf8Type), nullable("event_name", dictOf(u8, utf8Type))},
		`[{"id":0,"severity_text":"` + long + `","event_name":"` + long + `"},{"id":1,"severity_text":null,"event_name":"e"}]`}
	want := `resource_logs { resource {} scope_logs { scope {} log_records { severity_text: "` + long + `" event_name: "` + long + `" } log_records { event_name: "e" } } }`
	for name, options := range map[string][]ipc.Option{"none": nil, "zstd": {ipc.WithZstd()}, "lz4": {ipc.WithLZ4()}} {
		t.Run(name, func(t *testing.T) {
			c := testConsumer(t, otlp.Logs)
			record := stream(t, p, options...)
			expect(t, c, appendPayload(nil, Logs, "1", record), want)
			expect(t, c, appendPayload(nil, Logs, "1", record), want)
		})
	}
}

// TestDamagedBuffers: of a compressed record each byte in turn is another.
func TestDamagedBuffers(t *testing.T) {
	p := part{Logs, []arrow.Field{nullable("severity_text", utf8Type)}, `[{"severity_text":"` + strings.Repeat("text", 100) + `"}]`}
	for _, option := range []ipc.Option{ipc.WithLZ4(), ipc.WithZstd()} {
		record, refused := stream(t, p, option), 0
		for at := len(record) - batchLength(t, record); at < len(record); at++ {
			bad := slices.Clone(record)
			bad[at] ^= 0x5a
			_, _, err := testConsumer(t, otlp.Logs).Consume(appendPayload(nil, Logs, "1", bad))
			if kind := fault.KindOf(err); err != nil && kind != fault.Invalid && kind != fault.TooLarge {
				t.Errorf("byte %d: %v", at, err)
			}
			if err != nil {
				refused++
			}
		}
		if refused < 50 {
			t.Errorf("%d refused", refused)
		}
	}
}

// TestEveryType has numbers of every width, and texts of every kind.
func TestEveryType(t *testing.T) {
	signed := []arrow.DataType{arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, i32, i64}
	for _, typ := range append(signed, u8, u16, u32, arrow.PrimitiveTypes.Uint64) {
		for _, plain := range []bool{true, false} {
			least := -7
			if !slices.Contains(signed, typ) {
				least = 7
			}
			column := typ
			if !plain {
				column = dictOf(typ, i32)
			}
			expect(t, testConsumer(t, otlp.Logs), message(t, 1, part{Logs, []arrow.Field{nullable("severity_number", column)},
				fmt.Sprintf(`[{"severity_number":5},{"severity_number":null},{"severity_number":%d}]`, least)}),
				fmt.Sprintf(`resource_logs { resource {} scope_logs { scope {} log_records { severity_number: 5 } log_records {} log_records { severity_number: %d } } }`, least))
		}
	}
	for _, typ := range []arrow.DataType{arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary, dictOf(u16, arrow.BinaryTypes.Binary)} {
		body := arrow.StructOf(nullable("type", u8), nullable("bytes", typ))
		expect(t, testConsumer(t, otlp.Logs), message(t, 1, part{Logs, []arrow.Field{nullable("body", body)},
			`[{"body":{"type":7,"bytes":"AQID"}},{"body":{"type":7,"bytes":""}},{"body":null},{"body":{"type":7,"bytes":"BA=="}}]`}),
			`resource_logs { resource {} scope_logs { scope {} log_records { body { bytes_value: "\x01\x02\x03" } }
			log_records { body { bytes_value: "" } } log_records {} log_records { body { bytes_value: "\x04" } } } }`)
	}
	for _, typ := range []arrow.DataType{utf8Type, arrow.BinaryTypes.LargeString, dictOf(i64, utf8Type)} {
		expect(t, testConsumer(t, otlp.Logs), message(t, 1, part{Logs, []arrow.Field{nullable("severity_text", typ)}, `[{"severity_text":"a"},{"severity_text":null},{"severity_text":""},{"severity_text":"bc"}]`}),
			`resource_logs { resource {} scope_logs { scope {} log_records { severity_text: "a" } log_records {} log_records {} log_records { severity_text: "bc" } } }`)
	}
	for _, typ := range []arrow.DataType{fixedType(8), dictOf(u8, fixedType(8)), arrow.BinaryTypes.Binary} {
		expect(t, testConsumer(t, otlp.Logs), message(t, 1, part{Logs, []arrow.Field{nullable("span_id", typ)}, `[{"span_id":"AQIDBAUGBwg="},{"span_id":null}]`}),
			`resource_logs { resource {} scope_logs { scope {} log_records { span_id: "\x01\x02\x03\x04\x05\x06\x07\x08" } log_records {} } }`)
	}
}

// TestOtherColumns: what no table has is passed over, whatever its type.
func TestOtherColumns(t *testing.T) {
	row := `"null":null,"half":1.5,"float":1.5,"decimal":"1.5","date":"2020-01-01","list":[{"a":1,"b":[2]}],"fixed":[1,2],"map":[{"key":"k","value":1}]`
	fields := []arrow.Field{nullable("null", arrow.Null), nullable("half", arrow.FixedWidthTypes.Float16), nullable("float", arrow.PrimitiveTypes.Float32),
		nullable("decimal", &arrow.Decimal128Type{Precision: 10, Scale: 2}), nullable("date", arrow.FixedWidthTypes.Date32),
		nullable("list", arrow.ListOf(arrow.StructOf(nullable("a", u8), nullable("b", arrow.LargeListOf(u8))))),
		nullable("fixed", arrow.FixedSizeListOf(2, u8)), nullable("map", arrow.MapOf(utf8Type, u8)), nullable("event_name", utf8Type)}
	expect(t, testConsumer(t, otlp.Logs), message(t, 1, part{Logs, fields, `[{` + row + `,"event_name":"e"},{"event_name":"f"}]`}),
		`resource_logs { resource {} scope_logs { scope {} log_records { event_name: "e" } log_records { event_name: "f" } } }`)
	for _, f := range fields[:len(fields)-1] { // and where a table has a column of that name, its type is told
		f.Name = "event_name"
		_, _, err := testConsumer(t, otlp.Logs).Consume(message(t, 1, part{Logs, []arrow.Field{f}, `[{"event_name":null}]`}))
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Field != "LOGS.event_name" || !strings.Contains(err.Error(), "is of type") {
			t.Errorf("%s: %v", f.Type, err)
		}
	}
}

// TestPlacesOutside: a place outside the record is told with its column, unless its row is null, and
// the stream goes on.
func TestPlacesOutside(t *testing.T) {
	word := func(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
	event := nullable("event_name", utf8Type)
	points := []arrow.Field{nullable("parent_id", u16), nullable("explicit_bounds", arrow.ListOf(f64))}
	tests := map[string]struct {
		part     part
		old, new string
		field    string
	}{
		"an end beyond":    {part{Logs, []arrow.Field{event}, `[{"event_name":"abcdefgh"}]`}, word(0) + word(8), word(0) + word(9), "LOGS.event_name"},
		"a negative begin": {part{Logs, []arrow.Field{event}, `[{"event_name":"abcdefgh"}]`}, word(0) + word(8), word(1<<31) + word(8), "LOGS.event_name"},
		"an end before":    {part{Logs, []arrow.Field{event}, `[{"event_name":"abc"},{"event_name":"de"}]`}, word(0) + word(3) + word(5), word(0) + word(5) + word(3), "LOGS.event_name"},
		"an index beyond": {part{Logs, []arrow.Field{nullable("event_name", dictOf(u32, utf8Type))}, `[{"event_name":"a"},{"event_name":"b"}]`},
			word(0) + word(1), word(0) + word(2), "LOGS.event_name"},
		"a number's index beyond": {part{Logs, []arrow.Field{nullable("severity_number", dictOf(i32, i64))}, `[{"severity_number":1},{"severity_number":2}]`},
			word(0) + word(1), word(0) + word(1<<31), "LOGS.severity_number"},
		"a list beyond": {part{HistogramPoints, points, `[{"parent_id":0,"explicit_bounds":[1,2,3]}]`}, word(0) + word(3), word(0) + word(4), "HISTOGRAM_DATA_POINTS.explicit_bounds"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			signal, parts := otlp.Logs, []byte(nil)
			if tt.part.table == HistogramPoints {
				signal = otlp.Metrics
				parts = appendPayload(nil, UnivariateMetrics, "1", stream(t, part{UnivariateMetrics, []arrow.Field{nullable("id", u16), nullable("metric_type", u8)}, `[{"id":0,"metric_type":3}]`}))
			}
			good := stream(t, tt.part)
			at := bytes.LastIndex(good, []byte(tt.old))
			bad := slices.Concat(good[:at], []byte(tt.new), good[at+len(tt.old):])
			c := testConsumer(t, signal)
			_, _, err := c.Consume(appendPayload(slices.Clone(parts), tt.part.table, "1", bad))
			if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Invalid || e.Field != tt.field {
				t.Fatalf("%v, want a fault of %s", err, tt.field)
			}
			again := good[len(good)-batchLength(t, good):]
			if _, _, err := c.Consume(appendPayload(slices.Clone(parts), tt.part.table, "1", again)); err != nil {
				t.Errorf("the next batch: %v", err)
			}
		})
	}
}

// TestNullsMayPointAnywhere: what a null row's buffers say is nobody's concern.
func TestNullsMayPointAnywhere(t *testing.T) {
	word := func(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
	p := part{Logs, []arrow.Field{nullable("event_name", dictOf(u32, utf8Type)), nullable("severity_number", dictOf(u32, i64))},
		`[{"event_name":"a","severity_number":3},{"event_name":"b","severity_number":4},{"event_name":null,"severity_number":null}]`}
	record := stream(t, p)
	record = bytes.ReplaceAll(record, []byte(word(0)+word(1)+word(0)), []byte(word(0)+word(1)+word(77)))
	expect(t, testConsumer(t, otlp.Logs), appendPayload(nil, Logs, "1", record), `resource_logs { resource {} scope_logs { scope {}
	log_records { severity_number: 3 event_name: "a" } log_records { severity_number: 4 event_name: "b" } log_records {} } }`)
}

// heads gives where the heads of a stream's messages begin.
func heads(t *testing.T, record []byte) (all []int) {
	t.Helper()
	for at := 0; at < len(record); {
		kind, head, _, rest, err := cut(record[at:])
		if err != nil || kind == 0 {
			t.Fatal(err)
		}
		all = append(all, at+8)
		_, at = head, len(record)-len(rest)
	}
	return all
}

// TestShortRecords: fewer nodes, buffers, rows or bytes than the schema needs.
func TestShortRecords(t *testing.T) {
	p := part{Logs, []arrow.Field{nullable("time_unix_nano", i64), nullable("event_name", utf8Type), nullable("span_id", fixedType(8)), nullable("severity_number", dictOf(u16, i32))},
		`[{"time_unix_nano":1,"event_name":"e","span_id":"AQIDBAUGBwg=","severity_number":1},{"time_unix_nano":2,"event_name":"f","span_id":null,"severity_number":null},
		  {"time_unix_nano":3,"event_name":"e","span_id":"AQIDBAUGBwg=","severity_number":3}]`}
	good := stream(t, p)
	starts := heads(t, good)
	start := starts[len(starts)-1]
	f := flatbuf.New(good[start:])
	batch := f.Table(f.Field(f.Root(), messageHeader))
	nodes, n := f.Vector(f.Field(batch, batchNodes), pairBytes)
	buffers, m := f.Vector(f.Field(batch, batchBuffers), pairBytes)
	if n != 4 || m != 9 {
		t.Fatalf("%d nodes, %d buffers", n, m)
	}
	refused := func(name, field string, change func(b []byte)) {
		t.Helper()
		bad := slices.Clone(good)
		change(bad[start:])
		_, _, err := testConsumer(t, otlp.Logs).Consume(appendPayload(nil, Logs, "1", bad))
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Invalid || e.Field != field {
			t.Errorf("%s: %v, want a fault of %s", name, err, field)
		}
	}
	refused("three nodes", "LOGS", func(b []byte) { binary.LittleEndian.PutUint32(b[nodes-4:], 3) })
	refused("eight buffers", "LOGS", func(b []byte) { binary.LittleEndian.PutUint32(b[buffers-4:], 8) })
	for i, name := range []string{"time_unix_nano", "event_name", "span_id", "severity_number"} {
		refused("two rows of "+name, "LOGS."+name, func(b []byte) { binary.LittleEndian.PutUint64(b[nodes+i*pairBytes:], 2) })
	}
	for i, name := range []string{"", "time_unix_nano", "", "event_name", "", "span_id", "span_id", "severity_number", "severity_number"} {
		if name == "" {
			continue // of no validity, or that an absent one is as good as
		}
		refused(fmt.Sprintf("buffer %d", i), "LOGS."+name, func(b []byte) {
			if i == 5 || i == 7 { // bitmaps: one byte of three rows is enough, so there are more rows
				binary.LittleEndian.PutUint64(b[nodes+(i-1)/2*pairBytes:], 30)
				return
			}
			binary.LittleEndian.PutUint64(b[buffers+i*pairBytes+8:], 3)
		})
	}
}

// TestSchemas has what is wrong with a schema or a dictionary, and what is not.
func TestSchemas(t *testing.T) {
	two := part{Logs, []arrow.Field{nullable("event_name", dictOf(u8, utf8Type)), nullable("severity_text", dictOf(u8, utf8Type))}, `[{"event_name":"a","severity_text":"b"}]`}
	refused := func(name string, record []byte) {
		t.Helper()
		if _, _, err := testConsumer(t, otlp.Logs).Consume(appendPayload(nil, Logs, "1", record)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("a view", stream(t, part{Logs, []arrow.Field{nullable("event_name", arrow.BinaryTypes.StringView)}, `[{"event_name":"a"}]`}))

	// The second column's dictionary becomes the first one's, too.
	shared := func(p part) []byte {
		b := stream(t, p)
		f := flatbuf.New(b[8:])
		field := f.Tables(f.Field(f.Table(f.Field(f.Root(), messageHeader)), schemaFields))[1]
		id := f.Field(f.Table(f.Field(field, fieldDictionary)), dictionaryID)
		if f.Word(id) != 1 {
			t.Fatalf("dictionary %d", f.Word(id))
		}
		binary.LittleEndian.PutUint64(b[8+id:], 0)
		return b
	}
	refused("a dictionary of no column", shared(two))
	other := two
	other.schema = []arrow.Field{two.schema[0], nullable("severity_number", dictOf(u8, i32))}
	other.rows = `[{"event_name":"a","severity_number":1}]`
	refused("a dictionary of two types", shared(other))

	record := shared(two) // without the message of dictionary 1
	starts := heads(t, record)
	whole := slices.Concat(record[:starts[2]-8], record[starts[3]-8:])
	expect(t, testConsumer(t, otlp.Logs), appendPayload(nil, Logs, "1", whole),
		`resource_logs { resource {} scope_logs { scope {} log_records { event_name: "a" severity_text: "a" } } }`)
}

// TestDictionariesComeAgain: a delta adds, and one that is none takes the place of what was there.
func TestDictionariesComeAgain(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{nullable("event_name", dictOf(u8, utf8Type))}, nil)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema), ipc.WithDictionaryDeltas(true), ipc.WithZstd())
	c := testConsumer(t, otlp.Logs)
	var kinds []byte
	for _, names := range [][]string{{"a"}, {"a", "b"}, {"a", "b", "c"}, {"d"}, {"d", "e"}} {
		rows, want := `[`, `resource_logs { resource {} scope_logs { scope {}`
		for i, name := range names {
			rows += strings.Repeat(",", min(i, 1)) + `{"event_name":"` + name + `"}`
			want += ` log_records { event_name: "` + name + `" }`
		}
		record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows+`]`))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
		record.Release()
		expect(t, c, appendPayload(nil, Logs, "1", bytes.Clone(out.Bytes())), want+` } }`)
		kinds = append(kinds, byte(len(c.readers[Logs][0].dicts[0].words)))
		out.Reset()
	}
	if !bytes.Equal(kinds, []byte{1, 2, 3, 1, 2}) {
		t.Errorf("values %v", kinds)
	}

}
