// Command loadgen sends OTLP requests of bench/sample to a gRPC server on this machine and
// prints what it measured as one JSON object.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
)

// methods are the Export methods by signal.
var methods = map[string]string{
	"traces":  "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
	"metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
	"logs":    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}

// distinct is how many different requests are made before the measurement and sent in turn.
const distinct = 64

// rawCodec sends and returns messages as they are on the wire.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	body, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*body)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	body, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	*body = data.Materialize()
	return nil
}

type options struct {
	addr, signal                  string
	per, n, c, conns, pid, second int
	rate                          float64
	settle                        time.Duration
	retry                         bool
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:4317", "server; a loopback IP address and port")
	flag.StringVar(&o.signal, "signal", "traces", "traces, metrics or logs")
	flag.IntVar(&o.per, "per", 100, "items a request")
	flag.IntVar(&o.n, "n", 0, "requests; 0 = until -seconds")
	flag.IntVar(&o.c, "c", 8, "requests in flight")
	flag.IntVar(&o.conns, "conns", 4, "connections")
	flag.IntVar(&o.pid, "pid", 0, "server's process, for its CPU and memory; 0 = neither")
	flag.Float64Var(&o.rate, "rate", 0, "requests a second; 0 = as fast as possible")
	flag.IntVar(&o.second, "seconds", 0, "longest time to send; 0 = until -n")
	flag.DurationVar(&o.settle, "settle", 6*time.Second, "wait after the load before the server's CPU is read")
	flag.BoolVar(&o.retry, "retry", false, "send again what is refused with RetryInfo, when that says so")
	flag.Parse()
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return o, err
	}
	switch ip := net.ParseIP(host); {
	case ip == nil || !ip.IsLoopback():
		return o, fmt.Errorf("-addr %s is not a loopback IP address", o.addr)
	case methods[o.signal] == "":
		return o, fmt.Errorf("-signal %q is not traces, metrics or logs", o.signal)
	case o.per < 1 || o.c < 1 || o.conns < 1 || o.n < 0 || o.second < 0 || o.rate < 0:
		return o, errors.New("-per, -c and -conns must be at least 1; -n, -seconds and -rate at least 0")
	case o.n == 0 && o.second == 0:
		return o, errors.New("give -n or -seconds")
	}
	return o, nil
}

// result is what is printed. Acked and Failed count items.
type result struct {
	Acked           int      `json:"acked"`
	Failed          int      `json:"failed"`
	Retries         int      `json:"retries"` // requests
	Seconds         float64  `json:"seconds"`
	ItemsPerS       float64  `json:"items_per_s"`
	P50             float64  `json:"p50_ms"`
	P95             float64  `json:"p95_ms"`
	P99             float64  `json:"p99_ms"`
	ServerUSPerItem *float64 `json:"server_us_per_item"`
	ServerPeakMiB   *float64 `json:"server_peak_mib"`
	FirstError      string   `json:"first_error,omitempty"`
}

