"""What OtlpLibrary.export_* takes -> the body of a request: bytes as they are, or objects of the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .._handle import Buffer
from .encode_logs import encode_logs
from .encode_metrics import encode_metrics
from .encode_traces import encode_spans

# What tells the SDK's objects of a signal, and what to call them.
_MARKS = {
    "traces": ("get_span_context", "a sequence of the SDK's ReadableSpan"),
    "metrics": ("resource_metrics", "the SDK's MetricsData"),
    "logs": ("log_record", "a sequence of the SDK's ReadableLogRecord"),
}
ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "traces": encode_spans,
    "metrics": encode_metrics,
    "logs": encode_logs,
}


def body(signal: str, request: Any) -> Buffer:
    """The body of a request. Raises TypeError for what is neither bytes nor objects of the signal."""
    if isinstance(request, Buffer) or _is_buffer(request):
        return request  # type: ignore[no-any-return]
    mark, name = _MARKS[signal]
    items = [request] if signal == "metrics" else _listed(request)
    for item in items:
        if not hasattr(item, mark):
            kind = type(request).__name__ + ("" if item is request else f" with {type(item).__name__}")
            raise TypeError(
                f"want the bytes of a request, as SerializeToString() gives them, or {name}, not {kind}"
            )
    return ENCODERS[signal](request if signal == "metrics" else items)


def _listed(request: Any) -> list[Any]:
    """The items; request itself where it has none, so that it is named as what is wrong."""
    if isinstance(request, Iterable) and not isinstance(request, str):
        return list(request)
    return [request]


def _is_buffer(request: Any) -> bool:
    try:
        memoryview(request).release()
    except TypeError:
        return False
    return True
