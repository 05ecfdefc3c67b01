package schema

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestOf(t *testing.T) {
	for _, s := range otlp.Signals {
		t.Run(s.String(), func(t *testing.T) {
			got, columns := Of(s), Columns(s)
			if got.NumFields() != len(columns) || len(columns) == 0 {
				t.Fatalf("%d fields for %d columns", got.NumFields(), len(columns))
			}
			seen := map[string]bool{}
			for i, c := range columns {
				checkColumn(t, c, got.Field(i))
				if seen[c.Name] {
					t.Errorf("%s stands twice", c.Name)
				}
				seen[c.Name] = true
			}
			for key, want := range map[string]string{VersionKey: "1", SignalKey: s.String()} {
				if value, ok := got.Metadata().GetValue(key); !ok || value != want {
					t.Errorf("metadata %s is %q, want %q", key, value, want)
				}
			}
		})
	}
}

func checkColumn(t *testing.T, c Column, f arrow.Field) {
	t.Helper()
	if c.Name == "" || c.Source == "" || c.Type == nil {
		t.Errorf("%q lacks a name, type or source", c.Name)
	}
	if f.Name != c.Name || !arrow.TypeEqual(f.Type, c.Type) {
		t.Errorf("field %s %s stands for column %s %s", f.Name, f.Type, c.Name, c.Type)
	}
	if f.Nullable != (c.Null != "") {
		t.Errorf("%s: nullable is %v, but it is null when %q", c.Name, f.Nullable, c.Null)
	}
}

// TestTimes: a row's time is looked for in columns of timestamps.
func TestTimes(t *testing.T) {
	for _, s := range otlp.Signals {
		times := Times(s)
		if len(times) == 0 {
			t.Errorf("%v has no times", s)
		}
		for _, name := range times {
			if fields, ok := Of(s).FieldsByName(name); !ok || fields[0].Type != Time {
				t.Errorf("%v has no column %s of type Time", s, name)
			}
		}
	}
}

// TestTypes: a change of these is a change of the format, so of Version.
func TestTypes(t *testing.T) {
	tests := []struct {
		signal         otlp.Signal
		column, stands string
		null           bool
	}{
		{otlp.Traces, "trace_id", "fixed_size_binary[16]", true},
		{otlp.Traces, "span_id", "fixed_size_binary[8]", true},
		{otlp.Traces, "name", "dictionary<values=utf8, indices=int32, ordered=false>", false},
		{otlp.Traces, "duration_nano", "int64", true},
		{otlp.Metrics, "value", "float64", true},
		{otlp.Metrics, "series_id", "uint64", false},
		{otlp.Logs, "time_unix_nano", "timestamp[ns, tz=UTC]", true},
		{otlp.Logs, "severity_number", "int32", false},
	}
	for _, tt := range tests {
		fields, ok := Of(tt.signal).FieldsByName(tt.column)
		if !ok || len(fields) != 1 {
			t.Errorf("%s has %d columns %s", tt.signal, len(fields), tt.column)
			continue
		}
		if f := fields[0]; f.Type.String() != tt.stands || f.Nullable != tt.null {
			t.Errorf("%s.%s is %s, nullable %v; want %s, %v", tt.signal, tt.column, f.Type, f.Nullable, tt.stands, tt.null)
		}
	}
}

// TestCommon: all tables end with the same columns, so that queries can join them.
func TestCommon(t *testing.T) {
	want := common("", "")
	for _, s := range otlp.Signals {
		columns := Columns(s)
		for i, c := range columns[len(columns)-len(want):] {
			if c.Name != want[i].Name || !arrow.TypeEqual(c.Type, want[i].Type) {
				t.Errorf("%s: column %s stands where %s is expected", s, c.Name, want[i].Name)
			}
		}
	}
}
