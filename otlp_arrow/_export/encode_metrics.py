"""MetricsData of the OpenTelemetry SDK -> the body of an ExportMetricsServiceRequest."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from .encode import Request, attributes, fixed64, sized, text, time, varint, zigzag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricsData

_double = struct.Struct("<d").pack
_sfixed64 = struct.Struct("<q").pack


def encode_metrics(data: MetricsData) -> bytes:
    """The body for all points of data; metrics in their order within each resource and scope."""
    request = Request()
    for of_resource in data.resource_metrics:
        for of_scope in of_resource.scope_metrics:
            request.items(of_resource.resource, of_scope.scope).extend(map(_metric, of_scope.metrics))
    return request.body()


def _metric(metric: Metric) -> bytes:
    head = b"\x0a" + text(metric.name)
    if metric.description:
        head += b"\x12" + text(metric.description)
    if metric.unit:
        head += b"\x1a" + text(metric.unit)
    tag, encode_point = _kind(metric.data)
    points = b"".join(b"\x0a" + sized(encode_point(point)) for point in metric.data.data_points)
    return head + tag + sized(points + _stream(metric.data)) if points else head


def _kind(data: Any) -> tuple[bytes, Callable[[Any], bytes]]:
    """The tag in Metric, and how a point is encoded."""
    name = type(data).__name__
    if name not in _KINDS:
        raise TypeError(f"want a Gauge, Sum, Histogram or ExponentialHistogram of the SDK, not {name}")
    return _KINDS[name]


def _stream(data: Any) -> bytes:
    """What Sum and the histograms know of all their points."""
    temporality = getattr(data, "aggregation_temporality", None)
    monotonic = b"\x18\x01" if getattr(data, "is_monotonic", False) else b""
    return (b"\x10" + varint(int(temporality)) if temporality else b"") + monotonic


# --- points ---


def _number_point(point: Any) -> bytes:
    return b"".join(
        (
            _times(point),
            _number(b"\x21", point.value),
            _exemplars(b"\x2a", point.exemplars),
            attributes(b"\x3a", point.attributes),
        )
    )


def _histogram_point(point: Any) -> bytes:
    return b"".join(
        (
            _times(point),
            _count_and_sum(point),
            b"\x32" + _packed("Q", point.bucket_counts),
            b"\x3a" + _packed("d", point.explicit_bounds),
            _exemplars(b"\x42", point.exemplars),
            attributes(b"\x4a", point.attributes),
            _optional(b"\x59", point.min),
            _optional(b"\x61", point.max),
        )
    )


def _exponential_point(point: Any) -> bytes:
    threshold = getattr(point, "zero_threshold", 0)
    return b"".join(
        (
            attributes(b"\x0a", point.attributes),
            _times(point),
            _count_and_sum(point),
            b"\x30" + zigzag(point.scale),
            b"\x39" + fixed64(point.zero_count),
            _buckets(b"\x42", point.positive),
            _buckets(b"\x4a", point.negative),
            b"\x50" + varint(point.flags) if point.flags else b"",
            _exemplars(b"\x5a", point.exemplars),
            _optional(b"\x61", point.min),
            _optional(b"\x69", point.max),
            b"\x71" + _double(threshold) if threshold else b"",
        )
    )


_KINDS: dict[str, tuple[bytes, Callable[[Any], bytes]]] = {
    "Gauge": (b"\x2a", _number_point),
    "Sum": (b"\x3a", _number_point),
    "Histogram": (b"\x4a", _histogram_point),
    "ExponentialHistogram": (b"\x52", _exponential_point),
}


def _times(point: Any) -> bytes:
    return b"\x11" + time(point.start_time_unix_nano) + b"\x19" + time(point.time_unix_nano)


def _count_and_sum(point: Any) -> bytes:
    return b"\x21" + fixed64(point.count) + _optional(b"\x29", point.sum)


def _optional(tag: bytes, value: float | None) -> bytes:
    return b"" if value is None else tag + _double(value)


def _number(double: bytes, value: float) -> bytes:
    """The value of a point or exemplar: field 6 when it is whole, else that of the tag."""
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return b"\x31" + _sfixed64(value)
    return double + _double(value)


def _packed(letter: str, numbers: Sequence[float]) -> bytes:
    return sized(struct.pack(f"<{len(numbers)}{letter}", *numbers))


def _buckets(tag: bytes, buckets: Any) -> bytes:
    if not buckets.bucket_counts:
        return b""
    counts = b"".join(map(varint, buckets.bucket_counts))
    return tag + sized(b"\x08" + zigzag(buckets.offset) + b"\x12" + sized(counts))


def _exemplars(tag: bytes, exemplars: Iterable[Any]) -> bytes:
    return b"".join(tag + sized(_exemplar(each)) for each in exemplars)


def _exemplar(exemplar: Any) -> bytes:
    ids = b""
    if exemplar.span_id is not None and exemplar.trace_id is not None:
        span_id, trace_id = exemplar.span_id.to_bytes(8, "big"), exemplar.trace_id.to_bytes(16, "big")
        ids = b"\x22\x08%b\x2a\x10%b" % (span_id, trace_id)
    return b"".join(
        (
            b"\x11" + time(exemplar.time_unix_nano),
            _number(b"\x19", exemplar.value),
            ids,
            attributes(b"\x3a", exemplar.filtered_attributes),
        )
    )