func main() {
	o, err := parse()
	if err == nil {
		var r result
		if r, err = measure(o); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(r)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func measure(o options) (result, error) {
	var r result
	maker := sample.New(42, uint64(time.Now().UnixNano())) //nolint:gosec // after 1970
	bodies := make([][]byte, distinct)
	for i := range bodies {
		bodies[i] = maker.Body(o.signal, o.per)
	}
	conns, err := dial(o)
	if err != nil {
		return r, err
	}
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	before, err := cpu(o.pid)
	if err != nil {
		return r, err
	}
	var latencies []time.Duration
	r, latencies = load(o, conns, bodies)
	slices.Sort(latencies)
	r.P50, r.P95, r.P99 = percentile(latencies, 50), percentile(latencies, 95), percentile(latencies, 99)
	if o.pid == 0 {
		return r, nil
	}
	time.Sleep(o.settle)
	after, err := cpu(o.pid)
	if err != nil {
		return r, err
	}
	if r.Acked > 0 {
		us := float64((after - before).Microseconds()) / float64(r.Acked)
		r.ServerUSPerItem = &us
	}
	peak, err := peakMiB(o.pid)
	r.ServerPeakMiB = &peak
	return r, err
}

// dial opens the connections; an empty request on each makes sure that they work.
func dial(o options) ([]*grpc.ClientConn, error) {
	conns := make([]*grpc.ClientConn, o.conns)
	for i := range conns {
		conn, err := grpc.NewClient("passthrough:///"+o.addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithNoProxy(), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
		if err != nil {
			return nil, err
		}
		conns[i] = conn
		if err := send(conn, o.signal, nil); err != nil {
			return nil, err
		}
	}
	return conns, nil
}

// send sends one request; a reply that rejects items is an error.
func send(conn *grpc.ClientConn, signal string, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var reply []byte
	if err := conn.Invoke(ctx, methods[signal], &body, &reply); err != nil {
		return err
	}
	if rejected := field(field(reply, 1).bytes, 1).number; rejected != 0 {
		return fmt.Errorf("%d items rejected", rejected)
	}
	return nil
}

type value struct {
	bytes  []byte
	number uint64
}

// field is a field of a protobuf message; zero where it is not there.
func field(message []byte, want protowire.Number) value {
	var v value
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return v
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
			return v
		}
		if number == want && kind == protowire.BytesType {
			v.bytes, _ = protowire.ConsumeBytes(message)
		}
		if number == want && kind == protowire.VarintType {
			v.number, _ = protowire.ConsumeVarint(message)
		}
		message = message[n:]
	}
	return v
}

// load sends the requests. With a rate, a request's time starts when it was due if all
// workers were busy then, so that a slow server cannot hide its queue.
func load(o options, conns []*grpc.ClientConn, bodies [][]byte) (result, []time.Duration) {
	var r result
	var all []time.Duration
	var mu sync.Mutex
	var next atomic.Int64
	var workers sync.WaitGroup
	start := time.Now()
	for range o.c {
		workers.Go(func() {
			var took []time.Duration
			failed, retries, first := 0, 0, ""
			for {
				i := int(next.Add(1) - 1)
				begin := time.Now()
				if o.rate > 0 {
					due := start.Add(time.Duration(float64(i) / o.rate * float64(time.Second)))
					if wait := due.Sub(begin); wait > 0 {
						time.Sleep(wait)
						begin = time.Now()
					} else {
						begin = due
					}
				}
				if o.n > 0 && i >= o.n || o.second > 0 && begin.Sub(start) >= time.Duration(o.second)*time.Second {
					break
				}
				err := send(conns[i%len(conns)], o.signal, bodies[i%len(bodies)])
				for wait := retryAfter(err); o.retry && wait > 0; wait = retryAfter(err) {
					time.Sleep(wait)
					retries++
					err = send(conns[i%len(conns)], o.signal, bodies[i%len(bodies)])
				}
				if err != nil {
					failed, first = failed+1, err.Error()
					continue
				}
				took = append(took, time.Since(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			r.Failed += failed * o.per
			r.Retries += retries
			if r.FirstError == "" {
				r.FirstError = first
			}
		})
	}
	workers.Wait()
	r.Seconds = time.Since(start).Seconds()
	r.Acked = len(all) * o.per
	r.ItemsPerS = float64(r.Acked) / r.Seconds
	return r, all
}

// retryAfter is when a request may be sent again; 0 for never.
func retryAfter(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// percentile is in milliseconds, by nearest rank.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return float64(sorted[rank-1].Microseconds()) / 1000
}

// tick is the unit of /proc's CPU times (USER_HZ), 10 ms on every Linux Go runs on.
const tick = 10 * time.Millisecond

// cpu is a process's user and system time so far, of all its threads.
func cpu(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, field 2, may hold blanks and brackets; field 3 follows its last bracket.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: too short", pid)
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick, err
}

// peakMiB is the most resident memory a process has had.
func peakMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmHWM", pid)
}
