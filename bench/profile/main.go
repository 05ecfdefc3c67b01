// Command profile makes the profile that the compiler is given (docs/decisions/0012-pgo.md): of the
// service while it takes traces, metrics and logs in turn.
//
//	go run -trimpath ./bench/profile gocore/service.pgo
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// requests of 100 items, of each signal: some ten seconds in all.
const requests = 20_000

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1)
	}
}

func run(outputs []string) error {
	dir, err := os.MkdirTemp("", "otlp-arrow-profile")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	lib, err := otlparrow.Open(context.Background(), otlparrow.Config{Embedded: true, Values: map[string]any{
		"output_dir": dir, "otlp_grpc": map[string]any{"enabled": true, "endpoint": "127.0.0.1:0"},
	}})
	if err != nil {
		return err
	}
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		return err
	}
	for _, signal := range []string{"traces", "metrics", "logs"} {
		if err := load(lib.Endpoints()["otlp_grpc"], signal); err != nil {
			return err
		}
	}
	pprof.StopCPUProfile()
	made, err := strip(profile.Bytes())
	if err != nil {
		return err
	}
	for _, output := range outputs {
		if err := os.WriteFile(output, made, 0o644); err != nil { //nolint:gosec // a source file
			return err
		}
	}
	return lib.Close(context.Background())
}

// load sends from another process, which is not in the profile.
func load(address, signal string) error {
	sender := exec.Command("go", "run", "./bench/loadgen", "-addr", address, "-signal", signal, "-per", "100", "-n", strconv.Itoa(requests)) //nolint:gosec // our own
	sender.Stderr = os.Stderr
	return sender.Run()
}
