package encode_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/decode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/normal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/encode/otlpgen"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Several requests go through one table, and the table is used again: what a Reset
// leaves behind would show in the second body.
func TestTablesAreLosslessUpToTheNormalForm(t *testing.T) {
	for _, signal := range otlp.Signals {
		t.Run(signal.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				table := decode.New(signal)
				for range rapid.IntRange(1, 2).Draw(t, "batches") {
					table.Reset()
					var all []byte
					for range rapid.IntRange(1, 2).Draw(t, "requests") {
						body := marshal(t, otlpgen.Request(t, signal))
						if err := table.Decode(body); err != nil {
							t.Fatalf("decode: %v", err)
						}
						all = append(all, body...) // top fields repeat, so this is one request
					}
					wantSame(t, signal, all, table)
				}
			})
		})
	}
}

func wantSame(t *rapid.T, signal otlp.Signal, body []byte, table *decode.Table) {
	t.Helper()
	batch := table.Batch()
	defer batch.Release()
	got, err := encode.Batch([]byte("kept"), signal, batch)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if string(got[:4]) != "kept" {
		t.Fatalf("what was in dst has gone")
	}
	want, have := form(t, signal, body), form(t, signal, got[4:])
	if !normal.Equal(want, have) {
		t.Fatalf("want\n%s\ngot\n%s", prototext.Format(want), prototext.Format(have))
	}
}

func form(t *rapid.T, signal otlp.Signal, body []byte) proto.Message {
	t.Helper()
	m, err := normal.Form(signal, body)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func marshal(t *rapid.T, m proto.Message) []byte {
	t.Helper()
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
