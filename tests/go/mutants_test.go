package blackbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// mutantsPerProtocol requests go to each signal's share of a protocol: 10,000 in all.
const mutantsPerProtocol = 3334

// damage changes a request in one of the ways in which bytes get lost, doubled or mixed up.
func damage(r *rand.Rand, body, other []byte) []byte {
	b := bytes.Clone(body)
	from := r.IntN(len(b))
	to := from + r.IntN(min(len(b)-from, 64)+1)
	switch r.IntN(7) {
	case 0:
		b[from] ^= 1 << r.IntN(8)
	case 1:
		b = append(b[:from], b[to:]...)
	case 2:
		b = append(bytes.Clone(b[:to]), b[from:]...)
	case 3:
		b = b[:from]
	case 4:
		b = append(bytes.Clone(b[:from]), other[r.IntN(len(other)):]...)
	case 5:
		r.Shuffle(to-from, func(i, j int) { b[from+i], b[from+j] = b[from+j], b[from+i] })
	default:
		b = append(bytes.Clone(b[:from]), append(binary.AppendUvarint(nil, r.Uint64()), b[from:]...)...)
	}
	return b
}

// TestMutants: 10,000 damaged requests are refused as malformed or taken, never a fault of ours,
// never a dropped connection, and an ordinary client does not notice.
func TestMutants(t *testing.T) {
	library := open(t)
	at := library.Endpoints()
	overGRPC := dialGRPC(t, at["otlp_grpc"])
	protocols := []struct {
		name string
		send sender
		bad  func(err error) bool // is the answer one for malformed data
		json bool
	}{
		{"gRPC", overGRPC, func(err error) bool { return status.Code(err) == codes.InvalidArgument }, false},
		{"HTTP protobuf", dialHTTP(t, at["otlp_http"], "application/x-protobuf"), isBadRequest, false},
		{"HTTP JSON", dialHTTP(t, at["otlp_http"], "application/json"), isBadRequest, true},
	}
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // damage, not secrets
			taken := 0
			for i := range mutantsPerProtocol {
				signal := signals[i%len(signals)]
				body, other := request(t, signal, p.json, seed+uint64(i)), request(t, signal, p.json, seed)
				err := p.send(t.Context(), signal, damage(r, body, other))
				switch {
				case err == nil:
					taken++
				case !p.bad(err):
					t.Fatalf("mutant %d of %s: %v", i, signal, err)
				}
			}
			t.Logf("%d of %d were still well-formed", taken, mutantsPerProtocol)
			if err := overGRPC(t.Context(), otlparrow.Traces, sample.New(1, 1).Body("traces", 3)); err != nil {
				t.Errorf("an ordinary client afterwards: %v", err)
			}
		})
	}
}

func isBadRequest(err error) bool { return strings.HasPrefix(err.Error(), "400") }

// request is a small request; some hundreds differ.
func request(t *testing.T, signal otlparrow.Signal, json bool, seed uint64) []byte {
	t.Helper()
	body := sample.New(int64(seed%300), 1_700_000_000_000_000_000).Body(signal.String(), 2) // bounded
	if !json {
		return body
	}
	body, err := toJSON(signal, body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestDroppedHalfway: clients that go away in the middle of a request disturb nobody.
func TestDroppedHalfway(t *testing.T) {
	library := open(t)
	at := library.Endpoints()
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at["otlp_http"]+"/v1/traces", endless{})
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-protobuf")
		if answer, err := http.DefaultTransport.RoundTrip(request); err == nil {
			_ = answer.Body.Close()
		}
		cancel()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	send := dialHTTP(t, at["otlp_http"], "application/x-protobuf")
	if err := send(t.Context(), otlparrow.Traces, sample.New(1, 1).Body("traces", 3)); err != nil {
		t.Error(err)
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return min(len(b), 1<<10), nil }
