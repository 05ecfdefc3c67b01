package files

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Suffix ends the name of every data file.
const Suffix = ".arrows"

const timeLayout = "20060102_150405"

// name is what a file's name tells:
//
//	otlp_<signal>_<UTC YYYYmmdd_HHMMSS>_<writer>_<seq>.arrows
type name struct {
	signal otlp.Signal
	begun  time.Time // UTC, in whole seconds
	writer string
	seq    int
}

func (n name) String() string {
	return fmt.Sprintf("otlp_%s_%s_%s_%06d%s", n.signal, n.begun.Format(timeLayout), n.writer, n.seq, Suffix)
}

// hidden is the name that a file has until its first batch is whole.
func (n name) hidden() string { return "." + n.String() + hiddenSuffix }

const hiddenSuffix = ".tmp"

var namePattern = regexp.MustCompile(`^otlp_(traces|metrics|logs)_(\d{8}_\d{6})_([0-9a-f]+)_(\d{6,})\.arrows$`)

// parseName reads a data file's name; ok is false for a file that is not ours.
func parseName(text string) (n name, ok bool) {
	match := namePattern.FindStringSubmatch(text)
	if match == nil {
		return n, false
	}
	for _, s := range otlp.Signals {
		if s.String() == match[1] {
			n.signal = s
		}
	}
	var err, err2 error
	n.begun, err = time.Parse(timeLayout, match[2])
	n.writer = match[3]
	n.seq, err2 = strconv.Atoi(match[4])
	return n, err == nil && err2 == nil
}

// IsData tells whether a file's name is that of a data file of a signal.
func IsData(base string, s otlp.Signal) bool {
	n, ok := parseName(base)
	return ok && n.signal == s
}
