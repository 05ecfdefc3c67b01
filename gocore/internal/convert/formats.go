package convert

import (
	"fmt"
	"slices"
	"strings"
)

// Format is what a file holds; see the package comment.
type Format string

// The formats.
const (
	JSON         Format = "otlp_json"
	Proto        Format = "otlp_proto"
	ProtoVarint  Format = "otlp_proto_varint"
	ProtoMessage Format = "otlp_proto_message"
	Arrow        Format = "arrow"
	Parquet      Format = "parquet"
	OTAP         Format = "otap"
)

// format is how a format is read and written. A further one needs a row here, and in guess
// what it begins with.
type format struct {
	read     func(*conversion) (source, error)
	write    func(*conversion) (sink, error)
	suffixes []string // of names, without .gz and .zst
	table    bool     // written with a signal's schema, so never without a signal
}

// formats is the table.
func formats() map[Format]format {
	return map[Format]format{
		JSON:         {readJSON, writeJSON, []string{".json", ".jsonl", ".ndjson"}, false},
		Proto:        {readFrames, writeFrames, []string{".pb", ".proto", ".binpb", ".bin", ".otlp"}, false},
		ProtoVarint:  {readVarints, writeVarints, nil, false},
		ProtoMessage: {readMessage, writeMessage, nil, false},
		Arrow:        {readArrow, writeArrow, []string{".arrows", ".arrow"}, true},
		Parquet:      {readParquet, writeParquet, []string{".parquet", ".pq"}, true},
		OTAP:         {readOTAP, writeOTAP, []string{".otap"}, false},
	}
}

func errFormat(f Format) error {
	names := make([]string, 0, 8)
	for name := range formats() {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return fmt.Errorf("format %q is not one of %s", f, strings.Join(names, ", "))
}
