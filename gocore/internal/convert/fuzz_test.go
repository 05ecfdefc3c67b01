package convert

import (
	"errors"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/bench/sample"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys/memfs"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// FuzzFile: whatever a file holds, there is no panic; what is refused leaves no output and is
// no fault of ours; what is taken means the same once it went through Arrow.
func FuzzFile(f *testing.F) {
	seeds := memfs.New()
	for _, s := range otlp.Signals {
		body := sample.New(1, 1).Body(s.String(), 3)
		write(f, seeds, "/a.pb", framed(body, body))
		for _, to := range written {
			convert(f, seeds, "/a.pb", "/"+to.name, Options{Signal: s.String(), To: to.to, From: Proto})
			data, err := fsys.ReadFile(seeds, "/"+to.name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(s), data)
			write(f, seeds, "/a.pb", framed(body, body)) // it was replaced by its own name
		}
	}
	f.Add(uint8(0), []byte(twoSignals))
	f.Fuzz(func(t *testing.T, signal uint8, data []byte) {
		disk, s := memfs.New(), otlp.Signal(signal%otlp.Count)
		o := Options{Signal: s.String(), To: Arrow, MaxMessage: 1 << 20}
		write(t, disk, "/a", data)
		if _, err := File(t.Context(), disk, "/a", "/b", o); err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Kind == fault.Internal || e.Kind == fault.IO {
				t.Fatalf("%v: %v", fault.KindOf(err), err)
			}
			if left, _ := disk.ReadDir("/"); len(left) != 1 {
				t.Fatalf("%v are left", left)
			}
			return
		}
		o.To, o.MaxMessage = ProtoMessage, 64<<20
		convert(t, disk, "/b", "/c", o)
		if _, err := File(t.Context(), disk, "/a", "/d", o); err != nil {
			return // JSON and protobuf only pass what a table checks
		}
		want, err := fsys.ReadFile(disk, "/d")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, s, want, messageIn(t, disk, "/b", Options{}))
	})
}
