package doctor

import (
	"fmt"
	"strings"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	for _, s := range otlp.Signals {
		t := r.Tables[s.String()]
		fmt.Fprintf(&b, "%-8s %d rows in %d batches in %d files, %d bytes\n", s.String()+":", t.Rows, t.Batches, t.Files, t.Bytes)
	}
	for _, j := range r.Journals {
		state := "dead"
		if j.Alive {
			state = "alive"
		}
		fmt.Fprintf(&b, "journal %s: %s, %d requests", j.Writer, state, j.Records)
		for _, s := range otlp.Signals {
			if n := j.Unread[s.String()]; n > 0 {
				fmt.Fprintf(&b, ", %d of %s not in files yet", n, s)
			}
		}
		b.WriteString("\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s: %s: %s\n", f.Severity, f.Path, f.Problem)
		switch {
		case f.Failure != "":
			fmt.Fprintf(&b, "  repair failed: %s: %s\n", f.Repair, f.Failure)
		case f.Repaired:
			b.WriteString("  repaired\n")
		case f.Repair != "":
			fmt.Fprintf(&b, "  --repair would: %s\n", f.Repair)
		}
	}
	if r.Healthy {
		b.WriteString("healthy\n")
	} else {
		b.WriteString("problems remain\n")
	}
	return b.String()
}
