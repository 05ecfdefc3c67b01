"""Files -> tables of the wanted rows and columns, a few at a time, in order.

::

    file ─> groups ─> those that may have wanted rows, until they are many ─┬─> decode, filter, make plain
              └─> without statistics: all from there on, batch by batch ────┘   on a few threads

What a call of pyarrow costs is paid once for many small batches. Memory holds a few tables besides what has
been handed out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from os import cpu_count
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from .files import Part, map_part, told
from .ipc import Group, OddStreamError, Stream, group_at

if TYPE_CHECKING:
    from .select import Selection

Job = Callable[[], pa.Table]
Ranges = list[tuple[int, int]]

_WORKERS = min(4, cpu_count() or 1)
_ROWS = 1 << 16
_BYTES = 1 << 26
_PACKED_BYTES = 1 << 23


def scan(parts: Iterable[Part], selection: Selection) -> Iterator[pa.Table]:
    """The wanted rows of files, in tables whose columns are those that each file has.

    Each file that is there gives at least one table, perhaps without rows. Raises InvalidDataError, IoError.
    """
    waiting: deque[tuple[Part, Future[pa.Table]]] = deque()
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="otlp-arrow-read")
    try:
        for begun in _begun(parts, selection, pool):
            waiting.append(begun)
            if len(waiting) > _WORKERS:
                yield _finished(*waiting.popleft())
        while waiting:
            yield _finished(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(
    parts: Iterable[Part], selection: Selection, pool: ThreadPoolExecutor
) -> Iterator[tuple[Part, Future[pa.Table]]]:
    """Begins to read files. An error is the last result, behind what was begun before it."""
    for part in parts:
        try:
            for job in _jobs(part, selection):
                yield part, _submit(pool, job)
        except Exception as error:
            failed: Future[pa.Table] = Future()
            failed.set_exception(error)
            yield part, failed
            return


def _finished(part: Part, future: Future[pa.Table]) -> pa.Table:
    with told(part.path):
        return future.result()


def _submit(pool: ThreadPoolExecutor, job: Job) -> Future[pa.Table]:
    try:
        return pool.submit(job)
    except RuntimeError:  # the interpreter ends, and we are called by an atexit hook: no more threads
        future: Future[pa.Table] = Future()
        future.set_result(job())
        return future


def _jobs(part: Part, selection: Selection) -> Iterator[Job]:
    """What is to be done for a file; nothing when it has no schema yet, or is gone."""
    data = map_part(part)
    if data is None:
        return
    stream = Stream(data)
    selection.check(part.path, stream.schema)
    place, given = stream.begin, False
    for run in runs(stream, place, selection):
        place = run.end
        if run.ranges:
            yield partial(decode, stream, run.ranges, selection)
            given = True
    for group in rest(stream, place, len(data), selection):
        yield partial(selection.apply, group)
        given = True
    if not given:
        yield partial(pa.Table.from_batches, [], schema=selection.schema(stream.schema))


class Run(NamedTuple):
    """Groups to be decoded together, and how far what was looked at for them goes."""

    ranges: Ranges
    end: int


def runs(stream: Stream, place: int, selection: Selection) -> Iterator[Run]:
    """The groups from a place on that may have wanted rows, as far as groups have statistics."""
    ranges: Ranges = []
    rows = size = 0
    while (group := _next(stream, place)) is not None:
        place = group.end
        statistics = group.statistics
        assert statistics is not None
        if not selection.may_want(statistics):
            continue
        _extend(ranges, group)
        rows, size = rows + statistics.rows, size + statistics.size
        if rows >= _ROWS or size >= _PACKED_BYTES:
            yield Run(ranges, place)
            ranges, rows, size = [], 0, 0
    yield Run(ranges, place)


def _next(stream: Stream, place: int) -> Group | None:
    try:
        group = group_at(stream.view, place)
    except OddStreamError:
        return None  # to be told by who reads the rest
    return None if group is None or group.statistics is None else group


def _extend(ranges: Ranges, group: Group) -> None:
    """Adds a group to ranges of bytes, to the last of them where it follows that."""
    if ranges and ranges[-1][1] == group.start:
        ranges[-1] = (ranges[-1][0], group.end)
    else:
        ranges.append((group.start, group.end))


def decode(stream: Stream, ranges: Ranges, selection: Selection) -> pa.Table:
    """The wanted rows of ranges of whole groups."""
    reader = stream.reader(ranges, selection.fields(stream.schema))
    return selection.apply(pa.Table.from_batches(list(reader), schema=reader.schema))


def rest(stream: Stream, place: int, end: int, selection: Selection) -> Iterator[pa.Table]:
    """What is between two places, of groups without statistics, or to zeros: the fields that are needed."""
    if place + 8 > end or not any(stream.view[place : place + 8]):
        return
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in stream.reader([(place, end)], selection.fields(stream.schema)):
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.get_total_buffer_size()
        if rows >= _ROWS or size >= _BYTES:
            yield pa.Table.from_batches(batches)
            batches, rows, size = [], 0, 0
    if batches:
        yield pa.Table.from_batches(batches)
