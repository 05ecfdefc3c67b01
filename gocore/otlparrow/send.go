package otlparrow

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fsys"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/send"
)

// SendOptions is what to send and where to. docs/cli.md tells more.
type SendOptions = send.Options

// SendProgress is how far it is.
type SendProgress = send.Progress

// Sent is what became of it.
type Sent = send.Result

// ParseSend reads SendOptions from JSON.
func ParseSend(document []byte) (SendOptions, error) {
	var o SendOptions
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return o, &fault.Error{Kind: fault.Config, Op: "send", Err: err}
	}
	return o, nil
}

// Send replays files to a receiver, or puts load on one. An error is one of the options, or Internal, with the
// result until then; what else went wrong on the way is in the result, also when ctx ended it.
func Send(ctx context.Context, o SendOptions) (Sent, error) {
	return send.Run(ctx, fsys.OS{}, o)
}
