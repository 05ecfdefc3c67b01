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

// parseSend makes of flags what oa_send takes.
func parseSend(args []string) (o otlparrow.SendOptions, err error) {
	destination, headers, auth, tls := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	destination["headers"], destination["auth"], destination["tls"] = headers, auth, tls
	request := map[string]any{"destination": destination}
	flags := flag.NewFlagSet("send", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	text := func(name, key string, into map[string]any, read func(string) any) {
		flags.Func(name, "see the documentation", func(value string) error {
			into[key] = read(value)
			return nil
		})
	}
	plain := func(value string) any { return value }
	text("endpoint", "endpoint", destination, plain)
	text("protocol", "protocol", destination, plain)
	text("compression", "compression", destination, plain)
	text("timeout", "timeout", destination, plain)
	text("api-key", "api_key", auth, secret)
	text("bearer-token", "bearer_token", auth, secret)
	text("ca-file", "ca_file", tls, plain)
	text("cert-file", "cert_file", tls, plain)
	text("key-file", "key_file", tls, plain)
	text("server-name", "server_name", tls, plain)
	text("from", "from", request, plain)
	text("signal", "signal", request, plain)
	text("generate", "generate", request, plain)
	text("duration", "duration", request, plain)
	flags.BoolFunc("insecure", "no TLS to HOST:PORT", func(string) error { tls["insecure"] = true; return nil })
	flags.Func("header", "NAME=VALUE", func(pair string) error {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return errors.New("want NAME=VALUE")
		}
		headers[name] = secret(value)
		return nil
	})
	retryFor := flags.Duration("retry-for", time.Minute, "how long a request is tried again")
	items := flags.Int64("items", 0, "as many")
	rate := flags.Float64("rate", 0, "items a second")
	connections := flags.Int("connections", 1, "each with one request on its way")
	paths, err := interspersed(flags, args)
	if err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	destination["retry_on_failure"] = map[string]any{
		"enabled": *retryFor > 0, "initial_interval": "200ms", "max_interval": "5s", "max_elapsed_time": retryFor.String(),
	}
	request["paths"], request["items"], request["rate"], request["connections"] = paths, *items, *rate, *connections
	document, err := json.Marshal(request)
	if err != nil {
		return o, err
	}
	return otlparrow.ParseSend(document)
}

// secret is a value, or where it is: env:NAME and file:PATH keep it out of lists of processes.
func secret(value string) any {
	for _, kind := range []string{"env", "file"} {
		if place, ok := strings.CutPrefix(value, kind+":"); ok {
			return map[string]string{kind: place}
		}
	}
	return value
}
