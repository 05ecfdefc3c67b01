package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/otlp-arrow/otlp-arrow/"

// lines are the packages by their line in "The house", 1 first.
var lines = [][]string{
	{"otlp", "fault", "obs", "secure", "fsys", "socket"},
	{"wire", "column", "schema", "flatbuf", "h2"},
	{"decode", "encode", "otap", "otlpjson", "flight", "generate"},
	{"journal"},
	{"ingest"},
	{"files", "forward", "live"},
	{"query", "convert", "script"},
	{"receive", "send"},
	{"config"},
	{"node"},
	{"doctor"},
}

// support packages are for tests: nothing else may import them.
var support = []string{
	"gocore/internal/fsys/memfs", "gocore/internal/obs/obstest", "gocore/internal/secure/securetest", "gocore/internal/encode/normal", "gocore/internal/encode/otlpgen",
	"bench/sample", "tests/go/readback",
}

const internal = "gocore/internal/"

// rank is an internal package's line; a package below another has the other's line.
func rank(pkg string) int {
	name, _, _ := strings.Cut(strings.TrimPrefix(pkg, internal), "/")
	for i, line := range lines {
		if slices.Contains(line, name) {
			return i + 1
		}
	}
	return 0
}

// objection says why a file of package from, all in the module, may not import to; "" when it may.
func objection(from, to string, inTest bool) string {
	switch {
	case slices.Contains(support, to):
		if inTest || slices.Contains(support, from) {
			return ""
		}
		return "is for tests only"
	case from == to:
		return ""
	case from == internal+"secure" && to == internal+"fault": // the table says so; else siblings do not
		return ""
	case !strings.HasPrefix(from, internal):
		return outside(from, to)
	case !strings.HasPrefix(to, internal):
		return "is above all internal packages"
	case rank(from) == 0 || rank(to) == 0:
		return "one of them is not in the table of the house"
	case inTest && rank(to) <= rank(from): // a test may check a sibling against the other
		return ""
	case slices.Contains(support, from) && rank(to) <= rank(from):
		return ""
	case rank(to) >= rank(from):
		return "is not on a lower line"
	}
	return narrow(from, to, inTest)
}

// outside is what the packages over internal may import: the ABI and the binary see otlparrow only.
func outside(from, to string) string {
	if from == "gocore/otlparrow" || !strings.HasPrefix(from, "gocore") || to == "gocore/otlparrow" {
		return ""
	}
	return "is hidden behind otlparrow"
}

// narrow holds the exceptions: less than the lines below.
func narrow(from, to string, inTest bool) string {
	name := strings.TrimPrefix(to, internal)
	switch {
	case from == internal+"receive" && !inTest && rank(to) != 1 && !slices.Contains([]string{"encode", "flight", "h2", "otap", "otlpjson"}, name):
		return "is not for receive: it declares what it needs of the stages"
	case from == internal+"ingest" && name == "files":
		return "is not for ingest: it knows a Sink"
	}
	return ""
}

func TestObjection(t *testing.T) {
	tests := []struct {
		from, to string
		inTest   bool
		allowed  bool
	}{
		{"wire", "fault", false, true},
		{"fault", "wire", false, false},
		{"fault", "otlp", false, false},
		{"secure", "fault", false, true},
		{"secure", "otlp", false, false},
		{"receive", "secure", false, true},
		{"decode", "encode", false, false},
		{"encode", "decode", true, true},
		{"encode", "node", true, false},
		{"ingest", "files", false, false},
		{"ingest", "decode", false, true},
		{"receive", "otlpjson", false, true},
		{"receive", "fault", false, true},
		{"receive", "ingest", false, false},
		{"receive", "wire", false, false},
		{"config", "receive", false, true},
		{"node", "config", false, true},
		{"config", "node", false, false},
		{"encode", "encode/normal", true, true},
		{"encode", "encode/normal", false, false},
		{"journal", "fsys/memfs", false, false},
		{"newcomer", "otlp", false, false},
		{"node", "../otlparrow", false, false},
		{"../otlparrow", "node", false, true},
		{"../cmd/otlp-arrow", "node", false, false},
		{"../cmd/otlp-arrow", "../otlparrow", false, true},
		{"..", "config", false, false},
		{"node", "../../bench/sample", true, true},
		{"node", "../../bench/sample", false, false},
		{"node", "../../tests/go/readback", true, true},
		{"node", "../../tests/go/readback", false, false},
	}
	for _, tt := range tests {
		why := objection(path.Join(internal, tt.from), path.Join(internal, tt.to), tt.inTest)
		if (why == "") != tt.allowed {
			t.Errorf("%s importing %s (test: %v): %q", tt.from, tt.to, tt.inTest, why)
		}
	}
}

func TestHouse(t *testing.T) {
	checked := 0
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(file, ".go") {
			checked++
			checkFile(t, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 50 {
		t.Errorf("only %d files were looked at", checked)
	}
}

func checkFile(t *testing.T, file string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	from := path.Join("gocore", path.Dir(strings.TrimPrefix(filepath.ToSlash(file), "../")))
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		to, ours := strings.CutPrefix(imported, module)
		if err != nil || !ours {
			continue
		}
		if why := objection(from, to, strings.HasSuffix(file, "_test.go")); why != "" {
			t.Errorf("%s imports %s, which %s", file, to, why)
		}
	}
}
