package schema_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

const (
	formatDoc = "../../../docs/format.md"
	begin     = "<!-- columns: made from gocore/internal/schema; OTLP_ARROW_UPDATE_DOCS=1 go test ./gocore/internal/schema -->\n"
	end       = "<!-- end of columns -->\n"
)

// TestFormatDocDescribesEveryColumn keeps docs/format.md what the code says.
func TestFormatDocDescribesEveryColumn(t *testing.T) {
	text, err := os.ReadFile(formatDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the columns", formatDoc)
	}
	want := before + begin + columns() + end + after
	if want == string(text) {
		return
	}
	if os.Getenv("OTLP_ARROW_UPDATE_DOCS") == "" {
		t.Fatalf("%s is out of date: run OTLP_ARROW_UPDATE_DOCS=1 go test ./gocore/internal/schema", formatDoc)
	}
	if err := os.WriteFile(formatDoc, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

func columns() string {
	var b strings.Builder
	for _, s := range otlp.Signals {
		fmt.Fprintf(&b, "\n### %s: a row per %s\n\n| column | type | null when | OTLP source | |\n|---|---|---|---|---|\n", s, s.Item())
		for _, c := range schema.Columns(s) {
			null := c.Null
			if null == "" {
				null = "never"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s |\n", c.Name, typeName(c.Type), null, c.Source, c.Doc)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func typeName(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return "text"
	case *arrow.MapType:
		return "attributes"
	case *arrow.ListType:
		return "list<" + typeName(t.Elem()) + ">"
	case *arrow.StructType:
		fields := make([]string, t.NumFields())
		for i, f := range t.Fields() {
			fields[i] = f.Name + " " + typeName(f.Type)
		}
		return "struct<" + strings.Join(fields, ", ") + ">"
	case *arrow.TimestampType:
		return "timestamp[ns, UTC]"
	}
	return t.String()
}
