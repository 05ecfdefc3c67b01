package receive

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

// zipped is text as a client of the process would send it.
func zipped(t *testing.T, z *zstdCompressor, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := z.Compress(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestZstdOfTheProcess(t *testing.T) {
	z := sharedZstd()
	for _, text := range []string{"", "a", strings.Repeat("again ", 10_000)} { // the second and third use kept coders
		r, err := z.Decompress(bytes.NewReader(zipped(t, z, text)))
		if err != nil {
			t.Fatal(err)
		}
		back, err := io.ReadAll(r)
		if err != nil || string(back) != text {
			t.Errorf("%d bytes came back, %v; want %d", len(back), err, len(text))
		}
		if err := r.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
	for range 2 * cap(z.slots) { // a failure gives its slot back, or this would wait for ever
		r, err := z.Decompress(strings.NewReader("no zstd"))
		if err == nil {
			_, err = io.ReadAll(r)
			_ = r.(io.Closer).Close()
		}
		if err == nil {
			t.Fatal("damage was inflated")
		}
	}
}

// TestArrowZstd: what otelarrow exporters call zstd, with the window of their highest level,
// which plain zstd may not ask for; only over gRPC.
func TestArrowZstd(t *testing.T) {
	for name, want := range map[string]bool{"zstdarrow1": true, "zstdarrow10": true, "zstdarrow0": false, "zstdarrow11": false, "zstdarrow": false, "zstd": false, "zstdarrow-1": false} {
		if arrowLevel(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	in := newInflater()
	for _, name := range []string{"zstdarrow", "zstdarrow5"} {
		if _, ok := in.known(name); ok {
			t.Errorf("%s is a content coding of HTTP", name)
		}
	}
	text := make([]byte, 1<<20)
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(arrowZstdWindow))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	room := &bodies{admission: NewAdmission(16 << 20), limit: 4 << 20}
	for coding, taken := range map[string]bool{codingArrowZstd: true, codingZstd: false} {
		payer := room.account()
		b := room.get(&payer)
		err := in.inflate(b, coding, bytes.NewReader(out.Bytes()))
		if taken && (err != nil || !bytes.Equal(b.data, text)) || !taken && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", coding, err)
		}
		b.free()
	}
}

func TestGzipForTheHealthService(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(make([]byte, 2*healthBytes)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if inflated, err := (acceptGzip{}).Do(&packed); err != nil || len(inflated) != healthBytes+1 {
		t.Errorf("%d bytes, %v; want one more than is allowed", len(inflated), err)
	}
	if _, err := (acceptGzip{}).Do(strings.NewReader("no gzip")); err == nil {
		t.Error("damage was inflated")
	}
}

func TestCodecAnswers(t *testing.T) {
	codec := newCodec()
	if codec.Name() != "proto" {
		t.Errorf("the name is %s", codec.Name())
	}
	if data, err := codec.Marshal(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}); err != nil || data.Len() == 0 {
		t.Errorf("health is %d bytes, %v", data.Len(), err)
	}
}
