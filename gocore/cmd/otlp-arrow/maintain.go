package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// errRemain ends the program with code 1, after the report.
var errRemain = errors.New("problems remain")

// maintain runs doctor and compact.
func maintain(command string, args []string, out, log io.Writer) error {
	m := otlparrow.Maintenance{Command: command}
	m.Config = otlparrow.Config{Env: environment(), Logger: slog.New(slog.NewTextHandler(log, nil))}
	asJSON := false
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON")
	if command == "doctor" {
		flags.BoolVar(&m.Repair, "repair", false, "repair what can be")
		flags.StringVar(&m.Config.File, "config", "", "YAML file, for adopting journals")
	} else {
		flags.StringVar(&m.Signal, "signal", "", "only traces, metrics or logs")
		flags.IntVar(&m.MinBatches, "min-batches", 0, "leave files with fewer batches alone")
	}
	var err error
	if m.Paths, err = interspersed(flags, args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends the process
	outcome, err := otlparrow.Maintain(ctx, m)
	if err != nil {
		return err
	}
	if err := printOutcome(outcome, asJSON, out); err != nil {
		return err
	}
	if !outcome.OK {
		return errRemain
	}
	return nil
}

func printOutcome(outcome otlparrow.Outcome, asJSON bool, out io.Writer) error {
	if !asJSON {
		_, err := io.WriteString(out, outcome.Text)
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(outcome.Report)
}

// interspersed takes flags after other arguments too, as Python's argparse does.
func interspersed(flags *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return others, nil
		}
		others, args = append(others, flags.Arg(0)), flags.Args()[1:]
	}
}
