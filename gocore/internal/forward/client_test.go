package forward

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func newClient(t *testing.T, c Config) *Client {
	t.Helper()
	client, err := NewClient(c, "send", slog.New(slog.DiscardHandler), time.Now)
	noError(t, err)
	t.Cleanup(client.Close)
	return client
}

// hinted is a refusal for now, which says when to come again.
func hinted(t *testing.T, after time.Duration) error {
	t.Helper()
	told, err := status.New(codes.ResourceExhausted, "a moment").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	noError(t, err)
	return told.Err()
}

// TestClientWaitsAsTold: the own interval would be an hour.
func TestClientWaitsAsTold(t *testing.T) {
	p := newPeer(t)
	p.reply = partialSuccess(1, "one of them is odd")
	c := quick("a", p)
	c.RetryOnFailure.InitialInterval, c.RetryOnFailure.MaxInterval = Duration(time.Hour), Duration(time.Hour)
	calls, moment := 0, hinted(t, time.Millisecond)
	p.respond(func(otlp.Signal, []byte) error {
		if calls++; calls < 3 {
			return moment
		}
		return nil
	})
	a := newClient(t, c).Send(t.Context(), otlp.Logs, request(otlp.Logs, 1, 2))
	if a.Err != nil || a.Tries != 3 || a.Rejected != 1 || a.Message != "one of them is odd" || a.Took <= 0 {
		t.Errorf("%+v", a)
	}
	if got := p.ids(otlp.Logs); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("arrived: %v", got)
	}
}

func TestClientEnds(t *testing.T) {
	unavailable := status.Error(codes.Unavailable, "down")
	tests := []struct {
		name   string
		answer error
		change func(*Config)
		want   Answer
	}{
		{"refused", status.Error(codes.InvalidArgument, "no"), func(*Config) {}, Answer{Code: "InvalidArgument", Final: true, Tries: 1}},
		{"too large", status.Error(codes.ResourceExhausted, "too large"), func(*Config) {}, Answer{Code: "ResourceExhausted", Final: true, Large: true, Tries: 1}},
		{"without retries", unavailable, func(c *Config) { c.RetryOnFailure.Enabled = false }, Answer{Code: "Unavailable", Tries: 1}},
		{"given up", unavailable, func(c *Config) { c.RetryOnFailure.MaxElapsedTime = Duration(time.Millisecond) }, Answer{Code: "Unavailable", Tries: 1}},
		{"a hint beyond it", hinted(t, time.Hour), func(c *Config) { c.RetryOnFailure.MaxElapsedTime = Duration(time.Minute) }, Answer{Code: "ResourceExhausted", Tries: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeer(t)
			p.respond(func(otlp.Signal, []byte) error { return tt.answer })
			c := quick("a", p)
			c.RetryOnFailure.InitialInterval = Duration(10 * time.Millisecond)
			tt.change(&c)
			a := newClient(t, c).Send(t.Context(), otlp.Logs, request(otlp.Logs, 1))
			if a.Err == nil || a.Code != tt.want.Code || a.Final != tt.want.Final || a.Large != tt.want.Large || a.Tries != tt.want.Tries {
				t.Errorf("%+v, want %+v", a, tt.want)
			}
		})
	}
}

// TestClientIsInterrupted: while it waits for an hour, as it was told.
func TestClientIsInterrupted(t *testing.T) {
	p, later := newPeer(t), hinted(t, time.Hour)
	asked := make(chan struct{})
	p.respond(func(otlp.Signal, []byte) error { close(asked); return later })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	a := newClient(t, quick("a", p)).Send(ctx, otlp.Logs, request(otlp.Logs, 1))
	if a.Err == nil || a.Final || a.Tries != 1 {
		t.Errorf("%+v", a)
	}
}

func TestClientSettings(t *testing.T) {
	c := Default()
	c.Name, c.Endpoint, c.Compression = "a", "nowhere", "rot13"
	_, err := NewClient(c, "send", slog.New(slog.DiscardHandler), time.Now)
	if fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), "send.endpoint") || !strings.Contains(err.Error(), "send.compression") {
		t.Errorf("%v", err)
	}
	c.Endpoint, c.Compression, c.TLS.CAFile = "127.0.0.1:1", "none", "none/ca.pem"
	if _, err = NewClient(c, "send", slog.New(slog.DiscardHandler), time.Now); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a missing CA: %v", err)
	}
}

func TestSplitIsWithinBytes(t *testing.T) {
	body := request(otlp.Logs, sequence(1, 100)...)
	var ids []uint64
	for _, part := range Split(otlp.Logs, body, len(body)/5) {
		if len(part) > len(body)/5 {
			t.Errorf("%d of %d bytes", len(part), len(body))
		}
		ids = append(ids, idsOf(otlp.Logs, part)...)
	}
	if !slices.Equal(ids, sequence(1, 100)) {
		t.Errorf("%v", ids)
	}
}
