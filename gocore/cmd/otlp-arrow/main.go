// Command otlp-arrow is the service as one static binary, for containers and systems where
// Go shared libraries cannot be loaded. Python's otlp-arrow has the same commands.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

const usage = `usage: otlp-arrow serve [flags]        receive until SIGTERM or SIGINT
       otlp-arrow validate FILE        check a configuration
       otlp-arrow print-config [flags] print the whole configuration
       otlp-arrow doctor DIR [--repair] [--json] [--config FILE]
                                       check an output directory, and repair it
       otlp-arrow compact DIR|FILE... [--signal SIGNAL] [--min-batches N] [--json]
                                       few large batches instead of many small ones
       otlp-arrow convert SRC DST [--from FORMAT] [--to FORMAT] [--signal SIGNAL] [--force]
                  [--compression lz4|zstd|none] [--promote NAME,...] [--max-message-bytes N]
                                       formats: otlp_json, otlp_proto, otlp_proto_varint,
                                       otlp_proto_message, arrow, parquet
       otlp-arrow send FILE|DIR...|--generate SIGNAL [--endpoint URL] [--protocol PROTOCOL]
                  [--items N] [--duration TIME] [--batch N] [--seed N] [--rate N] [--connections N]
                  [--from FORMAT] [--signal SIGNAL] [--compression none|gzip|zstd] [--timeout TIME]
                  [--retry-for TIME] [--max-request-bytes N] [--header NAME=VALUE]...
                  [--api-key KEY | --bearer-token TOKEN | --basic USER=PASSWORD] [--insecure]
                  [--ca-file PEM] [--cert-file PEM --key-file PEM] [--server-name NAME]
                                       to a receiver; a secret may be env:NAME or file:PATH
                                       protocols: otlp_grpc, otlp_http, otlp_http_json, otap

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 send was interrupted.`

// errUsage ends the program with code 2.
var errUsage = errors.New("usage")

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	if errors.Is(err, errRemain) { // the report says so
		os.Exit(1)
	}
	if errors.Is(err, errInterrupted) { // likewise
		os.Exit(130)
	}
	fmt.Fprintln(os.Stderr, "otlp-arrow:", err)
	if errors.Is(err, errUsage) || otlparrow.Code(err) == configCode {
		os.Exit(2)
	}
	os.Exit(1)
}

// configCode is OA_CONFIG of otlp_arrow.h.
const configCode = 9

func run(args []string, out, log io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: no command\n%s", errUsage, usage)
	}
	err := command(args[0], args[1:], out, log)
	if errors.Is(err, flag.ErrHelp) {
		return help(out)
	}
	return err
}

func command(name string, args []string, out, log io.Writer) error {
	switch name {
	case "serve":
		return serve(args, out, log)
	case "validate":
		return validate(args, out)
	case "print-config":
		return printConfig(args, out)
	case "doctor", "compact":
		return maintain(name, args, out, log)
	case "convert":
		return convert(args, out, log)
	case "send":
		return send(args, out, log)
	case "help", "-h", "--help":
		return flag.ErrHelp
	}
	return fmt.Errorf("%w: unknown command %q\n%s", errUsage, name, usage)
}

// help prints the commands and their flags.
func help(out io.Writer) error {
	if _, err := fmt.Fprintln(out, usage+"\n\nFlags of serve and print-config; the last one wins:"); err != nil {
		return err
	}
	flags := new(options).flags("")
	flags.SetOutput(out)
	flags.PrintDefaults()
	return nil
}

// options are the flags of serve and print-config.
type options struct {
	config    otlparrow.Config
	readyFile string
}

