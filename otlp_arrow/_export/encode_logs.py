"""Log records of the OpenTelemetry SDK -> the body of an ExportLogsServiceRequest.

The SDK's class for a record with its scope was LogData until 1.38, where the record knew the resource and how
many attributes were dropped; since then it is ReadableLogRecord, which knows both itself.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from .encode import Request, any_value, attributes, fixed32, sized, text, varint

if TYPE_CHECKING:
    from collections.abc import Iterable

_times = struct.Struct("<BQBQ").pack


def encode_logs(records: Iterable[Any]) -> bytes:
    """The body for ReadableLogRecords (or LogData), in their order within each resource and scope."""
    request = Request()
    for each in records:
        owner = each if hasattr(each, "resource") else each.log_record
        items = request.items(owner.resource, each.instrumentation_scope or None)
        items.append(_record(each.log_record, owner.dropped_attributes))
    return request.body()


def _record(record: Any, dropped: int) -> bytes:
    event_name = getattr(record, "event_name", None)
    return b"".join(
        (
            _times(0x09, record.timestamp or 0, 0x59, record.observed_timestamp or 0),
            b"\x10" + varint(record.severity_number.value) if record.severity_number else b"",
            b"\x1a" + text(record.severity_text) if record.severity_text else b"",
            b"\x2a" + sized(any_value(record.body)),
            attributes(b"\x32", record.attributes),
            b"\x38" + varint(dropped) if dropped else b"",
            b"\x45" + fixed32(int(record.trace_flags or 0)),
            b"\x4a\x10" + record.trace_id.to_bytes(16, "big") if record.trace_id else b"",
            b"\x52\x08" + record.span_id.to_bytes(8, "big") if record.span_id else b"",
            b"\x62" + text(event_name) if event_name else b"",
        )
    )
