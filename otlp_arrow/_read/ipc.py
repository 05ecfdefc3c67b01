"""Arrow IPC streams in files: where their batches lie, told from the heads of messages alone.

::

    | schema | dictionary ... dictionary | batch | dictionary ... | batch | zeros, or the end
             └──────────── group ────────────────┘

A batch of ours comes with all of its dictionaries in front of it, so groups can be read by themselves, in any
order, each with the schema before it. The head of a group's first message may have statistics of it, see
docs/format.md; those say where it ends, so that one head is read for each and not thirty. What is odd in
them is as if they were not there.

Heads are flatbuffers (apache/arrow format/Message.fbs). An offset that leads out of the file is a
struct.error.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.ipc

if TYPE_CHECKING:
    from collections.abc import Iterable

STATISTICS = b"otlp_arrow.statistics"
_SCHEMA, _BATCH = 1, 3
_CONTINUATION = 0xFFFF_FFFF
_FRAME = struct.Struct("<II")
_U16 = struct.Struct("<H")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_I64 = struct.Struct("<q")


class OddStreamError(Exception):
    """What stands at a place is no message."""


class CutStreamError(OddStreamError):
    """What stands at a place is the begin of a message, or of a group."""


class Message(NamedTuple):
    kind: int
    end: int
    metadata: int  # where its key-value pairs are; 0 for none


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a group's first message says of it; None: not told.

    times: the lowest and highest time by which since and until filter, () where no row has one.
    services: the values of service_name, None among them for rows that have none.
    """

    size: int  # bytes, of all of the group's messages
    rows: int
    times: tuple[int, ...] | None
    untimed: bool  # there may be rows without a time
    services: frozenset[str | None] | None


class Group(NamedTuple):
    start: int
    end: int
    statistics: Statistics | None


def message_at(data: Any, at: int) -> Message | None:
    """The message at a place; None where readers take the stream as ended. Raises OddStreamError."""
    size = len(data)
    if at + 8 > size:
        return None
    word, length = _FRAME.unpack_from(data, at)
    if length == 0 and word in (0, _CONTINUATION):
        return None
    if word != _CONTINUATION:
        raise OddStreamError
    if at + 8 + length > size:
        raise CutStreamError
    try:
        root = at + 8 + _U32.unpack_from(data, at + 8)[0]
        kind, body, metadata = (_field(data, root, number) for number in (1, 3, 4))
        end = at + 8 + length + (_I64.unpack_from(data, body)[0] if body else 0)
        message = Message(data[kind] if kind else 0, end, metadata)
    except (struct.error, IndexError) as error:
        raise OddStreamError from error
    if end <= at:
        raise OddStreamError
    if end > size:
        raise CutStreamError
    return message


def _field(data: Any, table: int, number: int) -> int:
    """Where a field of a table lies; 0 where it is absent."""
    vtable = table - _I32.unpack_from(data, table)[0]
    place = 4 + 2 * number
    if vtable < 0 or place + 2 > _U16.unpack_from(data, vtable)[0]:
        return 0
    offset = _U16.unpack_from(data, vtable + place)[0]
    return table + offset if offset else 0


def _text(data: Any, field: int) -> bytes:
    at = field + _U32.unpack_from(data, field)[0]
    length = _U32.unpack_from(data, at)[0]
    return bytes(data[at + 4 : at + 4 + length])


def _metadata(data: Any, field: int, key: bytes) -> bytes | None:
    """The value of a key in a vector of KeyValue tables."""
    vector = field + _U32.unpack_from(data, field)[0]
    for number in range(min(_U32.unpack_from(data, vector)[0], 16)):
        place = vector + 4 + 4 * number
        pair = place + _U32.unpack_from(data, place)[0]
        if _text(data, _field(data, pair, 0)) == key:
            return _text(data, _field(data, pair, 1))
    return None


def group_at(data: Any, at: int) -> Group | None:
    """The group that begins at a place; None at the end of the stream. Raises OddStreamError."""
    message, end = message_at(data, at), at
    if message is None:
        return None
    statistics = _statistics(data, message)
    if statistics is not None and at + statistics.size <= len(data):
        return Group(at, at + statistics.size, statistics)
    while message is not None:
        if message.kind == _BATCH:
            return Group(at, message.end, None)
        end = message.end
        message = message_at(data, end)
    raise CutStreamError


def _statistics(data: Any, message: Message) -> Statistics | None:
    """What is told of a group: "<crc32 of what follows, 8 hex digits> <JSON>"."""
    if not message.metadata:
        return None
    try:
        value = _metadata(data, message.metadata, STATISTICS)
        if value is None or int(value[:8], 16) != zlib.crc32(value[9:]):
            return None
        return _told(json.loads(value[9:]))
    except (struct.error, IndexError, ValueError, TypeError, KeyError):
        return None


def _told(found: dict[str, Any]) -> Statistics | None:
    times, services = found.get("times"), found.get("services")
    if found["bytes"] <= 0 or (times is not None and len(times) not in (0, 2)):
        return None
    return Statistics(
        size=found["bytes"],
        rows=found["rows"],
        times=None if times is None else tuple(times),
        untimed=bool(found.get("untimed", True)),
        services=None if services is None else frozenset(services),
    )


class Stream:
    """The bytes of a stream: its schema, and what is behind that."""

    def __init__(self, data: pa.Buffer) -> None:
        self.data = data
        self.view = memoryview(data)
        self.schema = pa.ipc.open_stream(data, options=options()).schema
        message = message_at(self.view, 0)
        self.begin = message.end if message is not None and message.kind == _SCHEMA else 0

    def reader(self, ranges: Iterable[tuple[int, int]], fields: list[int] | None) -> Any:
        """A reader of some groups, or of all from a place to the end, for some fields (None: all)."""
        (start, end), *more = ranges
        if start == self.begin and not more:
            source = self.data.slice(0, end)
        else:  # compressed, they are few bytes
            parts = [self.view[: self.begin], *(self.view[a:b] for a, b in [(start, end), *more])]
            source = pa.py_buffer(b"".join(parts))
        return pa.ipc.open_stream(source, options=options(fields))


def options(fields: list[int] | None = None) -> Any:
    """Threads of pyarrow's take a column each, and make small batches 10 times as slow (bench/read.py)."""
    return pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
