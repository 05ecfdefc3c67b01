package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"strconv"
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
	again time.Duration // how long a request is tried again
	wrong error         // of a flag whose text may be a secret: package flag would tell it

	request, destination, headers, auth, tls map[string]any
}

func newSending() *sending {
	s := &sending{flags: flag.NewFlagSet("send", flag.ContinueOnError), again: time.Minute}
	for _, part := range []*map[string]any{&s.request, &s.destination, &s.headers, &s.auth, &s.tls} {
		*part = map[string]any{}
	}
	s.flags.SetOutput(io.Discard)
	s.what()
	s.where()
	s.how()
	return s
}

// parseSend makes of flags what oa_send takes.
func parseSend(args []string) (o otlparrow.SendOptions, err error) {
	s := newSending()
	paths, err := interspersed(s.flags, args)
	if err == nil {
		err = s.wrong
	}
	if err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	s.request["paths"] = paths
	s.destination["retry_on_failure"] = map[string]any{
		"enabled": s.again > 0, "initial_interval": "200ms", "max_interval": "5s", "max_elapsed_time": s.again.String(),
	}
	if s.destination["endpoint"] == nil {
		s.destination["endpoint"] = thisMachine(s.destination["protocol"])
	}
	document, err := json.Marshal(s.request)
	if err != nil { // a rate that is no number
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	return otlparrow.ParseSend(document)
}

// thisMachine is where a service on it listens for a protocol, by default.
func thisMachine(protocol any) string {
	switch protocol {
	case "otlp_http", "otlp_http_json":
		return "http://127.0.0.1:4318"
	case "otap":
		return "http://127.0.0.1:4319"
	}
	return "http://127.0.0.1:4317"
}

// what adds the flags of files and load.
func (s *sending) what() {
	for _, name := range []string{"from", "signal", "generate"} {
		s.text(name, s.request, plainly)
	}
	s.request["seed"] = 1
	read(s, "items", s.request, "items", count)
	read(s, "duration", s.request, "duration", timeText)
	read(s, "batch", s.request, "batch_items", strconv.Atoi)
	read(s, "seed", s.request, "seed", func(text string) (uint64, error) { return strconv.ParseUint(text, 10, 64) })
}

// where adds the flags of the destination.
func (s *sending) where() {
	s.request["destination"] = s.destination
	s.destination["headers"], s.destination["auth"], s.destination["tls"] = s.headers, s.auth, s.tls
	for _, name := range []string{"endpoint", "protocol", "compression"} {
		s.text(name, s.destination, plainly)
	}
	for _, name := range []string{"api-key", "bearer-token"} {
		s.text(name, s.auth, secret)
	}
	for _, name := range []string{"ca-file", "cert-file", "key-file", "server-name"} {
		s.text(name, s.tls, plainly)
	}
	s.flags.BoolFunc("insecure", "no TLS to HOST:PORT", func(string) error { s.tls["insecure"] = true; return nil })
	s.pair("header", "NAME=VALUE", func(name, value string) { s.headers[name] = secret(value) })
	s.pair("basic", "USER=PASSWORD", func(user, password string) {
		s.auth["basic"] = map[string]any{"username": user, "password": secret(password)}
	})
}

// how adds the others.
func (s *sending) how() {
	s.flags.Func("retry-for", "how long a request is tried again", func(text string) (err error) {
		s.again, err = span(text)
		return err
	})
	batch := map[string]any{"max_bytes": 4 << 20}
	s.destination["batch"] = batch
	read(s, "max-request-bytes", batch, "max_bytes", strconv.Atoi)
	read(s, "timeout", s.destination, "timeout", timeText)
	read(s, "connections", s.request, "connections", strconv.Atoi)
	read(s, "rate", s.request, "rate", func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
	s.flags.Bool("json", true, "the summary is JSON in any case")
}

// pair adds a flag of two parts.
func (s *sending) pair(name, form string, take func(first, second string)) {
	s.flags.Func(name, form, func(text string) error {
		first, second, ok := strings.Cut(text, "=")
		if !ok {
			s.wrong = fmt.Errorf("--%s: want %s", name, form)
			return nil
		}
		take(first, second)
		return nil
	})
}

// text adds a flag whose value becomes that of its key, api_key of api-key.
func (s *sending) text(name string, into map[string]any, of func(string) any) {
	read(s, name, into, strings.ReplaceAll(name, "-", "_"), func(text string) (any, error) { return of(text), nil })
}

// read adds a flag whose value, as parse has it, becomes that of key.
func read[T any](s *sending, name string, into map[string]any, key string, parse func(string) (T, error)) {
	s.flags.Func(name, "see the documentation", func(text string) error {
		value, err := parse(text)
		into[key] = value
		return err
	})
}

// count is a number, or 10k, 5M.
func count(text string) (int64, error) {
	digits, zeros := text, ""
	for unit, stands := range map[string]string{"k": "000", "M": "000000"} {
		if before, ok := strings.CutSuffix(text, unit); ok {
			digits, zeros = before, stands
		}
	}
	n, err := strconv.ParseUint(digits+zeros, 10, 63)
	if err != nil || digits == "" {
		return 0, errors.New("want a number such as 500 or 10k")
	}
	return int64(n), nil // it has 63 bits
}

// span is a time such as 90, which is seconds, 1.5s or 5m.
func span(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text + "s")
	}
	if err != nil || d < 0 {
		return 0, errors.New("want a time such as 90s or 5m")
	}
	return d, nil
}

func timeText(text string) (string, error) {
	d, err := span(text)
	return d.String(), err
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
