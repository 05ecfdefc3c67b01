package files

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// record is a row of what statistics look at; 0 and "" are null.
type record struct {
	time, observed int64
	service        string
}

var recordSchema = arrow.NewSchema([]arrow.Field{
	{Name: "time_unix_nano", Type: schema.Time, Nullable: true},
	{Name: "observed_time_unix_nano", Type: schema.Time, Nullable: true},
	{Name: "service_name", Type: schema.Text, Nullable: true},
}, nil)

func recordsOf(t testing.TB, records ...record) arrow.RecordBatch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, recordSchema)
	defer b.Release()
	number := func(i int, v int64) {
		if field := b.Field(i).(*array.TimestampBuilder); v == 0 {
			field.AppendNull()
		} else {
			field.Append(arrow.Timestamp(v))
		}
	}
	for _, r := range records {
		number(0, r.time)
		number(1, r.observed)
		if names := b.Field(2).(*array.BinaryDictionaryBuilder); r.service == "" {
			names.AppendNull()
		} else if err := names.AppendString(r.service); err != nil {
			t.Fatal(err)
		}
	}
	batch := b.NewRecordBatch()
	t.Cleanup(batch.Release)
	return batch
}

func TestStatistics(t *testing.T) {
	var many, long []record
	for i := range maxServices + 1 {
		many = append(many, record{1, 0, strings.Repeat("s", i+1)})
	}
	long = append(long, record{1, 0, strings.Repeat("s", maxServiceBytes+1)})
	for name, c := range map[string]struct {
		signal  otlp.Signal
		records []record
		want    string
	}{
		"metrics":           {otlp.Metrics, []record{{2, 9, "a"}, {1, 0, "b"}, {3, 1, "a"}}, `{"bytes":0,"rows":3,"times":[1,3],"untimed":false,"services":["a","b"]}`},
		"logs":              {otlp.Logs, []record{{2, 9, "a"}, {0, 7, "a"}}, `{"bytes":0,"rows":2,"times":[2,7],"untimed":false,"services":["a"]}`},
		"without times":     {otlp.Metrics, []record{{0, 5, "<a>"}}, `{"bytes":0,"rows":1,"times":[],"untimed":true,"services":["\u003ca\u003e"]}`},
		"nulls":             {otlp.Logs, []record{{0, 0, ""}, {-5, 0, "a"}}, `{"bytes":0,"rows":2,"times":[-5,-5],"untimed":true,"services":["a",null]}`},
		"no rows":           {otlp.Logs, nil, `{"bytes":0,"rows":0,"times":[],"untimed":false,"services":[]}`},
		"too many services": {otlp.Logs, many, `{"bytes":0,"rows":33,"times":[1,1],"untimed":false}`},
		"too long services": {otlp.Logs, long, `{"bytes":0,"rows":1,"times":[1,1],"untimed":false}`},
		"other columns":     {otlp.Traces, []record{{1, 1, "a"}}, `{"bytes":0,"rows":1,"services":["a"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := statisticsOf(recordsOf(t, c.records...), c.signal.String()).text()
			if got := strings.ReplaceAll(text, " ", ""); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestColumnsWithoutStatistics: of types that files of ours do not have.
func TestColumnsWithoutStatistics(t *testing.T) {
	other := arrow.NewSchema([]arrow.Field{
		{Name: "time_unix_nano", Type: arrow.PrimitiveTypes.Int64},
		{Name: "service_name", Type: arrow.BinaryTypes.String},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, other)
	defer b.Release()
	batch := b.NewRecordBatch()
	defer batch.Release()
	for _, signal := range []string{"metrics", "logs", "none"} {
		if s := statisticsOf(batch, signal); s.Times != nil || s.Services != nil {
			t.Errorf("%s: %+v", signal, s)
		}
	}
}

// groupsOf reads the statistics of a stream's batches, each of which says where the next one is.
func groupsOf(t testing.TB, stream []byte, at int64) (all []Statistics) {
	t.Helper()
	m := &messages{file: bytes.NewReader(stream), size: int64(len(stream)), at: at}
	for {
		from := m.at
		if _, err := m.next(); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		s, ok := parseStatistics(lookUp(m.head, schema.StatisticsKey))
		if !ok {
			t.Fatalf("no statistics at %d", from)
		}
		all = append(all, s)
		m.at = from + s.Bytes
	}
}

// TestStatisticsLeadFromBatchToBatch: in every compression, with a journal's range and without.
func TestStatisticsLeadFromBatchToBatch(t *testing.T) {
	for _, signal := range otlp.Signals {
		table := decode.New(signal)
		encoders := map[string]*encoder{}
		for _, compression := range []string{"lz4", "zstd", "none"} {
			var err error
			if encoders[compression], err = newEncoder(compression, schema.Of(signal)); err != nil {
				t.Fatal(err)
			}
		}
		rapid.Check(t, func(r *rapid.T) {
			e := encoders[rapid.SampledFrom([]string{"lz4", "zstd", "none"}).Draw(r, "compression")]
			stream := bytes.Clone(e.schema)
			var rows []int64
			for range rapid.IntRange(1, 3).Draw(r, "batches") {
				table.Reset()
				body, err := proto.Marshal(otlpgen.Request(r, signal))
				if err == nil {
					err = table.Decode(body)
				}
				if err != nil {
					r.Skip(err)
				}
				batch := table.Batch()
				made, err := e.encode(rapid.SampledFrom([]string{"", "ab 1-2"}).Draw(r, "tag"), []arrow.RecordBatch{batch})
				rows = append(rows, batch.NumRows())
				batch.Release()
				if err != nil {
					t.Fatal(err)
				}
				stream = append(stream, made...)
			}
			var got []int64
			for _, s := range groupsOf(t, stream, int64(len(e.schema))) {
				got = append(got, s.Rows)
			}
			c, err := outline(bytes.NewReader(stream), int64(len(stream)))
			if err != nil || !slices.Equal(got, rows) || len(c.Batches) != len(rows) || c.Bad != nil {
				t.Fatalf("rows %v of %v, %d batches, %v, %v", got, rows, len(c.Batches), c.Bad, err)
			}
		})
	}
}

// TestOddStatistics: whatever byte of them is another one, they say nothing.
func TestOddStatistics(t *testing.T) {
	s := statisticsOf(recordsOf(t, record{1, 2, "a"}), "logs")
	text := s.text()
	head := []byte("head" + text + "tail")
	seal(head, text, 123)
	good := string(head[4 : len(head)-4])
	if got, ok := parseStatistics(good); !ok || got.Bytes != 123 || got.Times[1] != 1 || *got.Services[0] != "a" {
		t.Fatalf("%q: %+v, %v", good, got, ok)
	}
	for i := range good {
		for _, c := range []byte{0, ' ', '9', good[i] ^ 1} {
			odd := []byte(good)
			odd[i] = c
			if got, ok := parseStatistics(string(odd)); ok && string(odd) != good && i != sumDigits {
				t.Errorf("%q: %+v", odd, got)
			}
		}
		if _, ok := parseStatistics(good[:i]); ok {
			t.Errorf("%q", good[:i])
		}
	}
	for _, odd := range []string{`{}`, `[]`, `{"bytes":-1}`, `{"bytes":1,"times":[1]}`, `{"bytes":"1"}`} {
		summed := fmt.Sprintf("%08x %s", crc32.ChecksumIEEE([]byte(odd)), odd)
		if got, ok := parseStatistics(summed); ok {
			t.Errorf("%q: %+v", summed, got)
		}
	}
	seal(head, "not there", 1)
	seal(head, text, 1e12)
}

// TestPass: batches that are not wanted are passed over unread, and those without statistics are read.
func TestPass(t *testing.T) {
	e, err := newEncoder("lz4", schema.Of(otlp.Logs))
	if err != nil {
		t.Fatal(err)
	}
	file := bytes.Clone(e.schema)
	var begins []int
	for i := range 6 {
		made, err := e.encode("", []arrow.RecordBatch{lines(t, slices.Repeat([]string{"line"}, i+1)...)})
		if err != nil {
			t.Fatal(err)
		}
		begins = append(begins, len(file))
		file = append(file, made...)
	}
	at := bytes.Index(file[begins[3]:], []byte(schema.StatisticsKey))
	file[begins[3]+at] ^= 1
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, append(file, make([]byte, rand.Intn(30))...), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		wanted func(rows int64) bool
		rows   []int64
	}{
		"all":  {func(int64) bool { return true }, []int64{1, 2, 3, 4, 5, 6}},
		"none": {func(int64) bool { return false }, []int64{4}},
		"some": {func(rows int64) bool { return rows == 2 || rows == 6 }, []int64{2, 4, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(fsys.OS{}, File{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var rows []int64
			for {
				r.Pass(func(s Statistics) bool { return c.wanted(s.Rows) })
				m, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if m.Batch {
					batch, err := r.Decode()
					if err != nil || batch.NumRows() != m.Rows {
						t.Fatalf("%v of %d rows, %v", batch, m.Rows, err)
					}
					batch.Release()
					rows = append(rows, m.Rows)
				}
			}
			if !slices.Equal(rows, c.rows) {
				t.Errorf("rows %v, want %v", rows, c.rows)
			}
		})
	}
}
