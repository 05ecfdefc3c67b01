package node

import (
	"sync/atomic"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/ingest"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/obs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/query"
)

// store is where query finds all rows.
type store struct {
	*ingest.Ingest
	*files.Writer
}

// tables are what Flight reads.
func (n *Node) tables() *query.Tables {
	return query.New(n.disk, store{n.ingest, n.files}, n.Config.Files.Promotions())
}

// reads counts what is read over Flight.
type reads [otlp.Count]struct{ whole, failed, bytes atomic.Uint64 }

// Read is of receive.Reads.
func (r *reads) Read(signal otlp.Signal, bytes int64, err error) {
	of := &r[signal]
	of.bytes.Add(uint64(bytes))
	if err != nil {
		of.failed.Add(1)
	} else {
		of.whole.Add(1)
	}
}

func (n *Node) ofFlight() []obs.Family {
	return []obs.Family{
		{Name: "flight_reads_total", Help: "Reads over Arrow Flight that ended, with result failed also where the client gave up.",
			Labels: []string{"signal", "result"}, Values: func(tell tell) {
				for _, s := range otlp.Signals {
					tell(float64(n.reads[s].whole.Load()), s.String(), "ok")
					tell(float64(n.reads[s].failed.Load()), s.String(), "failed")
				}
			}},
		{Name: "flight_sent_bytes_total", Help: "Bytes of messages that were sent to readers over Arrow Flight.", Labels: []string{"signal"},
			Values: bySignal(func(s otlp.Signal) float64 { return float64(n.reads[s].bytes.Load()) })},
	}
}
