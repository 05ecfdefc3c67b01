package journal

import (
	"fmt"
	"io/fs"
)

// Config is the journal's settings; what is zero has its default.
type Config struct {
	// MaxBytes bounds the segments on disk. 1 GiB.
	MaxBytes int64
	// SegmentBytes is where a segment ends. What is released goes by whole segments, so it is
	// an eighth of MaxBytes, within 64 KiB and 16 MiB. A larger record has one of its own.
	SegmentBytes int64
	// Recent is how much of each signal is in memory as well, for Tails that keep up; 0: nothing.
	Recent int64
	// Sync makes Wait wait for the device.
	Sync bool
	// DirMode and FileMode are the permissions of what is made, whatever the umask. 0700, 0600.
	DirMode, FileMode fs.FileMode
}

const (
	defaultMaxBytes = 1 << 30
	minMaxBytes     = 1 << 20
	maxMaxBytes     = 1 << 40
	minSegmentBytes = 64 << 10
	maxSegmentBytes = 16 << 20
)

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = min(max(c.MaxBytes/8, minSegmentBytes), maxSegmentBytes)
	}
	if c.DirMode == 0 {
		c.DirMode = 0o700
	}
	if c.FileMode == 0 {
		c.FileMode = 0o600
	}
	return c
}

// Validate lists every fault of the settings, which stand under key.
func (c Config) Validate(key string) []error {
	var faults []error
	if n := c.MaxBytes; n != 0 && (n < minMaxBytes || n > maxMaxBytes) {
		faults = append(faults, fmt.Errorf("%s.max_bytes: %d is not within %d to %d", key, n, minMaxBytes, maxMaxBytes))
	}
	if n, most := c.SegmentBytes, c.withDefaults().MaxBytes; n != 0 && (n < minSegmentBytes || n > most) {
		faults = append(faults, fmt.Errorf("%s.segment_bytes: %d is not within %d to %d", key, n, minSegmentBytes, most))
	}
	return faults
}
