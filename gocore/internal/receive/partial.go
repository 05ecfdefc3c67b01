package receive

import (
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// The answer to a request that was taken in part, which says the same for each signal:
//
//	ExportTraceServiceResponse       1: partial_success
//	ExportTracePartialSuccess          1: rejected_spans   2: error_message

// partialResponse is the answer in protobuf.
func partialResponse(p *fault.PartialError) []byte {
	inner := protowire.AppendTag(nil, 1, protowire.VarintType)
	inner = protowire.AppendVarint(inner, uint64(p.Rejected))
	inner = protowire.AppendTag(inner, 2, protowire.BytesType)
	inner = protowire.AppendString(inner, clean(p.Message))
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), inner)
}

// partial is the answer in the request's encoding.
func (m media) partial(signal otlp.Signal, p *fault.PartialError) []byte {
	if m != jsonMedia {
		return partialResponse(p)
	}
	text, _ := json.Marshal(map[string]any{"partialSuccess": map[string]any{ // strings and numbers cannot fail
		signal.RejectedKey(): strconv.FormatInt(p.Rejected, 10), "errorMessage": clean(p.Message),
	}})
	return text
}
