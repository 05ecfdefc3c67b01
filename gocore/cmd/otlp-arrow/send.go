package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// errInterrupted ends the program with code 130, after the summary.
var errInterrupted = errors.New("interrupted")

// send runs the command of this name. The summary is JSON.
func send(args []string, out, log io.Writer) error {
	o, err := parseSend(args)
	if err != nil {
		return err
	}
	bar := newBar(log, time.Now)
	if o.Generate == "" { // else it would not count bytes
		o.Progress = func(p otlparrow.SendProgress) { bar.show(p.Done, p.Total) }
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends the process
	sent, err := otlparrow.Send(ctx, o)
	bar.clear()
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(sent); err != nil {
		return err
	}
	switch {
	case sent.Interrupted:
		return errInterrupted
	case sent.Refused+sent.Rejected+sent.GivenUp > 0 || sent.Fault != "":
		return errRemain
	}
	return nil
}

// sending is a request of oa_send while its flags are read.
type sending struct {
	flags *flag.FlagSet

	request, destination, headers, auth, tls map[string]any
}

// parseSend makes of flags what oa_send takes.
func parseSend(args []string) (o otlparrow.SendOptions, err error) {
	s := sending{flags: flag.NewFlagSet("send", flag.ContinueOnError)}
	for _, part := range []*map[string]any{&s.request, &s.destination, &s.headers, &s.auth, &s.tls} {
		*part = map[string]any{}
	}
	s.flags.SetOutput(io.Discard)
	s.where()
	for _, name := range []string{"from", "signal", "generate", "duration"} {
		s.text(name, s.request, plainly)
	}
	retryFor := s.flags.Duration("retry-for", time.Minute, "how long a request is tried again")
	items := s.flags.Int64("items", 0, "as many")
	rate := s.flags.Float64("rate", 0, "items a second")
	connections := s.flags.Int("connections", 1, "each with one request on its way")
	paths, err := interspersed(s.flags, args)
	if err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	s.destination["retry_on_failure"] = map[string]any{
		"enabled": *retryFor > 0, "initial_interval": "200ms", "max_interval": "5s", "max_elapsed_time": retryFor.String(),
	}
	s.request["paths"], s.request["items"], s.request["rate"], s.request["connections"] = paths, *items, *rate, *connections
	document, err := json.Marshal(s.request)
	if err != nil {
		return o, err
	}
	return otlparrow.ParseSend(document)
}

// where adds the flags of the destination.
func (s *sending) where() {
	s.request["destination"] = s.destination
	s.destination["headers"], s.destination["auth"], s.destination["tls"] = s.headers, s.auth, s.tls
	for _, name := range []string{"endpoint", "protocol", "compression", "timeout"} {
		s.text(name, s.destination, plainly)
	}
	for _, name := range []string{"api-key", "bearer-token"} {
		s.text(name, s.auth, secret)
	}
	for _, name := range []string{"ca-file", "cert-file", "key-file", "server-name"} {
		s.text(name, s.tls, plainly)
	}
	s.flags.BoolFunc("insecure", "no TLS to HOST:PORT", func(string) error { s.tls["insecure"] = true; return nil })
	s.flags.Func("header", "NAME=VALUE", func(pair string) error {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return errors.New("want NAME=VALUE")
		}
		s.headers[name] = secret(value)
		return nil
	})
}

// text adds a flag whose value becomes that of its key, api_key of api-key.
func (s *sending) text(name string, into map[string]any, read func(string) any) {
	s.flags.Func(name, "see the documentation", func(value string) error {
		into[strings.ReplaceAll(name, "-", "_")] = read(value)
		return nil
	})
}

func plainly(value string) any { return value }

// secret is a value, or where it is: env:NAME and file:PATH keep it out of lists of processes.
func secret(value string) any {
	for _, kind := range []string{"env", "file"} {
		if place, ok := strings.CutPrefix(value, kind+":"); ok {
			return map[string]string{kind: place}
		}
	}
	return value
}
