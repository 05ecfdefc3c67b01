package files

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// Config is the files stage's settings.
type Config struct {
	// Compression of the batches: lz4, zstd or none.
	Compression string `json:"compression" yaml:"compression"`
	// RotateBytes is the size at which a file is closed and the next one begun.
	RotateBytes int64 `json:"rotate_bytes" yaml:"rotate_bytes"`
	// RotateIntervalSecs is the age at which a file is closed.
	RotateIntervalSecs int64 `json:"rotate_interval_secs" yaml:"rotate_interval_secs"`
	// CompactAfterRotation makes few large batches of a closed file's many small ones.
	CompactAfterRotation bool `json:"compact_after_rotation" yaml:"compact_after_rotation"`
	// FileMode and DirMode are octal permissions of what is made.
	FileMode string `json:"file_mode" yaml:"file_mode"`
	DirMode  string `json:"dir_mode" yaml:"dir_mode"`
	// Promote are attributes that get a column of their own, and presets of such.
	Promote []string `json:"promote" yaml:"promote"`
}

// Default keeps files private and rotates at 100 MiB or an hour.
func Default() Config {
	return Config{Compression: "lz4", RotateBytes: 100 << 20, RotateIntervalSecs: 3600, FileMode: "0600", DirMode: "0700"}
}

const (
	minRotateBytes = 64 << 10
	maxRotateBytes = 1 << 40
	maxRotateSecs  = 7 * 24 * 3600
)

// Validate lists every fault of the settings, which stand under key.
func (c Config) Validate(key string) []error {
	var faults []error
	if _, ok := codecs[c.Compression]; !ok {
		faults = append(faults, fmt.Errorf("%s.compression: %q is not one of lz4, zstd, none", key, c.Compression))
	}
	if n := c.RotateBytes; n < minRotateBytes || n > maxRotateBytes {
		faults = append(faults, fmt.Errorf("%s.rotate_bytes: %d is not within %d to %d", key, n, minRotateBytes, maxRotateBytes))
	}
	if n := c.RotateIntervalSecs; n < 1 || n > maxRotateSecs {
		faults = append(faults, fmt.Errorf("%s.rotate_interval_secs: %d is not within 1 to %d", key, n, maxRotateSecs))
	}
	if _, err := mode(c.FileMode); err != nil {
		faults = append(faults, fmt.Errorf("%s.file_mode: %w", key, err))
	}
	if _, err := mode(c.DirMode); err != nil {
		faults = append(faults, fmt.Errorf("%s.dir_mode: %w", key, err))
	}
	_, wrong := schema.Promotions(c.Promote)
	for _, fault := range wrong {
		faults = append(faults, fmt.Errorf("%s.promote: %w", key, fault))
	}
	return faults
}

// Directories is the permission of directories, once the settings are checked.
func (c Config) Directories() fs.FileMode {
	bits, _ := mode(c.DirMode)
	return bits | 0o100
}

// Permissions is the permission of files, once the settings are checked.
func (c Config) Permissions() fs.FileMode {
	bits, _ := mode(c.FileMode)
	return bits
}

// Promotions are the promoted columns, once the settings are checked.
func (c Config) Promotions() []schema.Promotion {
	all, _ := schema.Promotions(c.Promote)
	return all
}

func mode(text string) (fs.FileMode, error) {
	bits, err := strconv.ParseUint(text, 8, 32)
	if err != nil || bits > 0o777 || bits&0o600 != 0o600 {
		return 0, fmt.Errorf("%q is not an octal permission within 0600 to 0777 that lets the owner read and write", text)
	}
	return fs.FileMode(bits), nil
}
