package otlparrow

import (
	"os"
	"path/filepath"
	"testing"
)

func TestConvert(t *testing.T) {
	src, dst := filepath.Join(t.TempDir(), "a.json"), filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(src, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ParseConversion([]byte(`{"src":"a","dst":"b","to":"parquet","force":true}`))
	if err != nil || c.Src != "a" || c.Dst != "b" || c.To != "parquet" || !c.Force {
		t.Fatalf("%+v, %v", c, err)
	}
	done, err := Convert(t.Context(), src, dst, c.ConvertOptions)
	if err != nil || done.Messages != 1 || done.Signal != "logs" {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := ParseConversion([]byte(`{"source":"a"}`)); Code(err) != 9 {
		t.Errorf("an unknown key: %v", err)
	}
}
