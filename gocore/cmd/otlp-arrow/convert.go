package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

// convert runs the command of this name.
func convert(args []string, out, log io.Writer) error {
	var o otlparrow.ConvertOptions
	var from, to string
	flags := flag.NewFlagSet("convert", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&from, "from", "", "format of SRC")
	flags.StringVar(&to, "to", "", "format of DST")
	flags.StringVar(&o.Signal, "signal", "", "traces, metrics or logs")
	flags.StringVar(&o.Compression, "compression", "", "of Arrow and Parquet: lz4, zstd or none")
	flags.BoolVar(&o.Force, "force", false, "replace DST")
	flags.Func("promote", "column to add, as in files.promote", func(entry string) error {
		o.Promote = append(o.Promote, strings.Split(entry, ",")...)
		return nil
	})
	flags.Int64Var(&o.MaxMessage, "max-message-bytes", 0, "largest message")
	paths, err := interspersed(flags, args)
	if err == nil && len(paths) != 2 {
		err = fmt.Errorf("convert wants SRC and DST, not %d files", len(paths))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	o.From, o.To = otlparrow.ConvertFormat(from), otlparrow.ConvertFormat(to)
	bar := newBar(log, time.Now)
	o.Progress = bar.show
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends the process
	done, err := otlparrow.Convert(ctx, paths[0], paths[1], o)
	bar.clear()
	if err != nil {
		return err
	}
	if len(done.Lost) > 0 {
		_, _ = fmt.Fprintf(log, "%s cannot carry all of it; left out: %s\n", done.To, done.Lost) // a warning
	}
	_, err = fmt.Fprintf(out, "%s -> %s: %d messages of %s, %d of other signals skipped, %d -> %d bytes\n",
		done.From, done.To, done.Messages, done.Signal, done.Skipped, done.Read, done.Written)
	return err
}

// bar is a line on a terminal that tells how far a long conversion is.
type bar struct {
	out   io.Writer // nil where nobody looks
	now   func() time.Time
	begun time.Time
	drawn bool
}

// patience is how long a conversion takes without a bar.
const patience = 2 * time.Second

func newBar(out io.Writer, now func() time.Time) *bar {
	b := &bar{now: now, begun: now()}
	if file, ok := out.(*os.File); ok && isTerminal(file) {
		b.out = out
	}
	return b
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

const barWidth = 30

func (b *bar) show(done, total int64) {
	if b.out == nil || total <= 0 || b.now().Sub(b.begun) < patience {
		return
	}
	filled := int(barWidth * done / total)
	b.drawn = true
	_, _ = fmt.Fprintf(b.out, "\r[%s%s] %3d %% of %d MB", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), 100*done/total, total/1e6)
}

func (b *bar) clear() {
	if b.drawn {
		_, _ = fmt.Fprint(b.out, "\r\x1b[K") // what is told next stands alone
	}
}
