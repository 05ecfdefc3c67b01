package files

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	octal := "is not an octal permission within 0600 to 0777 that lets the owner read and write"
	for _, c := range []struct {
		name   string
		change func(c *Config)
		want   []string
	}{
		{"default", func(*Config) {}, nil},
		{"compression", func(c *Config) { c.Compression = "gzip" }, []string{`files.compression: "gzip" is not one of lz4, zstd, none`}},
		{"size low", func(c *Config) { c.RotateBytes = 65535 }, []string{"files.rotate_bytes: 65535 is not within 65536 to 1099511627776"}},
		{"size high", func(c *Config) { c.RotateBytes = 1<<40 + 1 },
			[]string{"files.rotate_bytes: 1099511627777 is not within 65536 to 1099511627776"}},
		{"age low", func(c *Config) { c.RotateIntervalSecs = 0 }, []string{"files.rotate_interval_secs: 0 is not within 1 to 604800"}},
		{"age high", func(c *Config) { c.RotateIntervalSecs = 604801 }, []string{"files.rotate_interval_secs: 604801 is not within 1 to 604800"}},
		{"mode without write", func(c *Config) { c.FileMode = "0400" }, []string{`files.file_mode: "0400" ` + octal}},
		{"mode not octal", func(c *Config) { c.FileMode = "0698" }, []string{`files.file_mode: "0698" ` + octal}},
		{"mode with sticky", func(c *Config) { c.DirMode = "1700" }, []string{`files.dir_mode: "1700" ` + octal}},
		{"promoted", func(c *Config) { c.Promote = []string{"a b"} }, []string{`files.promote: "a b": want `}},
		{"promotions", func(c *Config) { c.Promote = make([]string, 101) }, []string{"files.promote: 101 entries, more than 100"}},
		{"all", func(c *Config) { *c = Config{} }, []string{"files.compression: ", "files.rotate_bytes: 0 ",
			"files.rotate_interval_secs: 0 ", `files.file_mode: "" `, `files.dir_mode: "" `}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Default()
			c.change(&config)
			got := config.Validate("files")
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for i, err := range got {
				if !strings.HasPrefix(err.Error(), c.want[i]) {
					t.Errorf("got %q, want %q", err, c.want[i])
				}
			}
		})
	}
}
