"""Spans of the OpenTelemetry SDK -> the body of an ExportTraceServiceRequest."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from .encode import Memo, Request, attributes, fixed32, sized, text, time, varint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link, SpanContext

_times = struct.Struct("<BQBQ").pack
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200  # SpanFlags of trace.proto
_LOCAL, _REMOTE = fixed32(_HAS_IS_REMOTE), fixed32(_HAS_IS_REMOTE | _IS_REMOTE)
_names: Memo[str] = Memo(lambda name: b"\x2a" + text(name))


def encode_spans(spans: Iterable[ReadableSpan]) -> bytes:
    """The body for spans, in their order within each resource and scope."""
    request, resource, scope = Request(), object(), object()
    items: list[bytes] = []
    for span in spans:
        if span.resource is not resource or span.instrumentation_scope is not scope:
            resource, scope = span.resource, span.instrumentation_scope
            items = request.items(resource, scope)
        items.append(_span(span))
    return request.body()


def _span(span: ReadableSpan) -> bytes:
    parent = span.parent
    return b"".join(
        (
            _ids(span.get_span_context()),
            b"\x22\x08" + parent.span_id.to_bytes(8, "big") if parent else b"",
            _names[span.name],
            b"\x30" + varint(span.kind.value + 1),  # OTLP counts from 1, 0 is unspecified
            _times(0x39, span.start_time or 0, 0x41, span.end_time or 0),
            attributes(b"\x4a", span.attributes),
            _dropped(b"\x50", span.dropped_attributes),
            *map(_event, span.events),
            _dropped(b"\x60", span.dropped_events),
            *map(_link, span.links),
            _dropped(b"\x70", span.dropped_links),
            _status(span.status),
            b"\x85\x01",
            _REMOTE if parent and parent.is_remote else _LOCAL,
        )
    )


def _ids(context: SpanContext | None) -> bytes:
    """Trace id, span id and trace state, which have the same fields in spans and links."""
    if context is None:
        return b""
    ids = b"\x0a\x10%b\x12\x08%b" % (context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big"))
    state = context.trace_state
    return ids + b"\x1a" + text(",".join(f"{key}={value}" for key, value in state.items())) if state else ids


def _dropped(tag: bytes, count: int) -> bytes:
    return tag + varint(count) if count else b""


def _event(event: Event) -> bytes:
    return b"\x5a" + sized(
        b"".join(
            (
                b"\x09",
                time(event.timestamp),
                b"\x12" + text(event.name),
                attributes(b"\x1a", event.attributes),
                _dropped(b"\x20", event.dropped_attributes),
            )
        )
    )


def _link(link: Link) -> bytes:
    context = link.context
    return b"\x6a" + sized(
        b"".join(
            (
                _ids(context),
                attributes(b"\x22", link.attributes),
                _dropped(b"\x28", link.dropped_attributes),
                b"\x35",
                _REMOTE if context and context.is_remote else _LOCAL,
            )
        )
    )


def _status(status: Any) -> bytes:
    if status is None:
        return b""
    message = b"\x12" + text(status.description) if status.description else b""
    code = status.status_code.value
    return b"\x7a" + sized(message + b"\x18" + varint(code) if code else message)