func (o *options) flags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.config.File, "config", "", "YAML `FILE`; variables and the flags below win over it")
	flags.StringVar(&o.readyFile, "ready-file", "", "`FILE` to write the ready line to as well")
	o.text(flags, "output-dir", "output_dir", "`DIR` for the files")
	o.text(flags, "log-level", "log.level", "debug, info, warn or error: the least `LEVEL` that is told")
	o.text(flags, "log-format", "log.format", "text or json: the log's `FORMAT`")
	o.listener(flags, "otlp-grpc", "otlp_grpc")
	o.listener(flags, "otlp-http", "otlp_http")
	o.listener(flags, "arrow", "arrow")
	o.listener(flags, "health", "health")
	o.listener(flags, "metrics", "metrics")
	flags.Func("set", "any setting, as `KEY=VALUE`", func(assignment string) error {
		if !strings.Contains(assignment, "=") {
			return fmt.Errorf("%q is not KEY=VALUE", assignment)
		}
		o.config.Set = append(o.config.Set, assignment)
		return nil
	})
	return flags
}

func parse(name string, args []string) (options, error) {
	o := options{config: otlparrow.Config{Env: environment()}}
	flags := o.flags(name)
	if err := flags.Parse(args); err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%w: %q is not a flag", errUsage, flags.Arg(0))
	}
	return o, nil
}

func (o *options) text(flags *flag.FlagSet, name, key, usage string) {
	flags.Func(name, usage, func(value string) error {
		o.set(key, value)
		return nil
	})
}

func (o *options) listener(flags *flag.FlagSet, name, key string) {
	flags.Func(name, "`ADDRESS` to listen at, or off", func(address string) error {
		if address == "off" {
			o.set(key+".enabled", "false")
			return nil
		}
		o.set(key+".enabled", "true")
		o.set(key+".endpoint", address)
		return nil
	})
}

// set assigns a value as it is; one that looks like JSON has to be quoted for that.
func (o *options) set(key, value string) {
	if value == "null" || value != "" && strings.Contains(`{["`, value[:1]) {
		encoded, err := json.Marshal(value)
		if err != nil {
			panic(err) // a text
		}
		value = string(encoded)
	}
	o.config.Set = append(o.config.Set, key+"="+value)
}

func environment() map[string]string {
	all := map[string]string{}
	for _, pair := range os.Environ() {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, "OTLP_") {
			all[name] = value
		}
	}
	return all
}

func validate(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("validate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("%w: validate takes one file", errUsage)
	}
	file := flags.Arg(0)
	if _, err := otlparrow.Resolve(otlparrow.Config{File: file, Env: environment()}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, file+": ok")
	return err
}

func printConfig(args []string, out io.Writer) error {
	o, err := parse("print-config", args)
	if err != nil {
		return err
	}
	resolved, err := otlparrow.Resolve(o.config)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(resolved))
	return err
}

// drainTimeout is how long a stop may take; a second signal ends it at once.
const drainTimeout = 30 * time.Second

func serve(args []string, out, log io.Writer) error {
	o, err := parse("serve", args)
	if err != nil {
		return err
	}
	if o.config.Logger, err = logger(o.config, log); err != nil {
		return err
	}
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(stop)
	library, err := otlparrow.Open(context.Background(), o.config)
	if err != nil {
		return err
	}
	if err := ready(library, o.readyFile, out); err != nil {
		return errors.Join(err, library.Close(context.Background()))
	}
	<-stop
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	closed := make(chan struct{})
	defer close(closed)
	go func() {
		select {
		case <-stop:
			os.Exit(1)
		case <-closed:
		}
	}()
	return library.Close(ctx)
}

// logger is what log.level and log.format ask for.
func logger(c otlparrow.Config, out io.Writer) (*slog.Logger, error) {
	resolved, err := otlparrow.Resolve(c)
	if err != nil {
		return nil, err
	}
	var settings struct {
		Log struct {
			Level  slog.Level `json:"level"`
			Format string     `json:"format"`
		} `json:"log"`
	}
	if err := json.Unmarshal(resolved, &settings); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: settings.Log.Level}
	if settings.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return slog.New(slog.NewTextHandler(out, options)), nil
}

// ready writes the line that tells machines the real addresses.
func ready(library *otlparrow.Library, file string, out io.Writer) error {
	line, err := json.Marshal(map[string]any{"event": "ready", "pid": os.Getpid(), "endpoints": library.Endpoints()})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if file != "" {
		if err := os.WriteFile(file, line, 0o600); err != nil {
			return err
		}
	}
	_, err = out.Write(line)
	return err
}
