package otlparrow

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/convert"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
)

// ConvertOptions is how to convert; the zero value guesses. docs/convert.md tells more.
type ConvertOptions = convert.Options

// ConvertFormat is a file format, such as "otlp_json", "arrow" or "parquet".
type ConvertFormat = convert.Format

// Converted is what a conversion did.
type Converted = convert.Result

// Conversion is a file to convert, where to, and how.
type Conversion struct {
	Src string `json:"src"`
	Dst string `json:"dst"`
	ConvertOptions
}

// ParseConversion reads a Conversion from JSON.
func ParseConversion(document []byte) (Conversion, error) {
	var c Conversion
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, &fault.Error{Kind: fault.Config, Op: "convert", Err: err}
	}
	return c, nil
}

// Convert turns a file of one format into another, with bounded memory. The destination
// appears whole or not at all.
func Convert(ctx context.Context, src, dst string, o ConvertOptions) (Converted, error) {
	return convert.File(ctx, fsys.OS{}, src, dst, o)
}
