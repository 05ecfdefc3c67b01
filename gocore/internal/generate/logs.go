package generate

import (
	"fmt"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// The fields of LogRecord.
const (
	logTime        = 1
	logSeverity    = 2
	logSeverityTxt = 3
	logBody        = 5
	logAttributes  = 6
	logFlags       = 8
	logTraceID     = 9
	logSpanID      = 10
	logObserved    = 11
)

// line is a kind of log record. Its text takes two numbers.
type line struct {
	service  int
	severity uint64
	level    string
	text     string
	logger   string
}

// lines, each as often as it stands here but for what is rare.
var lines = []line{
	{frontend, 9, "INFO", "GET /products/%d took %d ms", "http.access"},
	{frontend, 9, "INFO", "POST /cart by user-%d took %d ms", "http.access"},
	{frontend, 5, "DEBUG", "session %d renewed for %d s", "session"},
	{catalog, 9, "INFO", "listed %d products in %d ms", "catalog.api"},
	{catalog, 5, "DEBUG", "cache hit for product %d, age %d s", "catalog.cache"},
	{cart, 9, "INFO", "user-%d has %d items in the cart", "Shop.Cart.Store"},
	{checkout, 9, "INFO", "order %d placed, total %d EUR", "shop.orders"},
	{payment, 9, "INFO", "charged order %d in %d ms", "shop.payment.Gateway"},
	{shipping, 9, "INFO", "parcel %d leaves in %d h", "shop.shipping.Planner"},
	{catalog, 13, "WARN", "slow query for product %d: %d ms", "catalog.db"},
	{payment, 17, "ERROR", "charging order %d failed after %d ms: card declined", "shop.payment.Gateway"},
}

// common are the first of lines; the others come one time in twenty.
const common = 9

// perTrace is how many records have a trace in common.
const perTrace = 4

func (m *Maker) logs(n int) {
	var trace [16]byte
	for i := range n {
		if i%perTrace == 0 {
			trace = m.traceID()
		}
		of := &lines[m.r.IntN(common)]
		if m.chance(0.05) {
			of = &lines[common+m.r.IntN(len(lines)-common)]
		}
		m.items[of.service] = m.record(m.items[of.service], of, trace)
	}
}

func (m *Maker) record(b []byte, of *line, trace [16]byte) []byte {
	span, at := m.id(), m.now().Add(-time.Duration(m.r.IntN(int(time.Second))))
	b, place := wire.Begin(b, scopeItems)
	b = wire.AppendFixed64(b, logTime, uint64(at.UnixNano()))
	b = wire.AppendUint(b, logSeverity, of.severity)
	b = wire.AppendBytes(b, logSeverityTxt, of.level)
	b, body := wire.Begin(b, logBody)
	b = wire.AppendBytes(b, stringValue, fmt.Sprintf(of.text, m.r.IntN(5000), 1+m.r.IntN(300)))
	b = wire.End(b, body)
	b = text(b, logAttributes, "logger.name", of.logger)
	b = text(b, logAttributes, "thread.name", fmt.Sprintf("worker-%d", m.r.IntN(8)))
	b = number(b, logAttributes, "code.line.number", 20+10*m.r.IntN(30))
	b = wire.AppendFixed32(b, logFlags, sampled)
	b = wire.AppendBytes(b, logTraceID, trace[:])
	b = wire.AppendBytes(b, logSpanID, span[:])
	b = wire.AppendFixed64(b, logObserved, uint64(at.Add(50*time.Microsecond).UnixNano()))
	return wire.End(b, place)
}
