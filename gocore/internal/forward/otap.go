package forward

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otap"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// askAgain is how long a peer that does not know OTAP gets OTLP before it is asked once more.
const askAgain = 10 * time.Minute

// otapSender is OTAP: a stream for each signal, on one connection. Who answers UNIMPLEMENTED
// gets OTLP on the same connection.
//
//	message ─> Producer ─> batches ─┐
//	verdict <── BatchStatus of each ┘    anything but OK: the stream is given up, the next begins anew
type otapSender struct {
	*grpcSender
	log *slog.Logger
	now func() time.Time

	lanes [otlp.Count]otapLane
}

// otapLane is one signal's.
type otapLane struct {
	mu       sync.Mutex     // guards what follows; held while a message is on its way
	stream   *otapStream    // nil: none is open
	producer *otap.Producer // of the stream
	otlpTill time.Time      // until then the peer gets OTLP
	told     bool           // what OTAP cannot carry was told
}

func newOTAP(c Config, to target, config *tls.Config, h headers, log *slog.Logger, now func() time.Time) (*otapSender, error) {
	plain, err := newGRPC(c, to, config, h)
	if err != nil {
		return nil, err
	}
	return &otapSender{grpcSender: plain, log: log, now: now}, nil
}

func (s *otapSender) send(m *message) verdict {
	lane := &s.lanes[m.signal]
	lane.mu.Lock()
	defer lane.mu.Unlock()
	if s.now().Before(lane.otlpTill) {
		return s.grpcSender.send(m)
	}
	v := s.sendArrow(lane, m)
	if status.Code(v.err) != codes.Unimplemented {
		return v
	}
	s.log.Warn("a destination does not know OTAP; it gets OTLP", "signal", m.signal.String(), "error", v.err)
	lane.otlpTill = s.now().Add(askAgain)
	return s.grpcSender.send(m)
}

// sendArrow sends a message's batches and waits for their statuses.
func (s *otapSender) sendArrow(lane *otapLane, m *message) verdict {
	if lane.stream == nil {
		if v := s.open(lane, m); v.outcome != delivered {
			return v
		}
	}
	body := m.flat()
	defer body.Free()
	batches, lost, err := lane.producer.Produce(body.ReadOnlyData())
	if err != nil {
		return verdict{outcome: refused, code: codes.InvalidArgument.String(), err: err}
	}
	if lost.Any() && !lane.told {
		s.log.Warn("a destination does not get all: OTAP cannot carry it", "signal", m.signal.String(), "first_lost", lost)
		lane.told = true
	}
	v := lane.stream.exchange(m.ctx, s.timeout, batches)
	if v.outcome != delivered {
		lane.stream.close()
		lane.stream = nil
	}
	s.note(v.hung)
	return v
}

func (s *otapSender) open(lane *otapLane, m *message) verdict {
	producer, err := otap.NewProducer(m.signal, otap.Options{})
	if err != nil {
		return verdict{outcome: later, code: codes.Internal.String(), err: err}
	}
	service, method := m.signal.OTAPService()
	stream, err := openStream(m.ctx, s.connection(), "/"+service+"/"+method, s.headers)
	if err != nil {
		return ofGRPC(err)
	}
	lane.stream, lane.producer = stream, producer
	return verdict{}
}

func (s *otapSender) close() {
	for i := range s.lanes {
		lane := &s.lanes[i]
		lane.mu.Lock()
		if lane.stream != nil {
			lane.stream.close()
			lane.stream = nil
		}
		lane.mu.Unlock()
	}
	s.grpcSender.close()
}
